"""The ways from a member of a network to a server outside that are compared, and nothing of how.

    member ── gw ── server           ours: one bridge, which is the member's host and its network's gateway
    member ── h5 ── e5 ── c5 ── g5 ── server      ours, over a host, an edge, a core switch and a gateway
    member ── router ── server       Linux, which routes in the kernel and translates by nftables
    member ── f6 ── server           one bridge that only forwards, as ours but for all it has to do
    member ── server                 nothing in between: what the two ends can do at most

Members and servers are the same everywhere: network namespaces with the same addresses, at the ends of veth pairs.
Everywhere the sender cuts what it sends into frames of the MTU before they leave, as they would be on a real wire: left
to itself, Linux hands itself 64 KB at a time from one namespace to the next, and the figures would be of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .controller import Controller
from .ovn_children import wait_until
from .throughput import LEFT, NODE_MTU, RIGHT, Chain, Line, relay
from .traffic import Namespace, join

SERVERS = 8
"""Addresses of the server. A shared address has all its ports for each of them."""
GATEWAY, HOP = "10.0.0.1", "203.0.113.1"
GATEWAY6, HOP6 = "2001:db8:a:1::1", "2001:db8:ff::1"
SHARED, FLOATING = "203.0.113.10", "203.0.113.50"
UPLINK, UPLINK6 = "203.0.113.2", "2001:db8:ff::2"
SUBNET, SUBNET6 = "10.0.0.0/24", "2001:db8:a:1::/64"
REALISED_SECONDS = 60
PORTS = "1024-65535"


@dataclass(frozen=True, slots=True)
class Translation:
    """How a member's packets reach the server: where from, where to, and what happens to them on the way."""

    name: str
    title: str
    source: str
    servers: tuple[str, ...]


def _servers(form: str) -> tuple[str, ...]:
    return tuple(form.format(number) for number in range(1, SERVERS + 1))


MASQUERADED = Translation("shared", "IPv4 by a shared address", "10.0.0.11", _servers("198.51.100.{}"))
ONE_TO_ONE = Translation("floating", "IPv4 by a floating address", "10.0.0.12", _servers("198.51.100.{}"))
FILTERED = Translation("six", "IPv6 as it is", "2001:db8:a:1::11", _servers("2001:db8:feed::{}"))
TRANSLATIONS = (MASQUERADED, ONE_TO_ONE, FILTERED)

NFTABLES = f"""
table ip nat {{
  chain incoming {{
    type nat hook prerouting priority dstnat
    ip daddr {FLOATING} dnat to {ONE_TO_ONE.source}
  }}
  chain outgoing {{
    type nat hook postrouting priority srcnat
    oifname "out" ip saddr {ONE_TO_ONE.source} snat to {FLOATING}
    oifname "out" masquerade
  }}
}}
table inet filter {{
  chain forward {{
    type filter hook forward priority filter
    policy drop
    ct state established,related accept
    iifname "in" ct state new accept
    ip daddr {ONE_TO_ONE.source} ct state new accept
  }}
}}
"""
"""What connections may begin, and how they are translated: as ours."""


@dataclass(frozen=True, slots=True)
class Side:
    """One way: the namespaces of the member and of the server, and the bridges between them, if any."""

    member: Namespace
    server: Namespace
    line: Line | None = None

    def answers(self, translation: Translation) -> bool:
        """Whether the server can be reached."""
        try:
            self.member.run("ping", "-q", "-c", "1", "-W", "1", "-I", translation.source, translation.servers[0])
        except RuntimeError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Bridges(Chain):
    """A chain whose nodes are a member and a server."""

    @property
    def addresses(self) -> tuple[str, str]:
        return MASQUERADED.source, HOP


ONE = _Bridges(4, (("gw", "G"),))
WHOLE = _Bridges(5, (("h5", "A"), ("e5", "A"), ("c5", None), ("g5", "H")))
FORWARDING = _Bridges(6, (("f6", None),))


@contextmanager
def sides(folder: Path) -> Iterator[dict[str, Side]]:
    """All of them, by name; every translation of each gets through."""
    path = folder / "openflow.sock"
    with ExitStack() as stack:
        controller = stack.enter_context(Controller(folder))
        stack.enter_context(relay(path, controller.openflow_port))
        lines = {
            "ours": stack.enter_context(Line(ONE, folder / "ours", path)),
            "chain": stack.enter_context(Line(WHOLE, folder / "chain", path)),
            "forward": stack.enter_context(Line(FORWARDING, folder / "forward")),
        }
        found = {name: Side(*line.nodes, line) for name, line in lines.items()}
        found["nft"] = _linux(stack, folder)
        found["wire"] = _wire(stack)
        for side in found.values():
            _dress(side)
        for name in ("ours", "chain"):
            _route_by_router(found[name])
            found[name].server.run("ip", "-6", "route", "add", SUBNET6, "dev", "eth0")
        _route_by_router(found["nft"])
        found["nft"].server.run("ip", "-6", "route", "add", SUBNET6, "via", UPLINK6)
        for name in ("forward", "wire"):
            _route_directly(found[name])
        answer = controller.ask("POST", f"/v1/apply?wait={REALISED_SECONDS}", _intent(lines["ours"], lines["chain"]))
        if not answer["realised"]:
            raise RuntimeError(f"the gateways are not ready after {REALISED_SECONDS} s: {answer['pending']}")
        for name, side in found.items():
            for one in TRANSLATIONS:
                wait_until(lambda side=side, one=one: side.answers(one), f"{one.title} gets through: {name}")
        yield found


def _dress(side: Side) -> None:
    """The further addresses of both ends, and settings for many connections."""
    for end in (side.member, side.server):
        _set(end, "net.ipv6.conf.all.disable_ipv6=0")
    side.member.run("ip", "address", "add", f"{ONE_TO_ONE.source}/24", "dev", "eth0")
    side.member.run("ip", "address", "add", f"{FILTERED.source}/64", "dev", "eth0", "nodad")
    for address in MASQUERADED.servers:
        side.server.run("ip", "address", "add", f"{address}/32", "dev", "eth0")
    for address in (*FILTERED.servers, HOP6):
        length = 64 if address == HOP6 else 128
        side.server.run("ip", "address", "add", f"{address}/{length}", "dev", "eth0", "nodad")
    # As many ports as a shared address has; and one that was used a second ago may be used again.
    _set(side.member, f"net.ipv4.ip_local_port_range={PORTS.replace('-', ' ')}", "net.ipv4.tcp_tw_reuse=1")


def _route_by_router(side: Side) -> None:
    side.member.run("ip", "route", "add", "default", "via", GATEWAY)
    side.member.run("ip", "-6", "route", "add", "default", "via", GATEWAY6)


def _route_directly(side: Side) -> None:
    for end, prefixes in ((side.member, ("default", "default")), (side.server, (SUBNET, SUBNET6))):
        for version, prefix in zip(("-4", "-6"), prefixes, strict=True):
            end.run("ip", version, "route", "add", prefix, "dev", "eth0")


def _wire(stack: ExitStack) -> Side:
    side = Side(stack.enter_context(Namespace()), stack.enter_context(Namespace()))
    join(side.member, "eth0", side.server, "eth0")
    _set_up_ends(side)
    return side


def _linux(stack: ExitStack, folder: Path) -> Side:
    """A Linux machine between the two ends, which has nothing else to do."""
    side = Side(stack.enter_context(Namespace()), stack.enter_context(Namespace()))
    router = stack.enter_context(Namespace())
    join(side.member, "eth0", router, "in")
    join(side.server, "eth0", router, "out")
    _set_up_ends(side)
    _set(router, "net.ipv6.conf.all.disable_ipv6=0", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    for device, addresses in (
        ("in", (f"{GATEWAY}/24", f"{GATEWAY6}/64")),
        ("out", (f"{UPLINK}/24", f"{UPLINK6}/64", f"{FLOATING}/32")),
    ):
        router.set_up(device, mtu=NODE_MTU)
        for address in addresses:
            router.run("ip", "address", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
    for version, hop in (("-4", HOP), ("-6", HOP6)):
        router.run("ip", version, "route", "add", "default", "via", hop)
    rules = folder / "router.nft"
    rules.write_text(NFTABLES)
    router.run("nft", "--file", str(rules))
    return side


def _set_up_ends(side: Side) -> None:
    for end, address in ((side.member, MASQUERADED.source), (side.server, HOP)):
        end.set_up("eth0", mtu=NODE_MTU, address=f"{address}/24")


def _set(namespace: Namespace, *settings: str) -> None:
    namespace.run("sysctl", "--quiet", "--write", *settings)


def _intent(one: Line, whole: Line) -> dict[str, Any]:
    """Two networks with a way out each, by a gateway of its own to an outside network of its own."""
    switches: dict[str, Any] = {}
    for line in (one, whole):
        for name, segment in line.chain.bridges:
            dpid = line.chain.dpid(name)
            switches[name] = {"dpid": dpid, "segment": segment, "ovsdb": line.databases[name]}
        last, port = line.chain.places[-1]
        switches[last]["uplinks"] = {port: {"outside": f"outside-{last}", "addresses": [UPLINK, UPLINK6]}}
    links = [
        {"kind": "trunk", "a": f"h5:h5-{RIGHT}", "b": f"e5:e5-{LEFT}"},
        {"kind": "core", "a": f"e5:e5-{RIGHT}", "b": f"c5:c5-{LEFT}"},
        {"kind": "core", "a": f"c5:c5-{RIGHT}", "b": f"g5:g5-{LEFT}"},
    ]
    outside = {"addresses": ["203.0.113.0/24", "2001:db8:a::/48"], "next_hops": [HOP, HOP6]}
    fabric = {
        "mtu": NODE_MTU,
        "switches": switches,
        "links": links,
        "outside": {f"outside-{line.chain.names[-1]}": outside for line in (one, whole)},
    }
    return {"fabric": fabric, "tenants": {f"t{line.chain.number}": _tenant(line.chain) for line in (one, whole)}}


def _tenant(chain: Chain) -> dict[str, Any]:
    (switch, port), (gateway, _) = chain.places
    way_out = {"network": f"outside-{gateway}", "address": SHARED, "ports": PORTS}
    ips = [one.source for one in TRANSLATIONS]
    eth0 = {"mac": chain.macs[0], "ips": ips, "at": f"{switch}:{port}", "network": "net"}
    return {
        "networks": {"net": {"subnets": [SUBNET, SUBNET6], "outside": way_out}},
        "nodes": {"member": {"running": True, "interfaces": {"eth0": eth0}}},
        "floating": {FLOATING: {"network": "net", "inside": ONE_TO_ONE.source}},
    }
