"""What `Client` asks about routes: routers of tenants, and what is not ours: addresses and ports that are let in,
gateways, outside networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .connection import Answer, Connection, Json, name_part, ref_path


class OutsideClient(Connection):
    """Calls about what leaves a network: to others, and to outside networks. See `Client`."""

    def routers(self, tenant: str, *, limit: int | None = None, after: str | None = None) -> list[Json]:
        """The routers of a tenant, by name, each with what it lets pass."""
        return self._list(_of(tenant, "routers"), "routers", limit, after)

    def each_router(self, tenant: str) -> Iterator[Json]:
        """The same one after the other."""
        return self._each(_of(tenant, "routers"), "routers")

    def router(self, ref: str) -> Json:
        """A router, by `tenant/name`: from which network to which it lets what begin."""
        return self._get(ref_path(ref, "routers"))

    def put_router(self, ref: str, networks: Sequence[str], rules: Sequence[Json] = (), *, wait: float = 0) -> Answer:
        """Route between networks, of the tenant by name and of others by `tenant/name`. `rules` say what may begin, as
        in an intent: `[{"from": "web", "to": "db", "allow": [{"protocol": "tcp", "port": "5432"}]}]`; none: all."""
        body = {"networks": [*networks], "rules": [*rules]}
        return self._change("PUT", ref_path(ref, "routers"), wait, body)

    def delete_router(self, ref: str, *, wait: float = 0) -> Answer:
        """Route no more between networks for the sake of this router."""
        return self._change("DELETE", ref_path(ref, "routers"), wait)

    def floating(self, tenant: str, *, limit: int | None = None, after: str | None = None) -> list[Json]:
        """The outside addresses that are one member's own, of a tenant, by address."""
        return self._list(_of(tenant, "floating"), "floating", limit, after)

    def each_floating(self, tenant: str) -> Iterator[Json]:
        """The same one after the other."""
        return self._each(_of(tenant, "floating"), "floating")

    def floating_address(self, tenant: str, address: str) -> Json:
        """An outside address, and whose own it is."""
        return self._get(f"{_of(tenant, 'floating')}/{name_part(address)}")

    def put_floating(
        self, tenant: str, address: str, network: str, inside: str, outside: str | None = None, *, wait: float = 0
    ) -> Answer:
        """Give whoever has the address `inside` in a network an outside address of its own, in both directions."""
        body = {"network": network, "inside": inside, "outside": outside}
        return self._change("PUT", f"{_of(tenant, 'floating')}/{name_part(address)}", wait, body)

    def delete_floating(self, tenant: str, address: str, *, wait: float = 0) -> Answer:
        """Give an outside address up."""
        return self._change("DELETE", f"{_of(tenant, 'floating')}/{name_part(address)}", wait)

    def forwards(self, tenant: str, *, limit: int | None = None, after: str | None = None) -> list[Json]:
        """The forwarded ports of a tenant, by address, protocol and port; `after` is as `203.0.113.10/tcp/8080`."""
        return self._list(_of(tenant, "forwards"), "forwards", limit, after)

    def each_forward(self, tenant: str) -> Iterator[Json]:
        """The same one after the other."""
        return self._each(_of(tenant, "forwards"), "forwards")

    def forward(self, tenant: str, address: str, protocol: str, port: int) -> Json:
        """A forwarded port."""
        return self._get(f"{_of(tenant, 'forwards')}/{name_part(address)}/{name_part(protocol)}/{port}")

    def put_forward(
        self,
        tenant: str,
        network: str,
        port: int,
        inside: str,
        inside_port: int | None = None,
        *,
        protocol: str = "tcp",
        address: str | None = None,
        wait: float = 0,
    ) -> Answer:
        """Let what comes for a port of an outside address in to whoever has the address `inside` in a network.

        Without an `address` it is that which the network's sources become; `raw["forward"]` of the answer has it.
        """
        body = {"network": network, "address": address, "protocol": protocol, "port": port, "inside": inside}
        return self._change("POST", _of(tenant, "forwards"), wait, {**body, "inside_port": inside_port})

    def delete_forward(self, tenant: str, address: str, protocol: str, port: int, *, wait: float = 0) -> Answer:
        """Let nothing in for a port any more."""
        path = f"{_of(tenant, 'forwards')}/{name_part(address)}/{name_part(protocol)}/{port}"
        return self._change("DELETE", path, wait)

    def gateways(self) -> list[Json]:
        """Switches with uplinks: their next routers, whether these answer, and the first networks that each serves."""
        return [*self._get("/v1/gateways")["gateways"]]

    def gateway(self, name: str) -> Json:
        """One of them, with all networks that it serves."""
        return self._get(f"/v1/gateways/{name_part(name)}")

    def move_gateway(self, network: str, to: str, *, wait: float = 0) -> Answer:
        """Have a network, by reference, go out by another one of its gateways; `raw["together"]` of the answer has the
        networks that went with it, as they share its outside address."""
        return self._change("POST", f"{ref_path(network, 'networks')}/gateway", wait, {"to": to})

    def outsides(self) -> list[Json]:
        """Outside networks: which addresses networks may have there, and how many they have."""
        return [*self._get("/v1/outside")["outside"]]

    def outside(self, name: str) -> Json:
        """One outside network."""
        return self._get(f"/v1/outside/{name_part(name)}")

    def outside_addresses(self, name: str, *, limit: int | None = None, after: str | None = None) -> list[Json]:
        """What the addresses of an outside network are used for, and by whom, by address."""
        return self._list(f"/v1/outside/{name_part(name)}/addresses", "addresses", limit, after)


def _of(tenant: str, kind: str) -> str:
    return f"/v1/tenants/{name_part(tenant)}/{kind}"
