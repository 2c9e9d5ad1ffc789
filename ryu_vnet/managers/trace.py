"""What becomes of one frame between two nodes, told in names: every hop, every table, every link.

The tables are those that the switches are to hold; a hop says how its switch stands, since one that is away may hold
older ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

from ..compiler.outward import addresses_in
from ..compiler.pipeline import ADJACENCY_REG, CHOICE_REG, INTERFACE_REG, NETWORK_REG, REGISTERS, switch_mac
from ..errors import Invalid, NotFound, Problem
from ..fabric.declared import LinkKind, Switch
from ..model.names import Prefix, format_mac, parse_mac
from ..model.outside import Address, Floating, host_part, router_mac
from ..model.state import Member
from ..model.values import Place
from ..verify import frames
from ..verify.packet import Packet
from ..verify.simulate import Simulator, SwitchPort
from ..verify.text import packet_text
from ..verify.trace import Crossing, Delivery, Drop, Step, Trace
from .explain import Meanings, Names
from .route import Arrival, Ending, Hop, LinkPassed, Route, TableHit
from .system import System

KINDS = ("icmp", "ipv6", "arp", "broadcast", "ethertype")
"""An ICMP echo over IPv4 or IPv6, an ARP request, a broadcast and a unicast of an EtherType of its own."""
_SOMEBODY = 0x02_00_00_00_00_01
"""The MAC address of a next router that has not said its own yet."""
EXPERIMENTAL = 0x88B5
"""EtherType for local experiments (IEEE 802, 9.2.4): it stands for whatever is not IP or ARP."""

_Part = TypeVar("_Part")


_UNKNOWN = "the simulator does not know the action"
"""What the simulator says of an action that it has no words for."""


@dataclass(frozen=True, slots=True)
class _Source:
    """Whom the frame is from: an interface, or (without `member`) somebody outside, by way of a gateway."""

    text: str
    mac: int
    place: Place | None
    member: Member | None
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    """Where the frame is to go: an interface, an address that may be nobody's, or everybody."""

    text: str
    mac: int
    member: Member | None
    address: Address | None = None


def trace(system: System, source: str, target: str | None, kind: str | None) -> Route:
    """Follow one frame from `tenant/node[:interface]` to another, to a MAC address, to an IP address inside or outside,
    or (None) to everybody; or from an IP address outside to one that networks of ours have there.

    Raises Invalid and NotFound.
    """
    if kind is not None and kind not in KINDS:
        raise Invalid(Problem("kind", f"{kind!r} is not a kind of frame", f"one of {', '.join(KINDS)}"))
    outer = _ip(source)
    if outer is not None:
        sender, aim = _from_outside(system, outer, target)
    else:
        member = _member(system, source, "from")
        sender = _Source(str(member), member.interface.mac, member.interface.place, member)
        aim = _target(system, member, target, kind)
    chosen = kind or _usual_kind(sender, aim)
    frame = _frame(sender, aim, chosen)
    return _Follower(system).follow(sender, aim, chosen, frame)


# --- who and what ---------------------------------------------------------------------------------------------------


def _member(system: System, text: str, where: str) -> Member:
    ref, _, name = text.partition(":")
    if ref.count("/") != 1:
        raise Invalid(Problem(where, f"{text!r} is not a node", "tenant/node or tenant/node:interface: red/vm1.1:eth0"))
    node = system.model.node(ref)
    if node is None:
        listed = ", ".join(other.ref for other in system.model.nodes(ref.partition("/")[0])[:8])
        raise NotFound(f"there is no node {ref!r} ({f'one of {listed}' if listed else 'its tenant has none'})")
    names = [interface.name for interface in node.interfaces]
    if not name and len(names) > 1:
        raise Invalid(Problem(where, f"node {ref} has {len(names)} interfaces", f"{ref}:{names[0]}"))
    interface = node.interface(name or (names[0] if names else ""))
    if interface is None:
        raise NotFound(f"node {ref} has no interface {name!r} ({', '.join(names) or 'it has none'})")
    if interface.known_mac is None:
        hint = f"it gets one with its first place: start it at a switch port, or put {ref} with one"
        raise Invalid(Problem(where, f"{ref} {interface.name} has no MAC address yet", hint))
    return Member(node, interface)


def _ip(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _from_outside(system: System, source: Address, target: str | None) -> tuple[_Source, _Target]:
    """Somebody outside who sends to an address that networks have there. Raises Invalid, NotFound."""
    address = _ip(target) if target is not None else None
    if address is None or address.version != source.version:
        hint = f"as {source} is outside: an IPv{source.version} address that one of our networks has there"
        raise Invalid(Problem("to", f"{target!r} is no address to send to from outside", hint))
    found = _taking(system, address)
    if found is None:
        raise NotFound(
            f"no gateway takes in what comes from outside for {address}: `vnet outside list` says what is used"
        )
    switch, name, inside, ref = found
    uplink = switch.uplink(name)
    place = Place(switch.name, uplink.port) if uplink is not None else None
    hops = [one.mac for one in system.model.next_hops() if place == Place(one.switch, one.port)]
    sender = _Source(f"{source} outside", hops[0] if hops else _SOMEBODY, place, None, source)
    member = _having(system, ref, inside) if inside is not None else None
    return sender, _Target(str(address), switch_mac(switch.number), member, address)


def _taking(system: System, address: Address) -> tuple[Switch, str, Address | None, str] | None:
    """Which switch takes in what comes for an address from outside: the switch, the outside network, the address
    inside as far as that is one, and the network; None where nobody does."""
    model, switches = system.model, system.fabric.switches
    for name in sorted(system.fabric.outsides):
        for value in model.holding(name, address):
            gateway = model.gateway(value.ref)
            if gateway is not None and gateway.switch in switches:
                inside = value.inside if isinstance(value, Floating) else None
                return switches[gateway.switch], name, inside, value.ref
    for gateway in model.gateways() if address.version == 6 else ():
        network = model.network(gateway.ref)
        for subnet in network.subnets if network is not None and gateway.switch in switches else ():
            prefix = network.exit.prefix if network is not None and network.exit is not None else None
            outer = prefix or subnet.prefix
            if subnet.prefix.version == address.version and address in outer:
                six = IPv6Address(int(subnet.prefix.network_address) | host_part(address, outer))
                return switches[gateway.switch], gateway.outside, six, gateway.ref
    return None


def _having(system: System, ref: str, address: Address) -> Member | None:
    """Who has an address in a network."""
    network = system.model.network(ref)
    members = system.model.members(ref) if network is not None else []
    return next((m for m in members if network is not None and address in addresses_in(network, m.interface)), None)


def _aimed(system: System, sender: Member, address: Address) -> _Target:
    """An IP address as whoever sends to it sees it: on his own network, or behind its router. Raises Invalid."""
    found = (system.model.network(ref) for ref in sender.node.networks_of(sender.interface))
    networks = [network for network in found if network is not None]
    for network, subnet in ((n, s) for n in networks for s in n.subnets):
        if address == subnet.gateway:
            return _Target(f"{address}, the router of {network.ref}", router_mac(network.number), None, address)
        if address in subnet:
            member = _having(system, network.ref, address)
            if member is None:
                hint = "give a MAC address to see what becomes of a frame to it"
                raise Invalid(Problem("to", f"nobody in {network.ref} has the address {address}", hint))
            return _Target(str(member), member.interface.mac, member, address)
    for network, subnet in ((n, s) for n in networks for s in n.subnets):
        if subnet.gateway is not None and subnet.gateway.version == address.version:
            return _Target(str(address), router_mac(network.number), None, address)
    hint = "give a network of its a subnet with a router: vnet network create"
    raise Invalid(Problem("to", f"{sender} has no IPv{address.version} router to send to {address}", hint))


def _target(system: System, sender: Member, text: str | None, kind: str | None) -> _Target:
    if text is None:
        if kind != "broadcast":
            raise Invalid(Problem("to", "nobody is named", "tenant/node, a MAC address, or kind broadcast"))
        return _Target("everybody", frames.BROADCAST, None)
    if "/" in text:
        member = _member(system, text, "to")
        return _Target(str(member), member.interface.mac, member)
    address = _ip(text)
    if address is not None:
        return _aimed(system, sender, address)
    return _Target(text, parse_mac(text, "to"), None)


def _usual_kind(sender: _Source, aim: _Target) -> str:
    for kind, version in (("icmp", 4), ("ipv6", 6)):
        if _has(sender, version) and _has(aim, version):
            return kind
    return "ethertype"


def _has(end: _Source | _Target, version: int) -> bool:
    """Whether one end has an address of this version of IP."""
    if end.address is not None:
        return end.address.version == version
    return end.member is not None and _address(end.member, version) is not None


def _address(member: Member, version: int) -> Prefix | None:
    return next((prefix for prefix in member.interface.sources if prefix.version == version), None)


def _frame(sender: _Source, aim: _Target, kind: str) -> Packet:
    mac = sender.mac
    if kind == "broadcast":
        return frames.raw(frames.Link(mac, frames.BROADCAST), EXPERIMENTAL)
    link = frames.Link(mac, aim.mac)
    if kind == "ethertype":
        return frames.raw(link, EXPERIMENTAL)
    if aim.member is None and aim.address is None:
        hint = "name a node or an IP address as target, or use kind ethertype"
        raise Invalid(Problem("kind", f"the IP address behind {aim.text} is not known", hint))
    version = 6 if kind == "ipv6" else 4
    source, destination = _one_address(sender, version), _one_address(aim, version)
    match kind:
        case "arp":
            return frames.arp_request(mac, source, destination)
        case "ipv6":
            return frames.ipv6_echo(link, source, destination)
        case _:
            return frames.ipv4_echo(link, source, destination)


def _one_address(end: _Source | _Target, version: int) -> str:
    if end.address is not None and end.address.version == version:
        return str(end.address)
    prefix = _address(end.member, version) if end.member is not None and end.address is None else None
    if prefix is None:
        hint = "use kind ethertype, or give it one"
        raise Invalid(Problem("kind", f"{end.text} has no IPv{version} address", hint))
    first_host = 1 if prefix.num_addresses > 2 else 0
    return str(prefix[first_host])


# --- the way --------------------------------------------------------------------------------------------------------


class _Follower:
    """Runs the simulator over a system's tables, and puts names to what it says."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._names = Names(system.model, system.fabric)
        self._wires = system.fabric.wires
        self._meanings: dict[str, Meanings] = {}

    def follow(self, sender: _Source, aim: _Target, kind: str, frame: Packet) -> Route:
        place, notes = sender.place, []
        for member in (sender.member, aim.member):
            if member is not None and not member.node.running:
                notes.append(f"{member.node.ref} is not running")
        number = self._system.topology.port_number(place) if place else None
        if place is None or number is None:
            verdict = f"{sender.text} has no switch port"
            if place is not None:
                verdict = f"the port {place} of {sender.text} is not there: its switch has not reported it"
            return Route(sender.text, aim.text, kind, packet_text(frame), False, verdict, notes, [])
        found = Simulator(self._system.tables, self._numbered_wires()).inject(place.switch, number, frame)
        hops = self._hops(found)
        arrivals = [arrival for hop in hops for arrival in hop.arrivals]
        if aim.member is not None:
            delivered = any(arrival.to == str(aim.member) for arrival in arrivals)
        else:
            delivered = bool(arrivals)
        verdict = _verdict(hops, aim, delivered)
        notes += [f"{one.switch}: {one.reason}" for one in found.anomalies if _UNKNOWN not in one.reason]
        return Route(sender.text, aim.text, kind, packet_text(frame), delivered, verdict, notes, hops)

    def _numbered_wires(self) -> dict[SwitchPort, SwitchPort]:
        numbered = {}
        for near, (_, far) in self._wires.items():
            a, b = self._system.topology.port_number(near), self._system.topology.port_number(far)
            if a is not None and b is not None:
                numbered[near.switch, a] = far.switch, b
        return numbered

    def _hops(self, found: Trace) -> list[Hop]:
        """The visits of the frame, in the simulator's order: breadth first, so the n-th crossing leads to the
        visit after the n-th."""
        visits: list[list[Step]] = []
        for step in found.steps:
            if step.table == 0 and step.depth == 0:
                visits.append([])
            visits[-1].append(step)
        ports = [found.port, *(crossing.to_port for crossing in found.crossings)]
        crossings = [(crossing.from_switch, crossing) for crossing in found.crossings]
        deliveries = [(delivery.switch, delivery) for delivery in found.deliveries]
        drops = [(drop.switch, drop) for drop in found.drops]
        hops = []
        for steps, port in zip(visits, ports, strict=False):
            switch = steps[0].switch
            arrivals, lost = self._arrivals(_take(deliveries, switch))
            hops.append(
                Hop(
                    switch=switch,
                    segment=self._system.fabric.switches[switch].segment,
                    state=self._system.switches[switch].state.value,
                    port=self._port(switch, port),
                    tables=[self._table_hit(step) for step in steps],
                    links=[self._link(crossing) for crossing in _take(crossings, switch)],
                    arrivals=arrivals,
                    drops=lost + self._endings(steps, _take(drops, switch)),
                )
            )
        return hops

    def _table_hit(self, step: Step) -> TableHit:
        did = [self._named(word) for word in step.happened]
        if step.row is None:
            return TableHit(step.stage, step.depth, None, f"no row matches: {self._missed(step)}", None, did)
        meaning = self._meaning(step.switch).row(step.row)
        return TableHit(step.stage, step.depth, step.row.priority, meaning, self._names.origin(step.row.origin), did)

    def _named(self, happened: str) -> str:
        """What an action did, with the name of an adjacency in place of its number."""
        name, _, value = happened.partition("=")
        if name != ADJACENCY_REG.name:
            return happened
        return f"{name}={self._names.adjacency(int(value, 0))}"

    def _missed(self, step: Step) -> str:
        """What a lookup that found nothing was for."""
        values = dict(zip((register.name for register in REGISTERS), step.registers, strict=True))
        network = self._names.network(values[NETWORK_REG.name])
        match step.stage:
            case "PORT":
                return "no link and no running node is on this port"
            case "SOURCE":
                return "no interface on this port may send such a frame"
            case "NETWORK":
                return f"{self._names.interface(values[INTERFACE_REG.name])} is in no network"
            case "CLASS":
                return f"none of {self._names.network(values[CHOICE_REG.name])} is for such frames"
            case "TAG":
                return "no network has this tag here, or the frame has none"
            case "LABEL":
                return "no edge has this transport label, or the frame has none"
            case "SERVICE":
                return "no network here has this service label"
            case "FORWARD":
                return f"nobody in {network} that this switch has to know is {format_mac(step.packet.eth_dst)}"
            case "EGRESS":
                return f"there is no way to {self._names.adjacency(values[ADJACENCY_REG.name])}"
            case "UPLINK":
                return "no network of ours has the address that it is for"
            case "RETURN":
                return "it is part of no connection that is known, and its port is not forwarded"
            case "INBOUND":
                return f"it is part of no connection that is known, and nothing new is let in to it in {network}"
            case "RESOLVE":
                return f"nobody in {network} has the address that it is for"
            case "OUTBOUND" | "TRANSLATE" | "SHARE":
                return f"the router of {network} has no way for it"
            case "DEPART":
                return "the next router outside has not said yet where it is"
            case _:
                return "no row is for it"

    def _endings(self, steps: list[Step], drops: list[Drop]) -> list[Ending]:
        missed = [step for step in steps if step.row is None]
        endings = []
        for drop in drops:
            step = next((step for step in missed if step.stage == drop.stage), None)
            if step is not None and drop.reason.startswith("no row"):
                missed.remove(step)
                endings.append(Ending(drop.stage, self._missed(step)))
            elif _UNKNOWN in drop.reason:
                endings.append(Ending(drop.stage, "from here on connection tracking decides, which is not simulated"))
            else:
                endings.append(Ending(drop.stage, drop.reason))
        return endings

    def _link(self, crossing: Crossing) -> LinkPassed:
        from_port = self._place(crossing.from_switch, crossing.from_port)
        kind = self._wires[from_port][0]
        tag, labels = crossing.frame.tags[0].vid if crossing.frame.tags else None, [x.label for x in crossing.labels]
        if kind is LinkKind.TRUNK:
            segment = self._system.fabric.switches[crossing.from_switch].segment
            carries = f"tag {tag} is {self._network_of_tag(segment or '', tag or 0)} in segment {segment}"
        else:
            parts = [f"label {label} leads to edge {self._names.edge_of_label(label)}" for label in labels[:1]]
            parts += [f"label {label} is {self._names.network(label)}" for label in labels[1:2]]
            carries = ", ".join(parts)
        to_port = self._place(crossing.to_switch, crossing.to_port)
        text = packet_text(crossing.frame)
        return LinkPassed(kind.value, str(from_port), str(to_port), tag, labels, carries, text)

    def _network_of_tag(self, segment: str, tag: int) -> str:
        numbers = (grant.network for grant in self._system.model.grants(segment) if grant.tag == tag)
        return next((self._names.network(number) for number in numbers), "no network")

    def _arrivals(self, deliveries: list[Delivery]) -> tuple[list[Arrival], list[Ending]]:
        """What reached a node, and what left by a link whose other end no switch has reported yet."""
        arrivals, lost = [], []
        for delivery in deliveries:
            place = self._place(delivery.switch, delivery.port)
            if place in self._wires:
                lost.append(Ending("EGRESS", f"{place} leads to {self._wires[place][1]}, which is not there yet"))
                continue
            arrivals.append(Arrival(str(place), self._who_is_at(place), packet_text(delivery.frame)))
        return arrivals, lost

    def _who_is_at(self, place: Place) -> str:
        """The interface at a port, or the outside network behind it."""
        uplinks = self._system.fabric.switches[place.switch].uplinks
        to = next((uplink.outside for uplink in uplinks if uplink.port == place.port), None)
        if to is not None:
            return f"{to} outside"
        member = self._system.model.at(place)
        return str(member) if member else "nobody"

    def _place(self, switch: str, number: int) -> Place:
        ports = self._system.ports.get(switch, {})
        return Place(switch, next((name for name, state in ports.items() if state.number == number), str(number)))

    def _port(self, switch: str, number: int) -> str:
        return f"{self._place(switch, number).port} ({number})"

    def _meaning(self, switch: str) -> Meanings:
        if switch not in self._meanings:
            ports, groups = self._system.ports.get(switch, {}), self._system.tables[switch].groups
            self._meanings[switch] = Meanings(self._names, switch, ports, groups)
        return self._meanings[switch]


def _take(parts: list[tuple[str, _Part]], switch: str) -> list[_Part]:
    """Take from the front of a list what belongs to one switch."""
    taken = []
    while parts and parts[0][0] == switch:
        taken.append(parts.pop(0)[1])
    return taken


def _verdict(hops: list[Hop], aim: _Target, delivered: bool) -> str:
    received = sorted({arrival.to for hop in hops for arrival in hop.arrivals})
    if delivered:
        return f"delivered to {', '.join(received)}"
    reasons = [f"{hop.switch} in {drop.stage}: {drop.reason}" for hop in hops for drop in hop.drops]
    if received:
        reasons.insert(0, f"it came to {', '.join(received)}")
    return f"not delivered to {aim.text}; " + ("; ".join(dict.fromkeys(reasons)) or "no copy of it was made")
