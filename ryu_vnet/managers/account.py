"""What an identifier, an address or a port is, and why it is there: from the request's side.

Each function says it of one thing, also that it is nothing. What is no such thing at all raises Invalid, and a switch
or segment that is not there NotFound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..compiler.pipeline import FIRST_LABEL, LAST_LABEL, transport_label
from ..compiler.presence import home_of
from ..compiler.rows import Origin, Subject
from ..errors import Invalid, NotFound, Problem
from ..model.names import (
    format_mac,
    format_prefix,
)
from ..model.outside import FIRST_ZONE, LAST_ZONE, SHARED_ZONE, ZONES, Gateway
from ..model.sites import Site
from ..model.state import Member
from ..model.traffic import format_ports
from ..model.values import LABELS, Combination, Network, Place, Resting, tag_space
from .allocation import FIRST_TAG, LAST_TAG
from .explain import Names
from .fsck.needs import numbered
from .outside_words import subnet_text
from .system import System
from .tables import require_switch

LISTED = 5
"""How many of several are named, or told of."""


@dataclass(frozen=True, slots=True)
class Account:
    """What something is, in one line, and the reasons and circumstances, a line each. `known` is false for what is
    nothing of ours. `state` is what has become of a row or group on its switch; empty for other things."""

    subject: str
    answer: str
    known: bool = True
    state: str = ""
    reasons: list[str] = field(default_factory=list)


# --- tags and labels --------------------------------------------------------------------------------------------------


def account_of_tag(system: System, text: str, now: float) -> Account:
    """`A:3`: the tag of a segment. `now` is the time of the System's clock."""
    segment, colon, digits = text.rpartition(":")
    tag = _number("tag", digits, FIRST_TAG, LAST_TAG)
    if not colon:
        raise Invalid(Problem("tag", f"{text!r} names no segment", "write it as SEGMENT:TAG: A:3"))
    _require_segment(system, segment)
    subject = f"tag {tag} of segment {segment}"
    if segment not in system.fabric.with_trunks:
        return Account(subject, f"no tag: segment {segment} has no trunks, and needs none", known=False)
    grant = next((grant for grant in system.model.grants(segment) if grant.tag == tag), None)
    if grant is not None:
        owner = _owner(system, grant.network)
        reasons = _why_tagged(system, owner, segment) if owner is not None else ["`vnet fsck` says more"]
        return Account(subject, _title(owner, grant.network), reasons=reasons)
    resting = _resting(system, tag_space(segment), tag)
    if resting is not None:
        return Account(subject, f"rests, {_given_back(system, resting)}", reasons=_until(system, resting, now))
    return Account(subject, "free", known=False)


def account_of_label(system: System, text: str, now: float) -> Account:
    """`18`: a label, of a service, of a transport, or both, as they stand at different places of the stack."""
    label = _number("label", text, 0, LAST_LABEL)
    subject = f"label {label}"
    if label < FIRST_LABEL:
        return Account(subject, "reserved (RFC 3032, RFC 7274), and never ours", known=False)
    found, reasons = [], []
    edge = next((name for name in system.fabric.all_edges if _transport_of(system, name) == label), None)
    if edge is not None:
        found.append(f"on top of the stack, the way to edge {edge}")
        reasons.append(f"edge {edge} of segment {system.fabric.switches[edge].segment}: its transport label")
    owner = _owner(system, label)
    if owner is not None:
        found.append(f"{'at the bottom of the stack, ' if edge else ''}{_title(owner, label)}")
        reasons += _why_labelled(system, owner)
    resting = _resting(system, LABELS, label)
    if resting is not None:
        found.append(f"as the number of a network it rests, {_given_back(system, resting)}")
        reasons += _until(system, resting, now)
    return Account(subject, "; ".join(found) or "free", known=bool(found), reasons=reasons)


def _transport_of(system: System, edge: str) -> int:
    return transport_label(system.fabric.switches[edge].number)


def _owner(system: System, number: int) -> Network | Combination | None:
    return next((one for one in numbered(system.model) if one.number == number), None)


def _title(owner: Network | Combination | None, number: int) -> str:
    if owner is None:
        return f"granted to number {number}, which no network has"
    return f"{'networks' if isinstance(owner, Combination) else 'network'} {owner.ref}"


def _last_of(owner: Network | Combination) -> str:
    return owner.last if isinstance(owner, Combination) else owner.ref


def _why_tagged(system: System, owner: Network | Combination, segment: str) -> list[str]:
    reasons = _why_combined(system, owner)
    there = [member for member in system.model.members(_last_of(owner)) if _segment_of(system, member) == segment]
    what = f"members of {_last_of(owner)} that run or are prepared in segment {segment}: {_listed(system, there)}"
    network = system.model.network(_last_of(owner))
    carriers = system.extent(network).carriers(segment, system.fabric) if network is not None and there else ()
    gateway = system.model.gateway(_last_of(owner))
    if gateway is not None and (at := system.fabric.switches.get(gateway.switch)) is not None and at.segment == segment:
        what += f"; its router is there, on {gateway.switch}"
    carried = [f"carried in segment {segment} by {', '.join(sorted(carriers))}"] if carriers else []
    return [*reasons, what, *carried]


def _why_labelled(system: System, owner: Network | Combination) -> list[str]:
    reasons = _why_combined(system, owner)
    network = system.model.network(_last_of(owner))
    if network is None:
        return reasons
    extent = system.extent(network)
    segments = ", ".join(sorted(extent.switches)) or "none"
    use = "so that its frames carry it between them" if extent.labelled else "so that no frame carries it"
    return [
        *reasons,
        f"number {owner.number} is granted to it; members run or are prepared in segments: {segments}, {use}",
    ]


def _why_combined(system: System, owner: Network | Combination) -> list[str]:
    if not isinstance(owner, Combination):
        return []
    refs = {f"{owner.tenant}/{name}" for name in owner.networks}
    found = [shared for shared in sorted(system.model.shared_with(owner.last)) if refs <= {*shared}]
    members = [key.removeprefix("node/") for shared in found for key in sorted(system.model.sharing(shared))]
    return [f"somebody is in all of {', '.join(sorted(refs))}: {cut(members)}"]


def _resting(system: System, space: str, identifier: int) -> Resting | None:
    return next((rest for rest in system.model.resting(space) if rest.identifier == identifier), None)


def _given_back(system: System, resting: Resting) -> str:
    owner = _owner(system, resting.network)
    was = f"of {owner.ref} " if owner is not None and resting.space != LABELS else ""
    return f"given back {was}at revision {resting.revision}"


def _until(system: System, resting: Resting, now: float) -> list[str]:
    holders = system.holders(resting)
    if holders:
        return [f"until 10 s after these have shown what they hold: {cut(holders)}"]
    until = system.rests_until(resting)
    return [f"every switch has let go of it; free again in {max((until or now + 10) - now, 0):.0f} s"]


# --- conntrack zones --------------------------------------------------------------------------------------------------


def account_of_zone(system: System, text: str, now: float) -> Account:
    """`3`: a conntrack zone. `now` is the time of the System's clock."""
    zone = _number("zone", text, FIRST_ZONE, SHARED_ZONE)
    subject = f"conntrack zone {zone}"
    if zone == SHARED_ZONE:
        return Account(subject, "the one in which outside addresses are translated, whichever network it is for")
    gateway = next((one for one in system.model.gateways() if one.zone == zone), None)
    if gateway is not None:
        return Account(subject, f"of network {gateway.ref}", reasons=about_router(system, gateway))
    resting = _resting(system, ZONES, zone)
    if resting is not None:
        return Account(subject, f"rests, {_given_back(system, resting)}", reasons=_until(system, resting, now))
    return Account(subject, "free" if zone <= LAST_ZONE else "nobody's", known=False)


# --- ports ------------------------------------------------------------------------------------------------------------


def account_of_port(system: System, text: str) -> Account:
    """`host1:vnet0`: what a switch port is for, and how it is."""
    name, colon, port = text.partition(":")
    if not colon or not port:
        raise Invalid(Problem("port", f"{text!r} is not a switch port", "write it as SWITCH:PORT: host1:vnet0"))
    require_switch(system, name)
    place = Place(name, port)
    states = system.ports.get(name)
    state = states.get(port) if states is not None else None
    if states is None:
        how = f"{name} was never heard of"
    elif state is None:
        how = f"{name} has no such port"
    else:
        how = f"OpenFlow port {state.number}, {'up' if state.up else 'down'}"
    wire, member = system.fabric.wires.get(place), system.model.at(place)
    uplink = next((one for one in system.fabric.switches[name].uplinks if one.port == port), None)
    awaited = system.awaited_by(place)
    reasons = [
        how,
        *([f"awaited by revision {awaited}, which is realised once it is there"] if awaited is not None else []),
    ]
    if wire is not None:
        return Account(f"port {place}", f"the {wire[0].value} link to {wire[1]}", reasons=reasons)
    if uplink is not None:
        own = ", ".join(map(str, uplink.addresses)) or "none"
        hops = [
            f"next router {hop.address} is {format_mac(hop.mac)}"
            for hop in system.model.next_hops()
            if (hop.switch, hop.port) == (name, port)
        ]
        what = f"the uplink to {uplink.outside}"
        return Account(f"port {place}", what, reasons=[*reasons, f"own addresses: {own}", *hops])
    tunnel = system.fabric.tunnels.get(place)
    if tunnel is not None:
        there = [site for site in system.model.sites() if (site.switch, site.port) == (name, port)]
        reasons += [line for site in there for line in about_site(system, site)]
        return Account(f"port {place}", f"the {tunnel.protocol.value} tunnels to remote sites", reasons=reasons)
    if member is not None:
        return Account(f"port {place}", f"of {member}", reasons=[*reasons, *about_member(system, member)])
    what = "nobody's: what comes in by it is dropped" if state is not None else "nobody's"
    return Account(f"port {place}", what, known=False, reasons=reasons)


# --- what a row exists for --------------------------------------------------------------------------------------------


def about_origin(system: System, names: Names, origin: Origin) -> list[str]:
    """Why what a row exists for is there."""
    match origin.subject:
        case Subject.NETWORK:
            owner = _owner(system, origin.number)
            return [] if owner is None else [f"{_title(owner, owner.number)}:", *_where(system, owner)]
        case Subject.INTERFACE:
            routers = [one for one in system.model.gateways() if one.interface == origin.number]
            if routers:
                return [line for one in routers for line in about_router(system, one)]
            site = names.sites.get(origin.number)
            if site is not None:
                return about_site(system, site)
            whose = (Member(n, i) for n in system.model.nodes() for i in n.interfaces if i.number == origin.number)
            return [line for member in whose for line in about_member(system, member)]
        case Subject.SWITCH:
            switch = system.fabric.switches.get(names.switch(origin.number))
            if switch is None:
                return []
            where = f"of segment {switch.segment}" if switch.segment else "of the core"
            return [f"switch {switch.name} {where}, datapath {switch.dpid:#x}"]


def about_router(system: System, gateway: Gateway) -> list[str]:
    """Where a network's router is, and what it has outside."""
    network = system.model.network(gateway.ref)
    subnets = [subnet_text(subnet) for subnet in network.subnets] if network is not None else []
    state = (
        ""
        if system.standby.why_unfit(gateway.switch, gateway.outside) is None
        else ", which is no gateway now (`vnet gateway list` says why)"
    )
    outside = f"the way out to {gateway.outside} by gateway {gateway.switch}{state}"
    address = ""
    if gateway.address is not None:
        ports = f", ports {format_ports(gateway.ports)}" if gateway.ports is not None else ""
        address = f"; IPv4 sources become {gateway.address}{ports}"
    return [
        f"router of {gateway.ref}: MAC {format_mac(gateway.mac)}, {'; '.join(subnets) or 'no subnet'}",
        f"{outside}{address}; conntrack zone {gateway.zone}",
    ]


def about_site(system: System, site: Site) -> list[str]:
    """Where a site is, and which network it extends."""
    tunnel = system.fabric.tunnels.get(Place(site.switch, site.port))
    left = f"; {site.inner_mtu(tunnel.mtu)} bytes of IP are left" if tunnel is not None else ""
    end = f"{site.protocol.value} to {site.remote}, key {site.key}, from {site.switch}:{site.port}"
    nodes = sorted(key.removeprefix("node/") for key in system.model.nodes_at(site.ref))
    return [f"site {site.ref} of network {site.network_ref}: {end}{left}", f"{len(nodes)} node(s) there: {cut(nodes)}"]


def _where(system: System, owner: Network | Combination) -> list[str]:
    reasons = _why_combined(system, owner)
    members = system.model.members(_last_of(owner))
    running = [member for member in members if member.node.present]
    reasons.append(f"{len(members)} member(s); run or are prepared: {_listed(system, running)}")
    grants = [
        grant for s in sorted(system.fabric.segments) if (grant := system.model.grant(s, owner.number)) is not None
    ]
    reasons += [f"tags: {', '.join(f'{grant.segment}: {grant.tag}' for grant in grants)}"] if grants else []
    gateway = system.model.gateway(_last_of(owner))
    reasons += about_router(system, gateway) if gateway is not None else []
    return reasons


def about_member(system: System, member: Member) -> list[str]:
    """Where an interface is, and which networks it is in."""
    node, interface = member.node, member.interface
    at = f"at {interface.place}" if interface.place is not None else "nowhere"
    segment = _segment_of(system, member)
    where = f"{at} (segment {segment})" if segment is not None else at
    state = (
        "runs" if node.running else "is prepared" if node.prepared else "has failed" if node.failed else "is stopped"
    )
    mac = format_mac(interface.known_mac) if interface.known_mac is not None else "none yet"
    origin = "chosen by the controller" if interface.chosen else "given"
    asked, policy = ", ".join(interface.asked) or "none", ", ".join(interface.by_policy)
    networks = f"networks asked for: {asked}" + (f"; by policy: {policy}" if policy else "")
    leases = ", ".join(map(format_prefix, interface.leases))
    networks += f"; addresses given to it: {leases}" if leases else ""
    return [f"{member} {state} {where}; MAC {mac}, {origin}; {networks}"]


def _segment_of(system: System, member: Member) -> str | None:
    home = home_of(member, system.fabric)
    return home.segment if home is not None else None


def _listed(system: System, members: Sequence[Member]) -> str:
    return cut([f"{member} at {member.interface.place}" for member in members])


def cut(names: Iterable[str]) -> str:
    """The first of these, and how many more there are."""
    listed = [*names]
    more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
    return ", ".join(listed[:LISTED]) + more if listed else "nobody"


def _number(what: str, text: str, first: int, last: int) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = first - 1
    if not first <= number <= last:
        raise Invalid(Problem(what, f"{text!r} is no {what}", f"a number from {first} to {last}"))
    return number


def _require_segment(system: System, segment: str) -> None:
    if segment not in system.fabric.segments:
        known = ", ".join(sorted(system.fabric.segments)) or "none is declared"
        raise NotFound(f"there is no segment {segment!r} (there are: {known})")
