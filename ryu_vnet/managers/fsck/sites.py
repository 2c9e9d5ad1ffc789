"""Checks of remote sites, and of the machines there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from ...model.sites import Site
from ...model.values import Interface, Node, Place
from .finding import Case, Edit, Fault, Finding


def numbers(case: Case) -> Iterator[Fault]:
    """Sites that have the number of another, or of an interface; and such as extend a network that is not there."""
    used = Counter(interface.number for node in case.draft.nodes() for interface in node.interfaces)
    used.update(site.number for site in case.draft.sites())
    for site in case.draft.sites():
        key = f"site/{site.ref}"
        if used[site.number] > 1:
            what = f"site {site.ref} has number {site.number}, which another has as well"
            why = "frames from there would be taken for another's"
            yield Fault(Finding("site number twice", key, what, why, "it gets a new number"), _renumbered(key))
        if case.draft.network(site.network_ref) is None:
            what = f"site {site.ref} extends network {site.network_ref}, which is not there"
            why = "a network of that name would extend to where nobody asked it to"
            yield Fault(Finding("no network", key, what, why, "it goes, and who is there stops"), _removed(key))


def _renumbered(key: str) -> Edit:
    def edit(case: Case) -> None:
        site = case.draft.get(key)
        if isinstance(site, Site):
            case.draft.put(replace(site, number=case.allocator.interface_number()))

    return edit


def _removed(key: str) -> Edit:
    def edit(case: Case) -> None:
        site = case.draft.get(key)
        if isinstance(site, Site):
            case.draft.delete(site)

    return edit


def tunnels(case: Case) -> Iterator[Fault]:
    """Sites on switches that have no such tunnel port."""
    for site in case.draft.sites():
        tunnel = case.fabric.tunnels.get(Place(site.switch, site.port))
        if tunnel is None or tunnel.protocol is not site.protocol:
            what = f"site {site.ref} is on {site.switch}:{site.port}, which is no {site.protocol.value} tunnel port"
            why = "nothing comes from there, and nothing goes there: put the site anew, or declare the tunnel"
            yield Fault(Finding("no tunnel", f"site/{site.ref}", what, why))


def machines(case: Case) -> Iterator[Fault]:
    """Interfaces that are at sites which are not there, or of which another thing is known than the site has."""
    for node in case.draft.nodes():
        for interface in node.interfaces:
            if interface.site is None:
                continue
            key, site = f"node/{node.ref}", case.draft.site(f"{node.tenant}/{interface.site}")
            who = f"{node.ref} {interface.name}"
            if site is None:
                what = f"{who} is at site {node.tenant}/{interface.site}, which is not there"
                finding = Finding("no site", key, what, "nobody knows where that is", "it is nowhere, and stops")
                yield Fault(finding, _changed(key, interface.name, None))
            elif (interface.place, interface.site_number) != (Place(site.switch, site.port), site.number):
                what = f"{who} is at site {site.ref}, and has {interface.place} and site number {interface.site_number}"
                finding = Finding(
                    "not where its site is", key, what, "it would be told by nothing", "it has the site's"
                )
                yield Fault(finding, _changed(key, interface.name, site))


def _changed(key: str, name: str, site: Site | None) -> Edit:
    """An interface is where a site is, or nowhere."""

    def moved(interface: Interface) -> Interface:
        if interface.name != name:
            return interface
        if site is None:
            return replace(interface, place=None, site=None, site_number=0)
        return replace(interface, place=Place(site.switch, site.port), site_number=site.number)

    def edit(case: Case) -> None:
        node = case.draft.get(key)
        if isinstance(node, Node):
            stops = site is None and node.present
            new = replace(node, interfaces=tuple(map(moved, node.interfaces)))
            case.draft.put(replace(new, running=False, prepared=False, failed=node.running) if stops else new)

    return edit
