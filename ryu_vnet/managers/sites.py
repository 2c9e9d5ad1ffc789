"""Remote sites as they are asked for, where they are granted to be, and every reason to refuse them.

A machine at a site is an interface that has the site in place of a switch port. Its place is the tunnel port of the
gateway that the site is on, and changes with that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ..errors import Conflict, Invalid, NotFound, Problem
from ..fabric.declared import Fabric
from ..fabric.tunnels import Tunnel
from ..model.names import check_name, check_port
from ..model.outside import Address
from ..model.sites import Protocol, Site
from ..model.state import Draft, Model
from ..model.values import Interface, Node, Place
from ..schema import SiteSpec, TunnelSpec
from .allocation import Allocator
from .outside import parse_address

LEAST_MTU = 576


def tunnels_of(specs: Mapping[str, TunnelSpec], where: str) -> tuple[Tunnel, ...]:
    """The tunnel ports of a switch, by name. Raises Invalid."""
    found = []
    for port, spec in sorted(specs.items()):
        place = f"{where}.tunnels.{port}"
        own = parse_address(spec.address, f"{place}.address")
        found.append(Tunnel(check_port(port, place), Protocol(spec.protocol), own, spec.mtu))
    return tuple(found)


# --- requests ---------------------------------------------------------------------------------------------------------


def put_site(draft: Draft, fabric: Fabric, allocator: Allocator, tenant: str, name: str, spec: SiteSpec) -> None:
    """Make a site, or change it; machines there stay there. Raises Invalid, Conflict, NotFound."""
    where = f"tenants.{tenant}.sites.{name}"
    check_name(name, where)
    if draft.tenant(tenant) is None:
        raise NotFound(f"there is no tenant {tenant!r}; make it first")
    known = draft.site(f"{tenant}/{name}")
    network = draft.network(f"{tenant}/{spec.network}")
    if network is None:
        listed = ", ".join(one.name for one in draft.networks(tenant)) or "it has none"
        raise Invalid(Problem(f"{where}.network", f"tenant {tenant} has no network {spec.network!r}", listed))
    if network.made_by is not None:
        hint = "name one that somebody asked for"
        raise Invalid(Problem(f"{where}.network", f"network {network.ref} is made by policies", hint))
    protocol, remote = Protocol(spec.protocol), parse_address(spec.remote, f"{where}.remote")
    if not 0 < spec.key <= protocol.last_key:
        hint = f"1 to {protocol.last_key}"
        raise Invalid(Problem(f"{where}.key", f"{spec.key} is no key of {protocol.value}", hint))
    if len({*spec.gateways}) < len(spec.gateways):
        raise Invalid(Problem(f"{where}.gateways", "a gateway is named twice", "each once, in order of preference"))
    number = known.number if known is not None else allocator.interface_number()
    asked = Site(tenant, name, spec.network, number, protocol, remote, spec.key, "", "", tuple(spec.gateways), spec.mtu)
    switch = _switch(asked, known.switch if known is not None else None, fabric, where)
    tunnel = _tunnel(asked, switch, fabric)
    if tunnel is not None and asked.mtu is not None and asked.mtu > tunnel.mtu:
        what = f"{asked.mtu} bytes are more than the tunnel port {switch}:{tunnel.port} takes"
        raise Invalid(Problem(f"{where}.mtu", what, f"{tunnel.mtu} at most, or leave it out"))
    _put(draft, fabric, asked, switch, where)


def delete_site(draft: Draft, tenant: str, name: str) -> None:
    """Remove a site at which no machine is any more. Raises NotFound, Conflict."""
    site = require_site(draft, tenant, name)
    there = sorted(key.removeprefix("node/") for key in draft.nodes_at(site.ref))
    if there:
        named = ", ".join(there[:5]) + (", ..." if len(there) > 5 else "")
        raise Conflict(
            f"{len(there)} node(s) are at site {site.ref} ({named}): remove them, or put them elsewhere first"
        )
    draft.delete(site)


def require_site(model: Model, tenant: str, name: str) -> Site:
    """A site that must exist. Raises NotFound, naming those that do."""
    site = model.site(f"{tenant}/{name}")
    if site is None:
        listed = ", ".join(one.name for one in model.sites(tenant)) or "it has none"
        raise NotFound(f"tenant {tenant} has no site {name!r} ({listed})")
    return site


def move_site(draft: Draft, fabric: Fabric, tenant: str, name: str, switch: str) -> None:
    """Have another of its gateways carry a site, with all machines there. Raises NotFound, Invalid, Conflict."""
    site = require_site(draft, tenant, name)
    if switch not in candidates(site, fabric):
        listed = ", ".join(candidates(site, fabric))
        raise Invalid(Problem("switch", f"{switch!r} cannot carry site {site.ref}", f"one of {listed}"))
    _put(draft, fabric, site, switch, f"tenants.{tenant}.sites.{name}")


def at_site(draft: Draft, tenant: str, interface: Interface, name: str, where: str) -> tuple[Interface, Place]:
    """An interface as one that is at a site, and where that is. Raises Invalid."""
    site = draft.site(f"{tenant}/{name}")
    if site is None:
        listed = ", ".join(one.name for one in draft.sites(tenant)) or "make one first: tenants.NAME.sites"
        raise Invalid(Problem(where, f"tenant {tenant} has no site {name!r}", listed))
    return replace(interface, site=name, site_number=site.number), Place(site.switch, site.port)


# --- where sites are --------------------------------------------------------------------------------------------------


def candidates(site: Site, fabric: Fabric) -> tuple[str, ...]:
    """The switches that can carry a site, the preferred one first: those with a tunnel of its protocol, in its version
    of IP."""
    names = site.gateways or sorted(fabric.switches)
    return tuple(name for name in names if _tunnel(site, name, fabric) is not None)


def _tunnel(site: Site, name: str, fabric: Fabric) -> Tunnel | None:
    switch = fabric.switches.get(name)
    tunnel = switch.tunnel(site.protocol) if switch is not None and switch.segment is not None else None
    return tunnel if tunnel is not None and tunnel.address.version == site.remote.version else None


def _switch(site: Site, known: str | None, fabric: Fabric, where: str) -> str:
    """The gateway of a site: where it was, or else the first that can carry it."""
    for name in site.gateways:
        if _tunnel(site, name, fabric) is None:
            what = f"{name!r} has no {site.protocol.value} tunnel over IPv{site.remote.version}"
            listed = candidates(replace(site, gateways=()), fabric)
            hint = f"one of {', '.join(listed)}" if listed else "declare it: fabric.switches.NAME.tunnels"
            raise Invalid(Problem(f"{where}.gateways", what, hint))
    able = candidates(site, fabric)
    if not able:
        what = f"no switch has a {site.protocol.value} tunnel over IPv{site.remote.version}"
        raise Invalid(Problem(f"{where}.protocol", what, "declare one: fabric.switches.NAME.tunnels"))
    return known if known in able else able[0]


def _put(draft: Draft, fabric: Fabric, site: Site, switch: str, where: str) -> None:
    """Have a site on a switch, and those at the site with it. Raises Invalid, Conflict."""
    tunnel = _tunnel(site, switch, fabric)
    if tunnel is None:
        raise Conflict(f"{switch} has no {site.protocol.value} tunnel for site {site.ref}")
    new = replace(site, switch=switch, port=tunnel.port)
    _check_remote(new, fabric, where)
    if new.inner_mtu(tunnel.mtu) < LEAST_MTU:
        lost = new.protocol.overhead(new.remote.version)
        what = f"{new.inner_mtu(tunnel.mtu)} bytes of IP would be left for machines"
        raise Invalid(Problem(f"{where}.mtu", what, f"at least {LEAST_MTU + lost}"))
    draft.put(new)
    for key in sorted(draft.nodes_at(new.ref)):
        node = draft.get(key)
        if isinstance(node, Node):
            draft.put(replace(node, interfaces=tuple(_placed(one, new) for one in node.interfaces)))


def _placed(interface: Interface, site: Site) -> Interface:
    if interface.site != site.name:
        return interface
    return replace(interface, place=Place(site.switch, site.port), site_number=site.number)


def _check_remote(site: Site, fabric: Fabric, where: str) -> None:
    own: dict[Address, str] = {tunnel.address: str(place) for place, tunnel in fabric.tunnels.items()}
    if site.remote in own:
        what = f"{site.remote} is the address of our own tunnel port {own[site.remote]}"
        raise Invalid(Problem(f"{where}.remote", what, "the address of the other end"))


def settle_sites(draft: Draft, fabric: Fabric, was: Fabric) -> None:
    """Have the sites where the fabric has tunnels for them; it was another one before. Raises Invalid, Conflict."""
    if fabric != was:
        for site in draft.sites():
            where = f"tenants.{site.tenant}.sites.{site.name}"
            _put(draft, fabric, site, _switch(site, site.switch, fabric, where), where)


# --- what must hold when all of a request is known --------------------------------------------------------------------


def check_sites(draft: Draft, fabric: Fabric, was: Fabric) -> None:
    """Refuse what contradicts something else that is there; the fabric was another one before.

    Raises Invalid with all problems, Conflict where frames of two sites could not be told apart."""
    changed = [value for value in draft.changes.values() if isinstance(value, Site)]
    if changed or fabric != was:
        _check_ends(draft, fabric, draft.sites() if fabric != was else changed)
    found = [problem for site in changed for problem in _network_problems(draft, site)]
    for value in draft.changes.values():
        if isinstance(value, Node):
            found += [*_node_problems(draft, value)]
    for key in (key for key, value in draft.changes.items() if value is None and key.startswith("network/")):
        ref = key.removeprefix("network/")
        for site in draft.sites_of(ref):
            raise Conflict(f"network {ref} still extends to site {site.ref}: remove that first")
    if found:
        raise Invalid(found)


def _check_ends(draft: Draft, fabric: Fabric, changed: list[Site]) -> None:
    """Refuse sites, whosever they are, whose frames could not be told apart on a gateway that both may have."""
    ends: dict[object, list[Site]] = {}
    for site in draft.sites():
        ends.setdefault(site.end, []).append(site)
    for site in changed:
        able = {*candidates(site, fabric)}
        for other in ends[site.end]:
            shared = able.intersection(candidates(other, fabric)) if other.ref != site.ref else ()
            if shared:
                # Not whose: tenants see nobody else's.
                whose = f"site {other.ref}'s" if other.tenant == site.tenant else "another tenant's"
                what = f"{site.protocol.value} key {site.key} of {site.remote} at {min(shared)} is {whose}"
                raise Conflict(f"site {site.ref}: {what}: take another key, or other gateways")


def _network_problems(draft: Draft, site: Site) -> Iterator[Problem]:
    where = f"tenants.{site.tenant}.sites.{site.name}.network"
    for key in sorted(draft.nodes_at(site.ref)):
        if key not in draft.changes:
            node = draft.get(key)
            if isinstance(node, Node):
                for problem in _node_problems(draft, node):
                    yield replace(problem, where=where)


def _node_problems(draft: Draft, node: Node) -> Iterator[Problem]:
    for interface in node.interfaces:
        if interface.site is None:
            continue
        where = f"tenants.{node.tenant}.nodes.{node.name}.interfaces.{interface.name}"
        site = draft.site(f"{node.tenant}/{interface.site}")
        if site is None:
            yield Problem(f"{where}.site", f"tenant {node.tenant} has no site {interface.site!r}", "make it first")
            continue
        if interface.place != Place(site.switch, site.port) or interface.target is not None:
            hint = "put the node anew, with `at` in place of `site`"
            yield Problem(
                f"{where}.site", f"{node.ref} {interface.name} is at site {site.ref}, and not ours to move", hint
            )
        others = [name for name in interface.networks if name != site.network]
        if others:
            what = f"{node.ref} {interface.name} is at site {site.ref}, to which {site.network_ref} alone extends"
            yield Problem(f"{where}.networks", f"{what}, and would be in {others[0]}", f"network: {site.network}")
