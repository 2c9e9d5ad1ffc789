"""What each request does to a draft of the model, and every reason to refuse it.

Functions here edit a `Work`, and raise Invalid, NotFound or Conflict. Nothing is kept, stored or sent by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from ..errors import Conflict, Invalid, NotFound, Problem
from ..fabric.declared import Fabric, Learn, Link, LinkKind, Switch, problems
from ..model.bandwidth import NO_LIMIT
from ..model.names import check_attribute, check_name, check_port, parse_mac, parse_prefix
from ..model.outside import ROUTER_MAC
from ..model.state import Draft
from ..model.traffic import Ports, Term, format_term, parse_ethertype, parse_ports, parse_protocol
from ..model.values import Interface, Network, Node, Place, Tenant
from ..schema import FabricSpec, Intent, InterfaceSpec, NetworkSpec, NodeSpec, SwitchSpec, TenantSpec, TrafficSpec
from .addresses import asked_for, choose_mac
from .allocation import Allocator
from .limits import interface_bandwidth
from .outside import exit_of, outsides_of, put_floating, put_forward, subnets_of, uplinks_of
from .policies import made, refuse_made, replace_policies
from .routers import put_router
from .rulebook import Rulebook
from .sites import at_site, put_site, tunnels_of


@dataclass(slots=True)
class Work:
    """A request under way: the draft, the fabric as it will be, and who grants identifiers."""

    draft: Draft
    fabric: Fabric
    allocator: Allocator
    macs: set[int] = field(default_factory=set)
    """Those that were asked for or chosen in this request, and need not be in the draft yet."""
    left: list[tuple[str, str, str]] = field(default_factory=list)
    """What was taken out of a network: the node's reference, the interface, the network. See `policing`."""
    rules: Rulebook = field(default_factory=Rulebook)
    """The policies as they are after the request; known once it was policed."""


def split_ref(ref: str, where: str) -> tuple[str, str]:
    """`tenant/name` taken apart. Raises Invalid."""
    tenant, slash, name = ref.partition("/")
    if not slash or not tenant or not name:
        raise Invalid(Problem(where, f"{ref!r} names no tenant", "write it as tenant/name: red/vm1.1"))
    return tenant, name


def parse_place(text: str, where: str) -> Place:
    """`switch:port` taken apart. Raises Invalid."""
    switch, colon, port = text.partition(":")
    if not colon:
        raise Invalid(Problem(where, f"{text!r} is not a switch port", "write it as switch:port: host1:vnet0"))
    return Place(check_name(switch, where), check_port(port, where))


# --- the fabric -----------------------------------------------------------------------------------------------------


def put_fabric(work: Work, spec: FabricSpec) -> None:
    """Declare the whole fabric anew. Switches and segments that had a number keep it."""
    found: list[Problem] = []
    switches = dict(_switches(work, spec, found))
    links = tuple(_links(spec, found))
    if not found:
        segments = _segments(work, {s.segment for s in switches.values() if s.segment is not None})
        capacities = {name: part.capacity for name, part in spec.switches.items() if part.capacity is not None}
        work.fabric = Fabric(switches, links, segments, spec.mtu, capacities, outsides_of(spec.outside))
        found.extend(problems(work.fabric))
    if found:
        raise Invalid(found)


def _switches(work: Work, spec: FabricSpec, found: list[Problem]) -> Iterator[tuple[str, Switch]]:
    for name, part in sorted(spec.switches.items()):
        where = f"fabric.switches.{name}"
        try:
            check_name(name, where)
            if part.segment is not None:
                check_name(part.segment, f"{where}.segment")
            learn = _learn(part, where)
            uplinks = uplinks_of(part.uplinks, where)
            tunnels = tunnels_of(part.tunnels, where)
        except Invalid as error:
            found.extend(error.problems)
            continue
        if part.ovsdb is not None and not _is_remote(part.ovsdb):
            hint = "unix:/run/openvswitch/db.sock, tcp:127.0.0.1:6640 or ssl:10.0.0.1:6640"
            found.append(Problem(f"{where}.ovsdb", f"{part.ovsdb!r} is not where a database listens", hint))
        if part.control is not None and not part.control.startswith("unix:/"):
            hint = "unix:/run/openvswitch"
            found.append(Problem(f"{where}.control", f"{part.control!r} is no socket of a daemon", hint))
        known = work.fabric.switches.get(name)
        # A bridge with another datapath identifier is another bridge.
        if known is not None and known.dpid == part.dpid:
            number = known.number
        else:
            counters = work.draft.counters()
            number = counters.switch
            work.draft.put(replace(counters, switch=number + 1))
        own = part.ovsdb, learn, uplinks, tunnels, part.control
        yield name, Switch(name, number, part.dpid, part.segment, *own)


def _learn(spec: SwitchSpec, where: str) -> tuple[Learn, ...]:
    """The ports of a switch on which machines are learned, by name. Whether the tenants are there, `checks` say."""
    return tuple(
        Learn(check_port(port, f"{where}.learn"), check_name(part.tenant, f"{where}.learn.{port}.tenant"), part.most)
        for port, part in sorted(spec.learn.items())
    )


def _is_remote(text: str) -> bool:
    """Whether a text says where a database listens. Names of hosts are not resolved: they would be this host."""
    if text.startswith("unix:"):
        return text.startswith("unix:/")
    known = re.fullmatch(r"(?:tcp|ssl):\[?([^\]]+)\]?:(\d{1,5})", text)
    try:
        return known is not None and bool(ip_address(known[1])) and 0 < int(known[2]) < 1 << 16
    except ValueError:
        return False


def _links(spec: FabricSpec, found: list[Problem]) -> Iterator[Link]:
    for index, part in enumerate(spec.links):
        where = f"fabric.links[{index}]"
        try:
            a, b = parse_place(part.a, f"{where}.a"), parse_place(part.b, f"{where}.b")
        except Invalid as error:
            found.extend(error.problems)
            continue
        yield Link(LinkKind(part.kind), a, b)


def _segments(work: Work, names: set[str]) -> dict[str, int]:
    numbers = {}
    for name in sorted(names):
        number = work.fabric.segments.get(name)
        if number is None:
            counters = work.draft.counters()
            number = counters.segment
            work.draft.put(replace(counters, segment=number + 1))
        numbers[name] = number
    return numbers


# --- tenants, networks, nodes ---------------------------------------------------------------------------------------


def put_tenant(work: Work, name: str) -> None:
    """Make a tenant."""
    work.draft.put(Tenant(check_name(name, f"tenants.{name}")))


def delete_tenant(work: Work, name: str) -> None:
    """Remove a tenant that has nothing any more."""
    tenant = require_tenant(work, name)
    # Those that a template has made go with their last member, by themselves.
    networks = [network for network in work.draft.networks(name) if network.made_by is None]
    nodes = work.draft.nodes(name)
    if networks or nodes:
        has = f"{len(networks)} network(s) and {len(nodes)} node(s)"
        raise Conflict(f"tenant {name} still has {has}: delete those first")
    routers = work.draft.routers(name)
    if routers:
        named = ", ".join(router.name for router in routers[:5])
        raise Conflict(f"tenant {name} still has {len(routers)} router(s) ({named}): remove those first")
    learns = sorted(str(place) for place, learn in work.fabric.learns.items() if learn.tenant == name)
    if learns:
        hint = f"declare the fabric without `learn` there first ({', '.join(learns[:5])})"
        raise Conflict(f"machines of tenant {name} are learned on {len(learns)} port(s): {hint}")
    work.draft.delete(tenant)


def put_network(work: Work, tenant: str, name: str, spec: NetworkSpec) -> None:
    """Make a network, or change it."""
    require_tenant(work, tenant)
    check_name(name, f"tenants.{tenant}.networks.{name}")
    traffic = _traffic(spec.traffic, f"tenants.{tenant}.networks.{name}.traffic")
    reserve = _reserved(work.fabric, spec.reserve, f"tenants.{tenant}.networks.{name}.reserve")
    known = work.draft.network(f"{tenant}/{name}")
    if known is not None:
        refuse_made(work.draft, known)
    number = known.number if known else work.allocator.network_number(f"network {tenant}/{name}")
    where = f"tenants.{tenant}.networks.{name}"
    subnets = subnets_of(spec.subnets, f"{where}.subnets")
    way_out = exit_of(spec.outside, subnets, work.fabric, f"{where}.outside") if spec.outside is not None else None
    work.draft.put(Network(tenant, name, number, spec.tagged, traffic, reserve, subnets=subnets, exit=way_out))


def _reserved(fabric: Fabric, segments: list[str], where: str) -> tuple[str, ...]:
    """Segments in which a network keeps a tag, which must be there."""
    unknown = sorted(segment for segment in segments if segment not in fabric.segments)
    if unknown:
        hint = _one_of(iter(fabric.segments)) if fabric.segments else "declare the fabric first"
        raise Invalid(Problem(where, f"there is no segment {unknown[0]!r}", hint))
    return tuple(sorted({*segments}))


def _traffic(specs: list[TrafficSpec], where: str) -> tuple[Term, ...]:
    """A class, its terms in a fixed order and each once."""
    found: list[Problem] = []
    terms = set()
    for index, spec in enumerate(specs):
        try:
            terms.add(_term(spec, f"{where}[{index}]"))
        except Invalid as error:
            found.extend(error.problems)
    if found:
        raise Invalid(found)
    return tuple(sorted(terms, key=format_term))


def _term(spec: TrafficSpec, where: str) -> Term:
    def ports(text: str | None, name: str) -> Ports | None:
        return parse_ports(text, f"{where}.{name}") if text is not None else None

    term = Term(
        parse_ethertype(spec.ethertype, f"{where}.ethertype") if spec.ethertype is not None else None,
        parse_protocol(spec.protocol, f"{where}.protocol") if spec.protocol is not None else None,
        ports(spec.port, "port"),
        ports(spec.source_port, "source_port"),
        ports(spec.destination_port, "destination_port"),
        spec.dscp,
    )
    term.check(where)
    return term


def delete_network(work: Work, tenant: str, name: str) -> None:
    """Remove a network that has no member any more; its number rests."""
    network = require_network(work, tenant, name)
    refuse_made(work.draft, network)
    # Who is in it by policies alone leaves with the policy, or policing refuses it.
    members = [member for member in work.draft.members(network.ref) if name in member.interface.asked]
    if members:
        named = ", ".join(member.node.ref for member in members[:5]) + (", ..." if len(members) > 5 else "")
        raise Conflict(f"network {network.ref} still has {len(members)} member(s) ({named}): detach them first")
    let_in = work.draft.let_in(network.ref)
    if let_in:
        named = ", ".join(str(value.address) for value in let_in[:5]) + (", ..." if len(let_in) > 5 else "")
        raise Conflict(f"network {network.ref} is still reached from outside by {named}: give that up first")
    routers = [router.ref for router in work.draft.routers(tenant) if network.ref in router.networks]
    if routers:
        raise Conflict(f"network {network.ref} is routed by {', '.join(routers)}: take it out of there first")
    work.draft.delete(network)
    work.allocator.return_number(network)


def put_node(work: Work, tenant: str, name: str, spec: NodeSpec) -> None:
    """Make a node, or replace it as a whole. Where it was discovered to run it goes on so, unless it is said whether it
    runs, or where."""
    require_tenant(work, tenant)
    where = f"tenants.{tenant}.nodes.{name}"
    check_name(name, where)
    known = work.draft.node(f"{tenant}/{name}")
    work.macs.update(asked_for([spec]))
    stays = known is not None and known.running and not spec.running and _is_left_out(known, spec)
    running = spec.running or stays
    found: list[Problem] = []
    interfaces = []
    for interface_name, part in sorted(spec.interfaces.items()):
        try:
            old = known.interface(interface_name) if known else None
            place = f"{where}.interfaces.{interface_name}"
            interfaces.append(_interface(work, tenant, interface_name, part, old, place, stays=stays))
        except Invalid as error:
            found.extend(error.problems)
    if found:
        raise Invalid(found)
    work.draft.put(
        Node(
            tenant,
            name,
            running,
            tuple(interfaces),
            prepared=spec.prepared,
            failed=known is not None and known.failed and not running,
            unit=_attribute(spec.unit, f"{where}.unit"),
            function=_attribute(spec.function, f"{where}.function"),
            labels=_labels(spec.labels, f"{where}.labels"),
            size=spec.size,
            apart=tuple(sorted({check_name(group, f"{where}.apart") for group in spec.apart})),
            discovery=spec.discovery,
            held=known is not None and (known.held or known.running) and not known.failed and not running,
        )
    )


def _is_left_out(known: Node, spec: NodeSpec) -> bool:
    """Whether nothing is said of where a node runs that was discovered to."""
    return (
        "running" not in spec.model_fields_set
        and {interface.name for interface in known.interfaces if interface.discovered} == {*spec.interfaces}
        and all(part.at is None for part in spec.interfaces.values())
    )


def _attribute(text: str | None, where: str) -> str | None:
    return check_attribute(text, where) if text is not None else None


def _labels(labels: Mapping[str, str], where: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (check_name(key, where), check_attribute(text, f"{where}.{key}")) for key, text in sorted(labels.items())
    )


def _interface(
    work: Work, tenant: str, name: str, spec: InterfaceSpec, old: Interface | None, where: str, *, stays: bool
) -> Interface:
    """An interface as it is asked for. `stays`: it is where it was."""
    check_name(name, where)
    if spec.iface_id is not None and not spec.iface_id.isprintable():
        raise Invalid(Problem(f"{where}.iface_id", f"{spec.iface_id!r} cannot be printed", "as the database has it"))
    mac = parse_mac(spec.mac, f"{where}.mac") if spec.mac is not None else old.known_mac if old else None
    if mac is not None and mac & ~0xFF_FFFF == ROUTER_MAC:
        hint = "any other; leave it out to be given one"
        raise Invalid(Problem(f"{where}.mac", f"{spec.mac} is kept for the routers of networks", hint))
    ips = tuple(parse_prefix(text, f"{where}.ips[{index}]") for index, text in enumerate(spec.ips))
    place = parse_place(spec.at, f"{where}.at") if spec.at is not None else None
    if stays and old is not None:
        place = old.place
    for network in spec.networks:
        if work.draft.network(f"{tenant}/{network}") is None:
            hint = _one_of(network.name for network in work.draft.networks(tenant))
            raise Invalid(Problem(f"{where}.networks", f"tenant {tenant} has no network {network!r}", hint))
        if (known := work.draft.network(f"{tenant}/{network}")) is not None and known.made_by is not None:
            raise Invalid(Problem(f"{where}.networks", made(work.draft, known), "leave it to them"))
    number = old.number if old else work.allocator.interface_number()
    # Whoever gives us the address back that we have chosen asks for no other.
    chosen = old is not None and old.chosen and old.known_mac == mac
    networks = tuple(sorted({*spec.networks}))
    leases = tuple(parse_prefix(text, f"{where}.leases[{index}]") for index, text in enumerate(spec.leases))
    leases = leases or (old.leases if old else ())
    bandwidth = interface_bandwidth(spec.bandwidth, f"{where}.bandwidth")
    new = Interface(
        name, number, mac, ips, None, networks, chosen, iface_id=spec.iface_id, leases=leases, bandwidth=bandwidth
    )
    if spec.site is not None:
        if place is not None:
            hint = "one of them: at a switch port, or at a site"
            raise Invalid(Problem(f"{where}.at", f"it has both a place, {place}, and site {spec.site!r}", hint))
        if bandwidth != NO_LIMIT:
            hint = "leave it out: there is no port of its own that it could be counted at"
            raise Invalid(Problem(f"{where}.bandwidth", f"it is at site {spec.site!r}", hint))
        new, place = at_site(work.draft, tenant, new, spec.site, f"{where}.site")
    new = _at(work, new, place)
    if old is None or old.place != place:
        return new
    # Who is said to be where he is goes on moving.
    return replace(new, target=old.target, left=old.left, discovered=old.discovered)


def _at(work: Work, interface: Interface, place: Place | None) -> Interface:
    """An interface at another place, or at none, where it is at once: it does not move there. Its first one gives it a
    MAC address, where it has none."""
    mac, chosen = interface.known_mac, interface.chosen
    if place is not None and mac is None:
        mac, chosen = choose_mac(work.draft, work.fabric, place, interface.number, work.macs), True
        work.macs.add(mac)
    return replace(interface, place=place, known_mac=mac, chosen=chosen, target=None, left=None, discovered=False)


def at_places(work: Work, node: Node, places: Mapping[str, Place]) -> Node:
    """A node with those of its interfaces at other places that are named; nothing is put."""
    moved = ((i, places[i.name]) if i.name in places else (i, i.place) for i in node.interfaces)
    return replace(node, interfaces=tuple(i if i.place == place else _at(work, i, place) for i, place in moved))


def delete_node(work: Work, tenant: str, name: str) -> None:
    """Remove a node, running or not, with its interfaces and memberships."""
    work.draft.delete(require_node(work, tenant, name))


def attach(work: Work, tenant: str, network: str, node: str, interface: str | None) -> None:
    """Put an interface of a node into a network, beside those that it is in."""
    known = require_node(work, tenant, node)
    target = require_network(work, tenant, network)
    chosen = _choose_interface(known, interface)
    refuse_made(work.draft, target)
    networks = tuple(sorted({*chosen.networks, target.name}))
    by_policy = tuple(name for name in chosen.by_policy if name != target.name)
    _replace_interface(work, known, replace(chosen, networks=networks, by_policy=by_policy))


def detach(work: Work, tenant: str, network: str, node: str, interface: str | None) -> None:
    """Take the interfaces of a node, or one of them, out of a network. Nothing happens where they are not in it.

    Refused, when all else is done, where policies have it in there.
    """
    known = require_node(work, tenant, node)
    require_network(work, tenant, network)
    if interface is not None and known.interface(interface) is None:
        raise NotFound(_no_interface(known, interface))
    for candidate in known.interfaces:
        if network in candidate.networks and interface in (None, candidate.name):
            asked = tuple(name for name in candidate.asked if name != network)
            known = _replace_interface(work, known, replace(candidate, networks=asked, by_policy=()))
            work.left.append((known.ref, candidate.name, network))


def start(work: Work, tenant: str, node: str, at: Mapping[str, str]) -> None:
    """Let a node run, at the switch ports given or those it has."""
    known = require_node(work, tenant, node)
    for name, text in sorted(at.items()):
        interface = known.interface(name)
        if interface is None:
            raise NotFound(_no_interface(known, name))
        place = parse_place(text, f"at.{name}")
        if place != interface.place:
            known = _replace_interface(work, known, _at(work, interface, place))
    missing = [interface.name for interface in known.interfaces if interface.place is None]
    if missing:
        hint = f"say where it runs: at: {{{missing[0]}: switch:port}}"
        raise Invalid(Problem("at", f"node {known.ref} has no place for {', '.join(missing)}", hint))
    work.draft.put(replace(known, running=True, failed=False, held=False))


def stop(work: Work, tenant: str, node: str) -> None:
    """Let a node run no more, until it is started by a request; its place and memberships stay."""
    known = require_node(work, tenant, node)
    interfaces = tuple(replace(one, target=None, left=None, discovered=False) for one in known.interfaces)
    work.draft.put(replace(known, running=False, failed=False, held=True, interfaces=interfaces))


def apply(work: Work, intent: Intent) -> None:
    """A whole intent, in the order in which it is written. All its problems are collected before it is refused."""
    found: list[Problem] = []
    if intent.fabric is not None:
        # What stands on a fabric that is wrong would only be misread: its problems alone are reported.
        put_fabric(work, intent.fabric)
    if intent.policies is not None:
        try:
            replace_policies(work.draft, intent.policies)
        except Invalid as error:
            found.extend(error.problems)
    work.macs.update(asked_for(node for tenant in intent.tenants.values() for node in tenant.nodes.values()))
    for name, tenant in intent.tenants.items():
        try:
            put_tenant(work, name)
            _apply_tenant(work, name, tenant, found)
        except Invalid as error:
            found.extend(error.problems)
    if found:
        raise Invalid(found)


def _apply_tenant(work: Work, name: str, spec: TenantSpec, found: list[Problem]) -> None:
    for network, network_spec in spec.networks.items():
        try:
            put_network(work, name, network, network_spec)
        except Invalid as error:
            found.extend(error.problems)
    for site, site_spec in spec.sites.items():
        try:
            put_site(work.draft, work.fabric, work.allocator, name, site, site_spec)
        except Invalid as error:
            found.extend(error.problems)
    for node, node_spec in spec.nodes.items():
        try:
            put_node(work, name, node, node_spec)
        except Invalid as error:
            found.extend(error.problems)
    for router, router_spec in spec.routers.items():
        try:
            put_router(work.draft, name, router, router_spec)
        except Invalid as error:
            found.extend(error.problems)
    for address, floating in spec.floating.items():
        try:
            put_floating(work.draft, work.fabric, name, address, floating)
        except Invalid as error:
            found.extend(error.problems)
    for index, forward in enumerate(spec.forwards):
        try:
            put_forward(work.draft, work.fabric, name, forward, f"tenants.{name}.forwards[{index}]")
        except Invalid as error:
            found.extend(error.problems)


# --- looking things up ----------------------------------------------------------------------------------------------


def require_tenant(work: Work, name: str) -> Tenant:
    """A tenant that must exist. Raises NotFound."""
    tenant = work.draft.tenant(name)
    if tenant is None:
        raise NotFound(f"there is no tenant {name!r}; make it first")
    return tenant


def require_network(work: Work, tenant: str, name: str) -> Network:
    """A network that must exist. Raises NotFound, naming those that do."""
    require_tenant(work, tenant)
    network = work.draft.network(f"{tenant}/{name}")
    if network is None:
        raise NotFound(
            f"tenant {tenant} has no network {name!r} ({_one_of(n.name for n in work.draft.networks(tenant))})"
        )
    return network


def require_node(work: Work, tenant: str, name: str) -> Node:
    """A node that must exist. Raises NotFound, naming those that do."""
    require_tenant(work, tenant)
    node = work.draft.node(f"{tenant}/{name}")
    if node is None:
        raise NotFound(f"tenant {tenant} has no node {name!r} ({_one_of(n.name for n in work.draft.nodes(tenant))})")
    return node


def _choose_interface(node: Node, name: str | None) -> Interface:
    if name is not None:
        interface = node.interface(name)
        if interface is None:
            raise NotFound(_no_interface(node, name))
        return interface
    if len(node.interfaces) == 1:
        return node.interfaces[0]
    hint = _one_of(interface.name for interface in node.interfaces)
    raise Invalid(Problem("interface", f"node {node.ref} has {len(node.interfaces)} interfaces", hint))


def _no_interface(node: Node, name: str) -> str:
    return f"node {node.ref} has no interface {name!r} ({_one_of(interface.name for interface in node.interfaces)})"


def _replace_interface(work: Work, node: Node, new: Interface) -> Node:
    interfaces = tuple(new if old.name == new.name else old for old in node.interfaces)
    changed = replace(node, interfaces=interfaces)
    work.draft.put(changed)
    return changed


def _one_of(names: Iterator[str]) -> str:
    listed = sorted(names)
    shown = ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")
    return f"one of {shown}" if listed else "it has none"
