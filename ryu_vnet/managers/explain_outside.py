"""What the rows of gateways mean, in words: one sentence each, as `explain` says of all others."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol, TypeAlias

from ..compiler import fields as f
from ..compiler.pipeline import LARGE_REG, NETWORK_REG, UPLINK_REG
from ..compiler.rows import CtState, Row, SetField, Track
from ..model.names import format_mac
from ..model.traffic import format_ports, format_protocol
from .row_words import Conditions, address_of, band, family_of, is_told, question_of

Say: TypeAlias = Callable[[Row, Conditions], str]


class _Names(Protocol):
    """What `explain.Names` says of numbers."""

    def network(self, number: int) -> str: ...

    def interface(self, number: int) -> str: ...

    def zone(self, number: int) -> str: ...


def outside_meanings(names: _Names, port: Callable[[int], str]) -> dict[str, Say]:
    """By stage: what says what a row of it means on a switch. `port` names ports of it by number."""
    told = _Told(names, port)
    return {
        "UPLINK": told.uplink,
        "RETURN": told.returned,
        "PORTS": told.forwarded,
        "INBOUND": told.inbound,
        "RESOLVE": told.resolved,
        "ADVERTISE": told.advertised,
        "OUTBOUND": told.outbound,
        "TRANSLATE": told.translated,
        "SHARE": told.shared,
        "DEPART": told.departs,
    }


class _Told:
    """One sentence for each row of a gateway."""

    def __init__(self, names: _Names, port: Callable[[int], str]) -> None:
        self._names = names
        self._port = port

    # --- from outside ------------------------------------------------------------------------------------------------

    def uplink(self, row: Row, conditions: Conditions) -> str:
        """A row of UPLINK."""
        question = question_of(conditions)
        if band(row) == "tagged":
            return "what comes from outside with a VLAN tag is refused"
        if question is not None and is_told(row):
            return f"what next router {question} says of itself (ARP, neighbour discovery): the controller is told"
        if question is not None:
            return f"whoever asks for the MAC address of {question} is told ours, at once"
        if LARGE_REG.field.name in conditions:
            return "larger than what it is for can take: the controller is told"
        address, track = address_of(conditions, f.IPV4_DST, f.IPV6_DST), _track(row)
        network = self._network_set(row)
        if network is None and not row.actions:
            return f"for {address}, which has an own address outside: by that it is reached, and by no other"
        if network is None:
            return f"for {address}, which sources of networks become: back to whose it is"
        if track is not None and track.nat is not None and track.nat.address is not None:
            return f"for {address}, which is the own address of {_nat(track)} in {network}"
        return f"for {address}, into {network}"

    def returned(self, row: Row, conditions: Conditions) -> str:
        """A row of RETURN."""
        network = self._network_set(row) or "a network"
        port = conditions.get(f.CT_TP_DST.name)
        if port is not None:
            address = address_of(conditions, f.CT_NW_DST)
            protocol = format_protocol(conditions[f.CT_NW_PROTO.name].value)
            return f"what is new for {protocol} port {port.value} of {address} is for {network}"
        return f"what answers {network}, which is {address_of(conditions, f.IPV4_DST)} here"

    def forwarded(self, row: Row, conditions: Conditions) -> str:
        """A row of PORTS."""
        port = conditions.get(f.TCP_DST.name) or conditions.get(f.UDP_DST.name)
        protocol = format_protocol(conditions[f.IP_PROTO.name].value)
        track, network = _track(row), self._names.network(conditions[NETWORK_REG.field.name].value)
        inside = f" of {_nat(track)}" if track is not None else ""
        inner = track.nat.ports[0] if track is not None and track.nat is not None and track.nat.ports else "?"
        return f"{protocol} port {port.value if port else '?'} of {network} is port {inner}{inside}"

    def inbound(self, row: Row, conditions: Conditions) -> str:
        """A row of INBOUND."""
        network = conditions.get(NETWORK_REG.field.name)
        if network is None:
            state = conditions[f.CT_STATE.name].value
            what = "is about" if state & CtState.RELATED else "is part of"
            return f"{family_of(conditions)} that {what} a connection which is known is let in"
        if band(row) == "forged":
            source = address_of(conditions, f.IPV4_SRC, f.IPV6_SRC)
            return f"what claims to be from {source} of {self._names.network(network.value)}, from outside, is refused"
        inside = address_of(conditions, f.IPV4_DST, f.IPV6_DST)
        return f"in {self._names.network(network.value)}, new connections to {inside} are let in"

    def resolved(self, row: Row, conditions: Conditions) -> str:
        """A row of RESOLVE."""
        network = self._names.network(conditions[NETWORK_REG.field.name].value)
        who = self._names.interface(row.origin.number)
        return f"in {network}, {address_of(conditions, f.IPV4_DST, f.IPV6_DST)} is {who}"

    def advertised(self, row: Row, conditions: Conditions) -> str:
        """A row of ADVERTISE."""
        return "an answer to neighbour discovery gets its sender's MAC address in, and goes to whoever asked"

    # --- to the outside ----------------------------------------------------------------------------------------------

    def outbound(self, row: Row, conditions: Conditions) -> str:
        """A row of OUTBOUND."""
        number = conditions.get(NETWORK_REG.field.name)
        network = self._names.network(number.value) if number is not None else "a network"
        source = address_of(conditions, f.IPV4_SRC, f.IPV6_SRC)
        track = _track(row)
        match band(row):
            case "tagged":
                return "what has a VLAN tag of a member's own does not go outside"
            case "inside":
                inside = address_of(conditions, f.IPV4_DST, f.IPV6_DST)
                if number is None:
                    return f"what is for {inside} is forwarded by no router, and is refused"
                return f"what {network} sends to its own subnet {inside} needs no router, and is refused"
            case "spent":
                return f"{family_of(conditions)} of {network} whose TTL is spent: the controller is told"
            case "large":
                return (
                    f"{family_of(conditions)} of {network} that is larger than outside can take: the controller is told"
                )
        if track is None:
            return f"{family_of(conditions)} of {network}"
        known = f", known in {self._names.zone(track.zone)}"
        if track.nat is None:
            return f"what {source} of {network} sends outside goes as it is{known}"
        if band(row) == "floating":
            return f"what {source} of {network} sends outside comes from its own address {_nat(track)}{known}"
        return f"what {source} of {network} sends outside becomes {_nat(track)}{known}"

    def translated(self, row: Row, conditions: Conditions) -> str:
        """A row of TRANSLATE."""
        network = self._names.network(conditions[NETWORK_REG.field.name].value)
        source, track = address_of(conditions, f.IPV4_SRC, f.IPV6_SRC), _track(row)
        if track is None:
            return f"what comes from {source} of {network} may leave"
        ports = f", ports {format_ports(track.nat.ports)}" if track.nat is not None and track.nat.ports else ""
        return f"what stands for {network} ({source}) becomes {_nat(track)}{ports}"

    def shared(self, row: Row, conditions: Conditions) -> str:
        """A row of SHARE."""
        if is_told(row):
            network = self._names.network(conditions[NETWORK_REG.field.name].value)
            return f"no port is free for {network} any more: the controller is told"
        return f"what has become {address_of(conditions, f.IPV4_SRC)} may leave"

    def departs(self, row: Row, conditions: Conditions) -> str:
        """A row of DEPART."""
        uplink = conditions.get(UPLINK_REG.field.name)
        by = f" by {self._port(uplink.value)}" if uplink is not None else ""
        if band(row) == "own":
            return f"for {address_of(conditions, f.IPV4_DST, f.IPV6_DST)}, an address of our own: as if it came in{by}"
        to = next((a.value for a in row.actions if isinstance(a, SetField) and a.field == f.ETH_DST), 0)
        return f"{family_of(conditions)} goes to the next router, {format_mac(to)},{by or ' outside'}"

    def _network_set(self, row: Row) -> str | None:
        found = [a.value for a in row.actions if isinstance(a, SetField) and a.field == NETWORK_REG.field]
        return self._names.network(found[-1]) if found else None


# --- bits -------------------------------------------------------------------------------------------------------------


def _track(row: Row) -> Track | None:
    return next((action for action in row.actions if isinstance(action, Track)), None)


def _nat(track: Track) -> str:
    """What an address becomes by connection tracking."""
    if track.nat is None or track.nat.address is None:
        return "what it was"
    return str(IPv6Address(track.nat.address) if track.nat.is_six else IPv4Address(track.nat.address))
