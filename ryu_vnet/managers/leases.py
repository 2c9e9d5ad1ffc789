"""Giving interfaces addresses in the subnets of their networks, where they were asked to have none there.

IPv4: the first that is free. IPv6: the one that the interface would form itself from its MAC address (RFC 4291,
appendix A), so that it has the same however it comes to it. An address stays for as long as the interface is in the
network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ..errors import Exhausted, Invalid, Problem
from ..model.names import Prefix, link_local_bytes
from ..model.outside import Address, Subnet
from ..model.state import Draft, Model
from ..model.values import Interface, Network, Node, Value
from .outside import is_host
from .requests import Work

_IDENTIFIER = 64
"""Bits that such an address has behind its prefix."""


class Leases:
    """Remembers which addresses are used in the networks that have subnets, once it has looked."""

    def __init__(self) -> None:
        self._used: dict[str, Counter[Address]] = {}
        """By network: how many interfaces have each address."""

    def changed(self, old: Value | None, new: Value | None) -> None:
        """A value is another now, in the model that is kept."""
        if isinstance(old, Network) and not isinstance(new, Network):
            self._used.pop(old.ref, None)
        for value, by in ((old, -1), (new, 1)):
            for ref, address in _addresses(value) if isinstance(value, Node) else ():
                used = self._used.get(ref)
                if used is not None:
                    used[address] += by
                    if not used[address]:
                        del used[address]

    def settle(self, work: Work, model: Model) -> None:
        """Give the interfaces of a draft their addresses, and take those that they should not have any more.

        Raises Invalid where two would have one address or one would have its router's, Exhausted where none is free.
        """
        draft = work.draft
        keys = {key for key, value in draft.changes.items() if isinstance(value, Node)}
        for key, value in draft.changes.items():
            old = model.get(key)
            if isinstance(value, Network) and value.subnets != (old.subnets if isinstance(old, Network) else ()):
                keys |= draft.member_nodes(value.ref)
        this = _Settling(draft, model, self, keys)
        for key in sorted(keys):
            node = draft.get(key)
            if isinstance(node, Node):
                this.node(node)

    def used(self, model: Model, ref: str) -> Counter[Address]:
        """How many interfaces have each address in a network."""
        used = self._used.get(ref)
        if used is None:
            members = model.members(ref)
            used = self._used[ref] = Counter(address for member in members for address in _singles(member.interface))
        return used


class _Settling:
    """One draft gone through: `keys` are the nodes that are looked at, `_leave` what they had and `_have` what those
    have now that were seen to."""

    def __init__(self, draft: Draft, model: Model, leases: Leases, keys: Iterable[str]) -> None:
        self._draft = draft
        self._model = model
        self._leases = leases
        self._leave: dict[str, Counter[Address]] = {}
        self._have: dict[str, dict[Address, str]] = {}
        self._asked: dict[str, set[Address]] = {}
        self._next: dict[str, int] = {}
        for key in keys:
            old, new = model.get(key), draft.get(key)
            for ref, address in _addresses(old) if isinstance(old, Node) else ():
                self._leave.setdefault(ref, Counter())[address] += 1
            for ref, address in _addresses(new) if isinstance(new, Node) else ():
                # Who keeps an address, or asks for one, has it before anybody who is given one.
                self._asked.setdefault(ref, set()).add(address)
        for value in (model.get(key) for key, new in draft.changes.items() if new is None):
            for ref, address in _addresses(value) if isinstance(value, Node) else ():
                self._leave.setdefault(ref, Counter())[address] += 1

    def node(self, node: Node) -> None:
        """Settle the addresses of a node."""
        interfaces = tuple(self._settled(node, interface) for interface in node.interfaces)
        if interfaces != node.interfaces:
            self._draft.put(replace(node, interfaces=interfaces))

    def _settled(self, node: Node, interface: Interface) -> Interface:
        leases: list[Prefix] = []
        where = f"tenants.{node.tenant}.nodes.{node.name}.interfaces.{interface.name}.ips"
        self._check_apart(node, interface)
        for ref in node.networks_of(interface):
            network = self._draft.network(ref)
            for subnet in network.subnets if network is not None else ():
                own = [*_checked(interface, subnet, ref, where)]
                if not own:
                    lease = self._lease(ref, subnet, interface)
                    own = [lease] if lease is not None else []
                    leases += [IPv4Network(one) if isinstance(one, IPv4Address) else IPv6Network(one) for one in own]
                for address in own:
                    self._take(ref, address, f"{node.ref} {interface.name}", where)
        return replace(interface, leases=tuple(leases)) if tuple(leases) != interface.leases else interface

    def _check_apart(self, node: Node, interface: Interface) -> None:
        """Refuse to have an interface in two networks with the same addresses: it could not tell them apart."""
        seen: list[tuple[str, Subnet]] = []
        for ref in node.networks_of(interface):
            network = self._draft.network(ref)
            for subnet in network.subnets if network is not None else ():
                for other, its in seen:
                    if (
                        other != ref
                        and its.prefix.version == subnet.prefix.version
                        and its.prefix.overlaps(subnet.prefix)
                    ):
                        where = f"tenants.{node.tenant}.nodes.{node.name}.interfaces.{interface.name}.networks"
                        both = f"{other} has {its.prefix} and {ref} has {subnet.prefix}, which overlap"
                        raise Invalid(Problem(where, both, "one of the two networks, or an interface for each"))
                seen.append((ref, subnet))

    def _take(self, ref: str, address: Address, who: str, where: str) -> None:
        have = self._have.setdefault(ref, {})
        other = have.setdefault(address, who)
        if other == who and self._is_used(ref, address):
            members = (m for m in self._draft.members(ref) if address in _singles(m.interface) and str(m) != who)
            other = next((str(member) for member in members), who)
        if other != who:
            hint = "each its own; leave it out to be given one"
            raise Invalid(Problem(where, f"{address} in {ref} is that of {other} already", hint))

    def _is_used(self, ref: str, address: Address) -> bool:
        """Whether somebody has an address who is not looked at."""
        left = self._leave.get(ref)
        return self._leases.used(self._model, ref)[address] > (left[address] if left is not None else 0)

    def _lease(self, ref: str, subnet: Subnet, interface: Interface) -> Address | None:
        given = next((lease[0] for lease in interface.leases if lease[0] in subnet), None)
        if isinstance(subnet.prefix, IPv6Network):
            if interface.known_mac is None or subnet.prefix.prefixlen > _IDENTIFIER:
                return given
            identifier = int.from_bytes(link_local_bytes(interface.known_mac)[8:], "big")
            return IPv6Address(int(subnet.prefix.network_address) | identifier)
        if given is not None and is_host(given, subnet.prefix) and given != subnet.gateway:
            return given
        asked = self._asked.get(ref, set())
        first, last = int(subnet.prefix[1]), int(subnet.prefix[-2])
        for number in range(max(first, self._next.get(ref, 0)), last + 1):
            address = IPv4Address(number)
            if address not in asked and address != subnet.gateway and not self._is_used(ref, address):
                self._next[ref] = number + 1
                return address
        raise Exhausted(f"network {ref} has no address left in {subnet.prefix}: give it a larger subnet")


def _checked(interface: Interface, subnet: Subnet, ref: str, where: str) -> Iterator[Address]:
    """The addresses that an interface was asked to have in a subnet."""
    for prefix in interface.ips:
        if prefix.version != subnet.prefix.version or not prefix.overlaps(subnet.prefix):
            continue
        if subnet.gateway is not None and subnet.gateway in prefix:
            hint = f"addresses of {subnet.prefix} but this one; or none, to be given one"
            raise Invalid(Problem(where, f"{prefix} has the address of the router of {ref}, {subnet.gateway}", hint))
        if prefix.prefixlen == prefix.max_prefixlen:
            if not is_host(prefix[0], subnet.prefix):
                hint = f"one of {subnet.prefix[1]} to {subnet.prefix[-2]}"
                raise Invalid(Problem(where, f"{prefix[0]} is no machine's address in {subnet.prefix}", hint))
            yield prefix[0]


def _singles(interface: Interface) -> Iterable[Address]:
    return [prefix[0] for prefix in interface.sources if prefix.prefixlen == prefix.max_prefixlen]


def _addresses(node: Node) -> Iterator[tuple[str, Address]]:
    for interface in node.interfaces:
        singles = _singles(interface)
        for ref in node.networks_of(interface):
            for address in singles:
                yield ref, address
