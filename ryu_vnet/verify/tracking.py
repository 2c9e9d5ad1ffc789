"""Connection tracking: what `ct` says of a packet, and how it translates one (ovs-actions(7), "ct").

Connections are state that no table shows. `Connections` holds them apart and explicitly, so that a packet out and then
its reply can be simulated one after the other:

    connections = Connections()
    simulator = Simulator(tables, wires, connections=connections)
    simulator.inject("edge", 1, request)
    simulator.inject("edge", 2, reply)

A connection is `+new` until a packet of the other direction was seen, and `+est` from then on, as Open vSwitch 3.1 has
it over its userspace data path.

Not modelled: timeouts; TCP's flags and sequence numbers and all else for which Open vSwitch says `+inv`; helpers of
protocols (`+rel`). Two kinds of packets are not tracked here at all, but end (`Untracked`): fragments, which a switch
holds back until all of them are there, and ICMP errors, which belong to the connection of the packet inside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..compiler.rows import CtState, Nat, Track
from ..errors import Invalid
from .overwrite import with_upper_field
from .packet import Packet
from .upper import PROTO_ICMP, PROTO_ICMPV6, PROTO_SCTP, PROTO_TCP, PROTO_UDP, Icmp, Icmpv6, Ip, Ports

_ECHOES = {(PROTO_ICMP, 8): 0, (PROTO_ICMP, 0): 8, (PROTO_ICMPV6, 128): 129, (PROTO_ICMPV6, 129): 128}
"""The type of echo that answers each, by protocol and type."""
_PORT_NAMES = {PROTO_TCP: "tcp", PROTO_UDP: "udp", PROTO_SCTP: "sctp"}


class Untracked(Invalid):
    """A packet of which it is not modelled what connection tracking says."""


@dataclass(frozen=True, slots=True)
class Ends:
    """What tells a connection from others, as the packets of one direction have it. Ports are 0 where there are none;
    of echoes, `sport` is the identifier and `dport` the type."""

    version: int
    proto: int
    src: int
    dst: int
    sport: int = 0
    dport: int = 0

    def turned(self) -> Ends:
        """The same of packets of the other direction."""
        answer = _ECHOES.get((self.proto, self.dport))
        if answer is not None and self.proto in (PROTO_ICMP, PROTO_ICMPV6):
            return replace(self, src=self.dst, dst=self.src, dport=answer)
        return replace(self, src=self.dst, dst=self.src, sport=self.dport, dport=self.sport)


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection: `first` as its first packet had its ends, `sent` as that packet went on, translated or not."""

    first: Ends
    sent: Ends
    answered: bool = False

    def translation(self, reply: bool) -> CtState:
        """The bit of `ct_state` that packets of one direction have once they are translated."""
        if self.first == self.sent:
            return CtState(0)
        source = (self.first.src, self.first.sport) != (self.sent.src, self.sent.sport)
        return CtState.SOURCE_TRANSLATED if source != reply else CtState.DESTINATION_TRANSLATED


@dataclass(slots=True)
class Connections:
    """The connections that switches remember, by switch and zone. Simulating a packet adds those that it commits."""

    known: Mapping[tuple[str, int], tuple[Connection, ...]] = field(default_factory=dict)

    def of(self, switch: str, zone: int) -> tuple[Connection, ...]:
        """The connections of a zone."""
        return self.known.get((switch, zone), ())

    def put(self, switch: str, zone: int, connection: Connection) -> None:
        """Remember a connection, in place of one that began with the same packet."""
        others = (item for item in self.of(switch, zone) if item.first != connection.first)
        self.known = {**self.known, (switch, zone): (*others, connection)}

    def flush(self, switch: str, zone: int) -> None:
        """Forget those of a zone."""
        self.known = {place: items for place, items in self.known.items() if place != (switch, zone)}


@dataclass(frozen=True, slots=True)
class Tracked:
    """What became of a packet: itself, perhaps translated, and the fields that say what is known of it."""

    packet: Packet
    state: CtState
    first: Ends

    def fields(self) -> dict[str, int]:
        """Fields by name, as rows match them."""
        first = self.first
        address = {"ct_nw_dst": first.dst} if first.version == 4 else {}
        return {"ct_state": int(self.state), "ct_nw_proto": first.proto, "ct_tp_dst": first.dport, **address}


def track(connections: Connections, switch: str, packet: Packet, action: Track, translated: bool) -> Tracked:
    """Look a packet up in a zone, translate it, and remember its connection if the action says so. Raises Untracked.

    A new connection whose source (destination) is translated gets the action's address, and keeps its port where the
    action's range, if it has one, has it, else gets the first of the range. Open vSwitch chooses by a hash within the
    range, and another port where that is taken: which one it is must not matter to who asks.

    `translated`: the packet has been already, by an action before, so it is looked for as it is by now.
    """
    ends = ends_of(packet)
    for connection in connections.of(switch, action.zone):
        first, sent = connection.first, connection.sent
        replies = [sent.turned(), *([first.turned()] if translated else [])]
        if ends in replies or ends in [first, *([sent] if translated else [])]:
            answered = replace(connection, answered=connection.answered or ends in replies)
            return _known(connections, (switch, packet, action), answered, ends in replies)
    sent = _translated(ends, action.nat) if action.commit else ends
    connection = Connection(ends, sent)
    if action.commit:
        connections.put(switch, action.zone, connection)
    state = CtState.TRACKED | CtState.NEW | connection.translation(reply=False)
    return Tracked(_with_ends(packet, sent), state, ends)


def _known(connections: Connections, asked: tuple[str, Packet, Track], connection: Connection, reply: bool) -> Tracked:
    """A packet of a connection that is remembered."""
    switch, packet, action = asked
    connections.put(switch, action.zone, connection)
    state = CtState.TRACKED | (CtState.ESTABLISHED if connection.answered else CtState.NEW)
    state |= CtState.REPLY if reply else CtState(0)
    translation = connection.translation(reply)
    if action.nat is not None and translation:
        state |= translation
        packet = _with_ends(packet, connection.first.turned() if reply else connection.sent)
    return Tracked(packet, state, connection.first)


def ends_of(packet: Packet) -> Ends:
    """What tells a packet's connection. Raises Untracked for fragments, ICMP errors, and what is not IP."""
    ip = packet.upper
    if not isinstance(ip, Ip):
        raise Untracked("connection tracking of what is not IP")
    if ip.frag:
        raise Untracked("connection tracking of fragments is not modelled")
    transport, plain = ip.transport, Ends(ip.version, ip.proto, ip.src, ip.dst)
    if isinstance(transport, Ports):
        return replace(plain, sport=transport.src, dport=transport.dst)
    if isinstance(transport, Icmp | Icmpv6):
        if (ip.proto, transport.type) not in _ECHOES:
            raise Untracked(f"connection tracking of ICMP type {transport.type} is not modelled: only that of echoes")
        identifier = int.from_bytes(packet.payload[ip.start + 4 : ip.start + 6], "big")
        return replace(plain, sport=identifier, dport=transport.type)
    return plain


def _translated(ends: Ends, nat: Nat | None) -> Ends:
    if nat is None or nat.address is None:
        return ends
    has_ports = ends.proto in _PORT_NAMES
    if nat.source:
        return replace(ends, src=nat.address, sport=_port(ends.sport, nat.ports) if has_ports else ends.sport)
    return replace(ends, dst=nat.address, dport=_port(ends.dport, nat.ports) if has_ports else ends.dport)


def _port(port: int, ports: tuple[int, int] | None) -> int:
    return port if ports is None or ports[0] <= port <= ports[1] else ports[0]


def _with_ends(packet: Packet, ends: Ends) -> Packet:
    """The packet with other addresses and ports. Identifiers of echoes stay, as Open vSwitch keeps them."""
    upper = packet.upper
    values = {f"ipv{ends.version}_src": ends.src, f"ipv{ends.version}_dst": ends.dst}
    if ends.proto in _PORT_NAMES:
        name = _PORT_NAMES[ends.proto]
        values |= {f"{name}_src": ends.sport, f"{name}_dst": ends.dport}
    for name, value in values.items():
        upper = with_upper_field(upper, name, value)
    if upper == packet.upper:
        return packet
    return replace(packet, upper=upper, before=packet.upper if packet.before is None else packet.before)
