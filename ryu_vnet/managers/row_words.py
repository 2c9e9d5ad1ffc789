"""What rows look at, in words: addresses, questions, families, and for what band of priorities they stand."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TypeAlias

from ..compiler import fields as f
from ..compiler.pipeline import STAGE_BY_TABLE
from ..compiler.rows import CONTROLLER_PORT, FieldMatch, Output, Row
from ..compiler.source import ADVERTISEMENT, ARP, IPV4, IPV6, RARP, SOLICITATION
from ..model.traffic import format_ethertype, format_ports, format_protocol

Conditions: TypeAlias = dict[str, FieldMatch]
"""What a row looks at, by the name of the field."""

_REPLY = 2
"""The operation of an ARP reply (RFC 826)."""
_FAMILIES = {IPV4: "IPv4", IPV6: "IPv6", ARP: "ARP", RARP: "reverse ARP"}
_PROTOCOL_PORTS = {
    f.TCP_SRC.name: "from tcp port",
    f.TCP_DST.name: "to tcp port",
    f.UDP_SRC.name: "from udp port",
    f.UDP_DST.name: "to udp port",
    f.SCTP_SRC.name: "from sctp port",
    f.SCTP_DST.name: "to sctp port",
}


def band(row: Row) -> str:
    """For which of its stage's bands a row stands."""
    stage = STAGE_BY_TABLE[row.table]
    return next((name for name, priority in stage.priorities.items() if priority == row.priority), "")


def is_told(row: Row) -> bool:
    """Whether the controller is told of what a row is for."""
    return any(isinstance(action, Output) and action.port == CONTROLLER_PORT for action in row.actions)


def question_of(conditions: Conditions) -> str | None:
    """The address that ARP or neighbour discovery asks for, or (of an answer) tells of; None for other frames."""
    family, kind = conditions.get(f.ETH_TYPE.name), conditions.get(f.ICMPV6_TYPE.name)
    if family is not None and family.value == ARP:
        said = conditions.get(f.ARP_OP.name)
        return address_of(conditions, f.ARP_SPA if said is not None and said.value == _REPLY else f.ARP_TPA)
    if kind is not None and kind.value in (SOLICITATION, ADVERTISEMENT):
        return address_of(conditions, f.ND_TARGET)
    return None


def address_of(conditions: Conditions, *fields: f.Field) -> str:
    """The address or prefix of the first of these fields that is looked at."""
    found = next((conditions[field.name] for field in fields if field.name in conditions), None)
    if found is None:
        return "any address"
    address = IPv4Address(found.value) if found.field.bits == f.IPV4_SRC.bits else IPv6Address(found.value)
    return str(address) if found.mask is None else str(ip_network((address, found.mask.bit_count())))


def family_of(conditions: Conditions) -> str:
    """`IPv4`, `ARP`; `what` where any may be meant."""
    family = conditions.get(f.ETH_TYPE.name)
    return _FAMILIES.get(family.value, "what") if family is not None else "what"


def traffic_of(conditions: Conditions) -> str:
    """The frames that a row is for, by what they carry."""
    said = []
    family, protocol = conditions.get(f.ETH_TYPE.name), conditions.get(f.IP_PROTO.name)
    if family is not None:
        said.append(_FAMILIES.get(family.value, format_ethertype(family.value)))
    if protocol is not None:
        said.append(format_protocol(protocol.value))
    kind = conditions.get(f.ICMPV6_TYPE.name) or conditions.get(f.ICMPV4_TYPE.name)
    dscp = conditions.get(f.IP_DSCP.name)
    said += [f"type {kind.value}"] if kind is not None else []
    said += [f"dscp {dscp.value}"] if dscp is not None else []
    said += ["later fragments"] if f.IP_FRAG.name in conditions else []
    for name, words in _PROTOCOL_PORTS.items():
        condition = conditions.get(name)
        if condition is not None:
            last = condition.value | 0xFFFF & ~(0xFFFF if condition.mask is None else condition.mask)
            said.append(f"{words} {format_ports((condition.value, last))}")
    return " ".join(said) or "anything else"
