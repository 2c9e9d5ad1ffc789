"""Rows as people have them in front of them, back to what identifies them: table, priority, match.

What is read is what ovs-ofctl(8) prints (`dump-flows`, also with `--names`) and takes; its names of fields are those of
ovs-fields(7) and the older ones. Actions are not looked at: a switch has one row of a table, priority and match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from ..errors import Invalid, Problem
from . import fields as f
from .fields import FIELD_BY_NAME, Field
from .pipeline import STAGES
from .rows import FieldMatch, Match, match
from .text import STATE_WORDS

_ARP = 0x0806
_WORDS: dict[str, tuple[tuple[Field, int], ...]] = {
    "ip": ((f.ETH_TYPE, 0x0800),),
    "ipv6": ((f.ETH_TYPE, 0x86DD),),
    "arp": ((f.ETH_TYPE, _ARP),),
    "rarp": ((f.ETH_TYPE, 0x8035),),
    "mpls": ((f.ETH_TYPE, 0x8847),),
    "mplsm": ((f.ETH_TYPE, 0x8848),),
    "icmp": ((f.ETH_TYPE, 0x0800), (f.IP_PROTO, 1)),
    "icmp6": ((f.ETH_TYPE, 0x86DD), (f.IP_PROTO, 58)),
    **{
        f"{word}{six}": ((f.ETH_TYPE, family), (f.IP_PROTO, number))
        for word, number in (("tcp", 6), ("udp", 17), ("sctp", 132))
        for six, family in (("", 0x0800), ("6", 0x86DD))
    },
}
"""What a word alone stands for."""
_NAMES = {
    "dl_src": "eth_src",
    "dl_dst": "eth_dst",
    "dl_type": "eth_type",
    "nw_proto": "ip_proto",
    "ip_src": "ipv4_src",
    "ip_dst": "ipv4_dst",
    "nw_src": "ipv4_src",
    "nw_dst": "ipv4_dst",
    "nw_frag": "ip_frag",
    "nw_ttl": "ip_ttl",
}
_ARP_NAMES = {"nw_src": "arp_spa", "nw_dst": "arp_tpa", "nw_proto": "arp_op"}
"""What names of fields of IP mean where the row is about ARP."""
_ICMP_NAMES = {1: ("icmpv4_type", "icmpv4_code"), 58: ("icmpv6_type", "icmpv6_code")}
"""What `icmp_type` and `icmp_code` mean, by the protocol."""
_KNOWN_STATES = sum(STATE_WORDS)
_PORTS = {6: (f.TCP_SRC, f.TCP_DST), 17: (f.UDP_SRC, f.UDP_DST), 132: (f.SCTP_SRC, f.SCTP_DST)}
_FRAGMENTS = {"no": (0, None), "first": (1, None), "later": (3, None), "yes": (1, 1), "not_later": (0, 2)}
_IGNORED = frozenset(
    {
        "duration",
        "n_packets",
        "n_bytes",
        "idle_age",
        "hard_age",
        "idle_timeout",
        "hard_timeout",
        "importance",
        "send_flow_rem",
        "check_overlap",
        "reset_counts",
        "no_packet_counts",
        "no_byte_counts",
    }
)
_PART = re.compile(r'[\s,]*([\w.]+)(?:=(\([^)]*\)|"[^"]*"|[^\s,]*))?')


@dataclass(frozen=True, slots=True)
class RowText:
    """What a text says of a row. Without a cookie it does not tell whose it is."""

    table: int
    priority: int
    match: Match
    cookie: int | None = None


def read_row(text: str, ports: Mapping[str, int]) -> RowText:
    """What identifies the row of a text; `ports` are those of its switch, which it may call by name. Raises Invalid."""
    parts = dict(_parts(text.partition("actions=")[0]))
    table = _table(parts.pop("table", "0") or "")
    # What a row has where nobody says one (OFP_DEFAULT_PRIORITY).
    priority = _number("priority", parts.pop("priority", "32768") or "")
    cookie = parts.pop("cookie", None)
    conditions = [*_conditions(parts, ports)]
    return RowText(table, priority, match(*conditions), None if cookie is None else _number("cookie", cookie))


def _parts(text: str) -> Iterator[tuple[str, str | None]]:
    place = 0
    while text[place:].strip(" ,\t\n"):
        found = _PART.match(text, place)
        if found is None or found.end() == place:
            raise _wrong(text[place:].strip(), "the text of a row as `ovs-ofctl dump-flows` prints it")
        place = found.end()
        if found[1] not in _IGNORED:
            yield found[1], found[2]


def _table(text: str) -> int:
    by_name = {stage.name: stage.table for stage in STAGES}
    return by_name[text.upper()] if text.upper() in by_name else _number("table", text)


def _number(name: str, text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise _wrong(f"{name}={text}", "a number") from None


def _wrong(what: str, hint: str) -> Invalid:
    return Invalid(Problem("row", f"{what!r} cannot be read", hint))


def _conditions(parts: Mapping[str, str | None], ports: Mapping[str, int]) -> Iterator[FieldMatch]:
    protocol: int | None = None
    for name, value in parts.items():
        for known, number in _WORDS.get(name, ()) if value is None else ():
            protocol = number if known is f.IP_PROTO else protocol
            yield FieldMatch(known, number)
    if parts.get("nw_proto") or parts.get("ip_proto"):
        protocol = _number("nw_proto", str(parts.get("nw_proto") or parts.get("ip_proto")))
    for name, value in parts.items():
        if value is not None:
            try:
                yield _condition(name, value, parts, protocol, ports)
            except ValueError as error:
                raise _wrong(f"{name}={value}", str(error)) from None
        elif name not in _WORDS:
            raise _wrong(name, "the text of a row as `ovs-ofctl dump-flows` prints it")


def _condition(
    name: str, text: str, parts: Mapping[str, str | None], protocol: int | None, ports: Mapping[str, int]
) -> FieldMatch:
    value, _, mask = text.partition("/")
    if name in ("tp_src", "tp_dst") and protocol in _PORTS:
        return _plain(_PORTS[protocol][name == "tp_dst"], value, mask)
    if name == "dl_vlan":
        return FieldMatch(f.VLAN_VID, f.VLAN_PRESENT | int(value, 0))
    if name == "vlan_tci":
        ones = f.VLAN_VID.ones
        return FieldMatch(f.VLAN_VID, int(value, 0) & ones, int(mask, 0) & ones if mask else None)
    if name == "nw_tos":
        return FieldMatch(f.IP_DSCP, int(value, 0) >> 2)
    if name == "in_port":
        word = value.strip('"')
        return FieldMatch(f.IN_PORT, ports[word] if word in ports else int(word, 0))
    if name == "packet_type":
        namespace, kind = value.strip("()").split(",")
        return FieldMatch(f.PACKET_TYPE, int(namespace, 0) << 16 | int(kind, 0))
    if name in ("nw_frag", "ip_frag") and text in _FRAGMENTS:
        return FieldMatch(f.IP_FRAG, *_FRAGMENTS[text])
    if name == "ct_state":
        return FieldMatch(f.CT_STATE, *_state(value, mask))
    if name in ("icmp_type", "icmp_code") and protocol in _ICMP_NAMES:
        return _plain(FIELD_BY_NAME[_ICMP_NAMES[protocol][name == "icmp_code"]], value, mask)
    names = {**_NAMES, **_ARP_NAMES} if _is_arp(parts) else _NAMES
    field = FIELD_BY_NAME.get(names.get(name, name))
    if field is None:
        raise ValueError("a field that rows of ours have, by its name in ovs-fields(7)")
    return _plain(field, value, mask)


def _is_arp(parts: Mapping[str, str | None]) -> bool:
    eth_type = parts.get("dl_type") or parts.get("eth_type")
    return "arp" in parts or (eth_type is not None and int(eth_type, 0) == _ARP)


def _state(text: str, mask: str) -> tuple[int, int]:
    """Value and mask of `ct_state`: `+trk-new`; `new|trk` or a number where every bit is told; a number and a mask."""
    if text[:1] in ("+", "-"):
        signs = re.findall(r"([+-])([a-z]+)", text)
        if "".join(sign + word for sign, word in signs) != text:
            raise ValueError("bits of ct_state, each behind + or -")
        bits = [(_state_bit(word), sign) for sign, word in signs]
        return sum(bit for bit, sign in bits if sign == "+"), sum(bit for bit, _ in bits)
    if text and not text[0].isdigit():
        return sum(_state_bit(word) for word in text.split("|")), _KNOWN_STATES
    return int(text, 0), int(mask, 0) if mask else _KNOWN_STATES


def _state_bit(word: str) -> int:
    for bit, known in STATE_WORDS.items():
        if word == known:
            return int(bit)
    raise ValueError(f"one of {', '.join(STATE_WORDS.values())}")


def _plain(field: Field, value: str, mask: str) -> FieldMatch:
    """A value in the notation of its field, and a mask, or for an IP address the length of a prefix."""
    if field.bits in (32, 128) and ("." in value or ":" in value):
        if mask and ("." in mask or ":" in mask):
            return FieldMatch(field, int(ip_network(value)[0]), int(ip_network(mask)[0]))
        prefix = ip_network(f"{value}/{mask}" if mask else value)
        return FieldMatch(field, int(prefix[0]), int(prefix.netmask))
    return FieldMatch(field, _digits(value), _digits(mask) if mask else None)


def _digits(text: str) -> int:
    return int(text.replace(":", ""), 16) if ":" in text else int(text, 0)
