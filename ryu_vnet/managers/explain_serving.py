"""What the rows mean that answer for networks with subnets and that route between them, in words."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Protocol, TypeAlias

from ..compiler import fields as f
from ..compiler.pipeline import INTERFACE_REG, NETWORK_REG
from ..compiler.rows import IN_PORT_PORT, Output, Row, SetField
from ..compiler.serving import ROUTER_SOLICITATION
from ..model.names import Prefix
from ..model.state import Model
from .row_words import Conditions, address_of, band, family_of, question_of, traffic_of

Say: TypeAlias = Callable[[Row, Conditions], str]

_ROUTERS_SAY = {134: "router advertisements", 137: "redirects"}
"""By type of ICMPv6 (RFC 4861, 4.2 and 4.5)."""
_ANSWERING = (f.TCP_FLAGS, f.TCP_SRC, f.UDP_SRC, f.SCTP_SRC, f.ICMPV4_TYPE, f.ICMPV6_TYPE)
"""What a row looks at that lets answers through, and none that lets something begin."""
_BARE = 3
"""Conditions that each row has which lets something pass, beside prefixes: network, destination MAC, version of IP."""
_PREFIXES = frozenset(field.name for field in (f.IPV4_SRC, f.IPV4_DST, f.IPV6_SRC, f.IPV6_DST))


class _Names(Protocol):
    """What `explain.Names` says of numbers."""

    model: Model

    def network(self, number: int) -> str: ...

    def interface(self, number: int) -> str: ...


def serving_meanings(names: _Names) -> dict[str, Say]:
    """By stage: what says what a row of it means."""
    told = _Told(names)
    return {"ANSWER": told.answered, "ROUTE": told.routed}


class _Told:
    """One sentence for each row."""

    def __init__(self, names: _Names) -> None:
        self._names = names

    def answered(self, row: Row, conditions: Conditions) -> str:
        """A row of ANSWER."""
        number = conditions.get(NETWORK_REG.field.name)
        network = self._names.network(number.value) if number is not None else "a network"
        match band(row):
            case "tagged":
                return "what has a VLAN tag of a member's own is no question, and is not routed"
            case "own":
                who = self._names.interface(conditions[INTERFACE_REG.field.name].value)
                return f"what {who} says of its own address {question_of(conditions)} is for everybody in {network}"
            case "router":
                asked = question_of(conditions)
                if asked is None:
                    return f"whoever pings the router of {network}, {_destination(conditions)}, is answered here"
                return f"whoever asks for the router of {network}, {asked}, is answered here"
            case "told":
                return f"in {network}, {_asked(conditions)}: the controller is told, which answers"
            case "rogue":
                return f"in {network}, {_said(conditions)} of members are refused"
            case "member":
                who = self._names.interface(row.origin.number)
                return f"whoever asks for {question_of(conditions)} in {network}, {who}, is answered here"
            case _:
                return f"whatever else is sent in {network} is for whom it is"

    def routed(self, row: Row, conditions: Conditions) -> str:
        """A row of ROUTE."""
        source = self._names.network(conditions[NETWORK_REG.field.name].value)
        there = _destination(conditions)
        match band(row):
            case "other":
                return f"what is not for the router of {source}, or not for where that routes to, goes on"
            case "spent":
                to = self._target(source, there)
                return f"{family_of(conditions)} of {source} to {to} whose TTL is spent: the controller is told"
            case "refused":
                return f"from {source} to {self._target(source, there)}, what no rule lets pass is refused"
        number = next((a.value for a in row.actions if isinstance(a, SetField) and a.field == NETWORK_REG.field), 0)
        target = self._names.network(number)
        by = self._routers(source, target)
        rest = {name: part for name, part in conditions.items() if name not in _PREFIXES}
        carried = {name: part for name, part in rest.items() if name != f.ETH_TYPE.name}
        traffic = _plain(traffic_of(carried)) if len(rest) > _BARE else "everything"
        if any(field.name in conditions for field in _ANSWERING):
            acknowledged = " that acknowledges" if f.TCP_FLAGS.name in conditions else ""
            return f"from {source} to {target}, {traffic}{acknowledged} comes back, as {by} lets it be asked for"
        return f"from {source} to {target}, {traffic} may begin, by {by}"

    def _target(self, source: str, prefix: str) -> str:
        """`red/db (10.0.1.0/24)`: the network that a prefix leads to."""
        routing = self._names.model.routing
        for ref in routing.partners(source):
            network = self._names.model.network(ref)
            if network is not None and any(_is(subnet.prefix, prefix) for subnet in network.subnets):
                return f"{ref} ({prefix})"
        return prefix

    def _routers(self, source: str, target: str) -> str:
        found = [router.ref for router in self._names.model.routing.between(source, target)]
        return f"{'router' if len(found) == 1 else 'routers'} {', '.join(found) or 'that are gone'}"


def is_answer_of_switch(row: Row) -> bool:
    """Whether a row sends a frame back to whoever sent it."""
    return any(isinstance(action, Output) and action.port == IN_PORT_PORT for action in row.actions)


def _plain(traffic: str) -> str:
    """With a protocol said once: `tcp to port 5432`."""
    for protocol in ("tcp", "udp", "sctp"):
        traffic = traffic.replace(f" {protocol} port", " port")
    return traffic


def _is(prefix: Prefix, text: str) -> bool:
    return prefix == ip_network(text)


def _destination(conditions: Conditions) -> str:
    return address_of(conditions, f.IPV4_DST, f.IPV6_DST)


def _asked(conditions: Conditions) -> str:
    """What is asked of a router beside its address."""
    kind = conditions.get(f.ICMPV6_TYPE.name)
    if kind is not None and kind.value == ROUTER_SOLICITATION:
        return "whoever asks for routers"
    return f"{_dhcp(conditions)} requests to {_destination(conditions)}"


def _said(conditions: Conditions) -> str:
    """What nobody may say but a router."""
    kind = conditions.get(f.ICMPV6_TYPE.name)
    return _ROUTERS_SAY.get(kind.value, "messages") if kind is not None else f"{_dhcp(conditions)} answers"


def _dhcp(conditions: Conditions) -> str:
    return "DHCPv6" if family_of(conditions) == "IPv6" else "DHCP"
