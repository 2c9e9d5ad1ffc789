"""What becomes of one frame between two nodes, or between a node and the outside, told in names: every hop, every
table, every link; and the way of the answer.

The tables are those that the switches are to hold; a hop says how its switch stands, since one that is away may hold
older ones. No connection is known before the frame: the answer meets what the frame has left behind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import Invalid, Problem
from ..verify.packet import Packet
from ..verify.text import packet_text
from ..verify.trace import Delivery
from ..verify.upper import PROTO_TCP, PROTO_UDP
from .route import Hop, Route
from .router_words import accesses_text
from .system import System
from .trace_ends import Sort, Source, Target, are_apart, find_ends
from .trace_frames import answer_to, frame_of, usual_kind
from .trace_way import Follower, Way

KINDS = ("icmp", "ipv6", "arp", "tcp", "udp", "broadcast", "ethertype")
"""An ICMP echo over IPv4 or IPv6, an ARP request, the first segment of a TCP connection, a datagram of UDP, a broadcast
and a unicast of an EtherType of its own."""
ANY_PORT = 49152
"""From which TCP and UDP are sent where nobody says: the first of those that are for whoever begins (RFC 6335, 6)."""
_PROTOCOLS = {"tcp": PROTO_TCP, "udp": PROTO_UDP}


def trace(
    system: System,
    source: str,
    target: str | None,
    kind: str | None,
    port: int | None = None,
    source_port: int | None = None,
) -> Route:
    """Follow one frame from `tenant/node[:interface]` to another, to a MAC address, to an IP address inside or outside,
    or (None) to everybody; or from an IP address outside to one that networks of ours have there. `port` is that which
    TCP or UDP is for. Where it is delivered, and can be answered, so is the answer.

    Raises Invalid and NotFound.
    """
    sort = _sort(kind, port, source_port)
    sender, aim = find_ends(system, source, target, sort)
    chosen = kind or usual_kind(sender, aim)
    frame = frame_of(sender, aim, chosen, sort)
    follower = Follower(system)
    leg = _follow(follower, sender, aim, frame)
    route = replace(_route(leg, chosen), notes=[*leg.notes, *_notes(system, sender, aim)])
    return replace(route, answer=_answer(system, follower, leg, chosen))


def _sort(kind: str | None, port: int | None, source_port: int | None) -> Sort:
    if kind is not None and kind not in KINDS:
        raise Invalid(Problem("kind", f"{kind!r} is not a kind of frame", f"one of {', '.join(KINDS)}"))
    if kind in _PROTOCOLS and port is None:
        raise Invalid(Problem("port", f"{kind} is for some port", "say which: port 443"))
    if kind not in _PROTOCOLS and (port is not None or source_port is not None):
        raise Invalid(Problem("port", f"{kind or 'an echo'} has no ports", "kind tcp or udp"))
    return Sort(kind, _PROTOCOLS.get(kind or "", 0), port or 0, source_port or ANY_PORT)


# --- one way ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Leg:
    """A frame, and what became of it; no `way` where it could not even be sent, as `verdict` says. `arrived` is how it
    left the fabric where it was to."""

    sender: Source
    aim: Target
    frame: Packet
    way: Way | None
    verdict: str
    notes: list[str]
    arrived: Delivery | None = None

    @property
    def delivered(self) -> bool:
        """Whether it came to where it was to, or was answered."""
        return self.arrived is not None or (self.way is not None and self.way.answered is not None)


def _follow(follower: Follower, sender: Source, aim: Target, frame: Packet) -> _Leg:
    place, notes = sender.place, []
    for member in (sender.member, aim.member):
        if member is not None and not member.node.running:
            notes.append(f"{member.node.ref} is not running")
    number = follower.port_of(place) if place else None
    if place is None or number is None:
        verdict = f"{sender.text} has no switch port"
        if place is not None:
            verdict = f"the port {place} of {sender.text} is not there: its switch has not reported it"
        return _Leg(sender, aim, frame, None, verdict, notes)
    way = follower.follow(place.switch, number, frame)
    arrived = _arrived(way, aim)
    if way.answered is not None and arrived is None:
        verdict = f"answered by the switch {place.switch} for {way.answered}"
    else:
        verdict = _verdict(way.hops, aim, arrived is not None)
    return _Leg(sender, aim, frame, way, verdict, [*notes, *way.anomalies], arrived)


def _arrived(way: Way, aim: Target) -> Delivery | None:
    """The copy that came to where the frame was to; of a frame to everybody, the first that came to somebody."""
    if aim.member is None and way.answered is not None:
        return None
    arrivals = [(hop.switch, arrival) for hop in way.hops for arrival in hop.arrivals]
    for switch, arrival in arrivals:
        if aim.member is not None and arrival.to != str(aim.member):
            continue
        text = arrival.frame
        return next(one for one in way.deliveries if one.switch == switch and packet_text(one.frame) == text)
    return None


def _verdict(hops: list[Hop], aim: Target, delivered: bool) -> str:
    received = sorted({arrival.to for hop in hops for arrival in hop.arrivals})
    if delivered:
        return f"delivered to {', '.join(received)}"
    reasons = [f"{hop.switch} in {drop.stage}: {drop.reason}" for hop in hops for drop in hop.drops]
    if received:
        reasons.insert(0, f"it came to {', '.join(received)}")
    return f"not delivered to {aim.text}; " + ("; ".join(dict.fromkeys(reasons)) or "no copy of it was made")


def _route(leg: _Leg, kind: str) -> Route:
    hops = leg.way.hops if leg.way is not None else []
    text = packet_text(leg.frame)
    return Route(leg.sender.text, leg.aim.text, kind, text, leg.delivered, leg.verdict, leg.notes, hops)


# --- and back ---------------------------------------------------------------------------------------------------------


def _answer(system: System, follower: Follower, leg: _Leg, kind: str) -> Route | None:
    """The way of what is answered, where there is such a thing."""
    if leg.arrived is None or leg.way is None or kind not in ("icmp", "ipv6", "tcp", "udp"):
        return None
    frame = answer_to(leg.arrived.frame)
    if frame is None:
        return None
    place = follower.place(leg.arrived.switch, leg.arrived.port)
    member = system.model.at(place)
    text = str(member) if member is not None else f"{leg.aim.text} outside"
    sender = Source(text, frame.eth_src, place, member)
    aim = Target(leg.sender.text, frame.eth_dst, leg.sender.member)
    return _route(_follow(follower, sender, aim, frame), kind)


# --- what else there is to say ----------------------------------------------------------------------------------------


def _notes(system: System, sender: Source, aim: Target) -> list[str]:
    """Which rules a frame was under that is routed between networks, or that nothing routes it."""
    routing = system.model.routing
    if aim.via and aim.into:
        routers = ", ".join(router.ref for router in routing.between(aim.via, aim.into))
        may = accesses_text(routing.access(aim.via, aim.into))
        return [f"from {aim.via} to {aim.into} may begin: {may} (router {routers})"]
    if sender.member is None or aim.member is None or aim.via or not are_apart(sender.member, aim.member):
        return []
    return [f"{sender.text} and {aim.text} are in no network together, and no router routes between theirs"]
