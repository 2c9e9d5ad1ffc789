"""How things stand: each switch, each network, the identifiers that rest, and the rows of a switch one by one.

Values for people and programs to read, taken from a `System` without changing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from ..compiler.pipeline import STAGE_BY_TABLE
from ..fabric.declared import LinkKind, Uplink
from ..model.names import format_mac
from ..model.outside import router_mac
from ..model.state import Member
from ..model.traffic import format_term
from ..model.values import Network, Place
from ..openflow.changes import Kind
from ..openflow.meters import MeterKey
from ..openflow.rows import decode_group, decode_row
from ..schema import NetworkSpec
from .bridge import BridgeReport, refusals, warnings
from .explain import Meanings, Names
from .outside_status import ExitStatus, SubnetStatus, exit_status, has_router, subnet_statuses
from .programme import origin_of_group
from .specs import network_spec
from .system import System
from .tables import require_switch, to_send, why

_LAST = "~"
"""Comes after every name: none has a character above `z`."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A switch that has not acknowledged something yet, and why."""

    switch: str
    why: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something that a switch refused."""

    what: str
    origin: str
    reason: str


@dataclass(frozen=True, slots=True)
class Settings:
    """How the database says that a bridge is set up. `unknown` says why that is not known, else None."""

    unknown: str | None
    refusals: list[str]
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class PortTrouble:
    """A port that a link or a running node needs, and that is missing or down."""

    port: str
    trouble: str
    needed_by: str


@dataclass(frozen=True, slots=True)
class SwitchStatus:
    """How one switch stands. `to_send` counts row and group messages that are still to be acknowledged."""

    name: str
    dpid: str
    segment: str | None
    state: str
    realised: bool
    why: str
    trouble: str | None
    pending_revisions: list[int]
    rows: int
    groups: int
    to_send: int
    rejected: list[Rejection]
    settings: Settings
    ports: list[PortTrouble]


@dataclass(frozen=True, slots=True)
class PortStatus:
    """A port as its switch reported it, and what the fabric or a node has it for. `learns` is the tenant whose machines
    are learned there."""

    name: str
    number: int
    up: bool
    used_by: str | None
    learns: str | None = None


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """An interface in a network."""

    node: str
    interface: str
    at: str | None
    running: bool


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """A network as it is on the wire. `label` is None while it is in one segment, `tags` are by segment. `declared` is
    what a PUT takes.

    `members` may be the first ones alone: then `members_next` says after which it goes on. `member_nodes` says how many
    nodes it has. `made_by` is the template of policies that makes it, None where somebody asked for it. `exit` is its
    way out, as it was granted; `router_mac` is that of its router on every switch, None where no subnet has one.
    `routers` are those of its tenant that name it, `partners` the networks, by reference, that it is routed to or from.
    """

    tenant: str
    name: str
    declared: NetworkSpec
    tagged: bool
    traffic: list[str]
    number: int
    label: int | None
    tags: dict[str, int]
    segments: list[str]
    members: list[MemberStatus]
    members_next: str | None
    member_nodes: int
    reserve: list[str]
    made_by: str | None
    subnets: list[SubnetStatus]
    router_mac: str | None
    exit: ExitStatus | None
    routers: list[str]
    partners: list[str]


@dataclass(frozen=True, slots=True)
class RestingStatus:
    """An identifier that rests: a label, a tag of a segment or a conntrack zone. `held_by` names the switches that may
    still have a rule for it."""

    kind: str
    segment: str | None
    identifier: int
    held_by: list[str]


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """A declared link, and what is wrong with its ends if it is down."""

    kind: str
    a: str
    b: str
    up: bool
    why: str


def pending(system: System, revision: int | None = None) -> list[Pending]:
    """The switches on which a revision is not realised, each with the reason."""
    missing: dict[str, list[str]] = {}
    for place in system.missing_ports(revision):
        missing.setdefault(place.switch, []).append(f"it has no port {place.port} yet")
    return [
        Pending(name, "; ".join(filter(None, [why(system.switches[name]), *missing.get(name, ())])))
        for name in system.pending(revision)
    ]


# --- one switch -----------------------------------------------------------------------------------------------------


def switch_statuses(system: System, names: Iterable[str] | None = None) -> list[SwitchStatus]:
    """How each switch stands, by name, or each of those named."""
    common = _Common(system)
    return [_switch_status(common, name) for name in (sorted(system.switches) if names is None else names)]


def switch_status(system: System, name: str) -> SwitchStatus:
    """How one switch stands. Raises NotFound."""
    require_switch(system, name)
    return _switch_status(_Common(system), name)


class _Common:
    """What the status of several switches needs of the whole model: gathered once, and only if it is needed."""

    def __init__(self, system: System) -> None:
        self.system = system

    @cached_property
    def names(self) -> Names:
        """Names for the numbers in rows."""
        return Names(self.system.model, self.system.fabric)

    @cached_property
    def own_tags(self) -> bool:
        """Whether some network lets its nodes send tags of their own."""
        return any(isinstance(value, Network) and value.tagged for value in self.system.model.values())

    @cached_property
    def missing(self) -> dict[str, list[str]]:
        """By switch: the ports that running nodes need, and that are not there."""
        found: dict[str, list[str]] = {}
        for place in self.system.missing_ports():
            found.setdefault(place.switch, []).append(place.port)
        return found


def _switch_status(common: _Common, name: str) -> SwitchStatus:
    system = common.system
    manager, switch = system.switches[name], system.fabric.switches[name]
    report = system.reports.get(name, "not checked: the switch has not connected yet")
    if isinstance(report, BridgeReport):
        found = warnings(report, name, system.fabric, common.own_tags)
        settings = Settings(None, [*refusals(report)], [*found])
    else:
        settings = Settings(report, [], [])
    if name in system.tracked.why_not:
        settings.warnings.append(f"connections of networks are not limited here: {system.tracked.why_not[name]}")
    return SwitchStatus(
        name=name,
        dpid=f"{switch.dpid:#x}",
        segment=switch.segment,
        state=manager.state.value,
        realised=manager.in_step,
        why=why(manager),
        trouble=manager.trouble,
        pending_revisions=sorted(manager.unacknowledged),
        rows=len(manager.wanted.rows),
        groups=len(manager.wanted.groups),
        to_send=to_send(manager),
        rejected=[*_rejections(common, name)],
        settings=settings,
        ports=[*_port_troubles(common, name)],
    )


def _rejections(common: _Common, name: str) -> Iterator[Rejection]:
    system, manager = common.system, common.system.switches[name]
    if not manager.rejected:
        return
    groups = {number: decode_group(number, value) for number, value in manager.wanted.groups.items()}
    meanings = Meanings(common.names, name, system.ports.get(name, {}), groups)
    for key, refusal in manager.rejected.items():
        kind, _, value = refusal.step
        verb = "removal of " if kind in (Kind.ROW_DELETE, Kind.GROUP_DELETE, Kind.METER_DELETE) else ""
        if isinstance(key, int):
            what = f"{verb}group {key:#x}"
            yield Rejection(what, _origin_of_group(common, name, key), refusal.reason)
        elif isinstance(key, MeterKey):
            yield Rejection(f"{verb}meter {key.number:#x}", f"switch {name}", refusal.reason)
        elif value:
            row, _ = decode_row(key, value)
            what = f"{STAGE_BY_TABLE[row.table].name}: {meanings.row(row)}"
            yield Rejection(what, common.names.origin(row.origin), refusal.reason)
        else:
            yield Rejection(f"{verb}a row of table {key[0]}", f"switch {name}", refusal.reason)


def _origin_of_group(common: _Common, name: str, number: int) -> str:
    manager = common.system.switches[name]
    if number not in manager.wanted.groups:
        return f"switch {name}"
    return common.names.origin(origin_of_group(number, manager.number))


def _port_troubles(common: _Common, name: str) -> Iterator[PortTrouble]:
    """The ports that links, uplinks and running nodes need, and that are missing or down; none while the switch was
    never heard of. Looks at the switch's own ports alone, not at all nodes."""
    system = common.system
    ports = system.ports.get(name)
    if ports is None:
        return
    wires = system.fabric.wires_of[name]
    needed = {place.port: _wire(kind, far) for place, (kind, far) in wires.items()}
    needed |= {uplink.port: _uplink(uplink) for uplink in system.fabric.switches[name].uplinks}
    doubtful = {*common.missing.get(name, ()), *(port for port, state in ports.items() if not state.up)}
    for port in doubtful - needed.keys():
        member = system.model.at(Place(name, port))
        if member is not None and member.node.running:
            needed[port] = _who(member)
    for port, needed_by in sorted(needed.items()):
        if port not in ports:
            yield PortTrouble(port, "missing", needed_by)
        elif not ports[port].up:
            yield PortTrouble(port, "down", needed_by)


def port_statuses(system: System, name: str, after: str = "", most: int | None = None) -> list[PortStatus]:
    """The ports that a switch has reported, by name: those after a name, `most` of them at most. Raises NotFound."""
    require_switch(system, name)
    ports = system.ports.get(name, {})
    wires = {place.port: wire for place, wire in system.fabric.wires_of[name].items()}
    uplinks = {uplink.port: _uplink(uplink) for uplink in system.fabric.switches[name].uplinks}
    found = []
    for port in sorted(port for port in ports if port > after)[:most]:
        member = system.model.at(Place(name, port))
        used_by = _wire(*wires[port]) if port in wires else _who(member) if member is not None else uplinks.get(port)
        learn = system.fabric.learns.get(Place(name, port))
        learns = learn.tenant if learn is not None else None
        found.append(PortStatus(port, ports[port].number, ports[port].up, used_by, learns))
    return found


def _wire(kind: LinkKind, far: Place) -> str:
    return f"the {kind.value} link to {far}"


def _uplink(uplink: Uplink) -> str:
    return f"the uplink to {uplink.outside}"


def _who(member: Member) -> str:
    return f"node {member.node.ref}, interface {member.interface.name}"


# --- networks, links, identifiers -----------------------------------------------------------------------------------


def network_status(system: System, network: Network, most: int | None = None) -> NetworkStatus:
    """A network as it is on the wire, with all its members or with `most` of them at most."""
    members, following = member_statuses(system, network, None, most)
    reach = system.extent(network)
    grants = ((segment, system.model.grant(segment, network.number)) for segment in sorted(system.fabric.segments))
    return NetworkStatus(
        tenant=network.tenant,
        name=network.name,
        declared=network_spec(network),
        tagged=network.tagged,
        traffic=[format_term(term) for term in network.traffic],
        number=network.number,
        label=network.number if reach.labelled else None,
        tags={segment: grant.tag for segment, grant in grants if grant is not None},
        segments=sorted(reach.switches),
        members=members,
        members_next=following,
        member_nodes=len(system.model.member_nodes(network.ref)),
        reserve=[*network.reserve],
        made_by=network.made_by,
        subnets=subnet_statuses(network),
        router_mac=format_mac(router_mac(network.number)) if has_router(network) else None,
        exit=exit_status(system, network),
        routers=[one.name for one in system.model.routing.naming(network.ref) if one.tenant == network.tenant],
        partners=[*system.model.routing.partners(network.ref)],
    )


def member_statuses(
    system: System, network: Network, after: str | None, most: int | None = None
) -> tuple[list[MemberStatus], str | None]:
    """The members of a network by node and interface, and after which it goes on, `node:interface`, or None.

    Those after such a one (of which the interface may be left out), and `most` of them at most.
    """
    node, _, interface = (after or "").partition(":")
    start = (f"node/{network.tenant}/{node}", interface or _LAST) if node else ("", "")
    found = system.model.members(network.ref, start, None if most is None else most + 1)
    members = [
        MemberStatus(
            member.node.ref,
            member.interface.name,
            str(member.interface.place) if member.interface.place else None,
            member.node.running,
        )
        for member in found[:most]
    ]
    if most is None or len(found) <= most:
        return members, None
    last = found[most - 1]
    return members, f"{last.node.name}:{last.interface.name}"


def link_statuses(system: System) -> list[LinkStatus]:
    """The declared links, in their order, as the switches at both ends see them."""
    found = []
    for link in system.fabric.links:
        ends = [f"{end} is {trouble}" for end in (link.a, link.b) if (trouble := _end_trouble(system, end))]
        found.append(LinkStatus(link.kind.value, str(link.a), str(link.b), not ends, ", ".join(ends)))
    return found


def _end_trouble(system: System, end: Place) -> str:
    ports = system.ports.get(end.switch)
    if ports is None:
        return ""
    state = ports.get(end.port)
    return "missing" if state is None else "" if state.up else "down"


def resting_statuses(system: System) -> list[RestingStatus]:
    """The identifiers that may not be granted to another network yet."""
    return [
        RestingStatus(
            kind=resting.space.partition(":")[0],
            segment=resting.space.partition(":")[2] or None,
            identifier=resting.identifier,
            held_by=system.holders(resting),
        )
        for resting in system.model.resting()
    ]
