"""Fabrics of any size, as values of the language of requests.

    spines      c1        c2              core: every edge to every spine
               /  \\      /  \\
    edges   s1e    s2e ...                with `separate_edge`; else the rack switch is the edge as well
             |      |
    racks   s1t    s2t ...
           / | \\  / | \\
    hosts s1h1 ...                        one trunk each; access ports s1h1v0, s1h1v1, ...

Numbers in names have as many digits as the largest, so names sort as they count. No name is longer than a port's may
be (15 characters) as long as segments, hosts of a segment and access ports of a host stay below 10,000 each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ryu_vnet.schema import FabricSpec, Intent, LinkSpec, SwitchSpec

from .tenants import tenants

SWITCHES_PER_SEGMENT = 25
CORES = 4
MEMBERS = 50
"""Nodes in one network of `two_hosts` unless told."""


def leaf_spine(
    segments: int, hosts_per_segment: int, cores: int, *, separate_edge: bool = False, more_hosts: int = 0
) -> FabricSpec:
    """A fabric of `segments` racks and `cores` core switches; the first `more_hosts` segments have one host more.

    It has segments * (1 + hosts_per_segment) + more_hosts + cores switches, and one for each segment more with
    `separate_edge`. Raises ValueError for sizes that make no fabric.
    """
    if segments < 1 or hosts_per_segment < 1 or cores < 0 or not 0 <= more_hosts < segments:
        raise ValueError(f"{segments} segments with {hosts_per_segment} hosts, {more_hosts} of them with one more")
    if cores == 0 and segments > 1:
        raise ValueError(f"{segments} segments need a core switch that joins them")
    spines = [f"c{number}" for number in _numbers(cores)]
    switches: dict[str, SwitchSpec] = {}
    links: list[LinkSpec] = []

    def add(name: str, segment: str | None) -> None:
        switches[name] = SwitchSpec.model_construct(dpid=len(switches) + 1, segment=segment, ovsdb=None)

    for spine in spines:
        add(spine, None)
    most_hosts = hosts_per_segment + bool(more_hosts)
    for index, number in enumerate(_numbers(segments)):
        segment, rack = f"s{number}", f"s{number}t"
        edge = f"s{number}e" if separate_edge else rack
        add(rack, segment)
        if separate_edge:
            add(edge, segment)
            links.append(_link("trunk", (rack, f"{rack}-e"), (edge, f"{edge}-t")))
        links += [_link("core", (edge, f"{edge}-{spine}"), (spine, f"{spine}-{edge}")) for spine in spines]
        hosts = hosts_per_segment + (index < more_hosts)
        for host in list(_numbers(most_hosts))[:hosts]:
            name = f"{segment}h{host}"
            add(name, segment)
            links.append(_link("trunk", (name, f"{name}-t"), (rack, f"{rack}-h{host}")))
    return FabricSpec.model_construct(mtu=1500, switches=switches, links=links)


def sized(switches: int, *, separate_edge: bool = True) -> FabricSpec:
    """A leaf-spine fabric of exactly so many switches, 25 in a segment where there are enough of them.

    1,000 are 4 core switches and 40 segments of an edge, a rack switch and 22 or 23 hosts. Raises ValueError for
    fewer than make two segments with a host each and a core switch: 7, or 5 without separate edges.
    """
    overhead = 1 + separate_edge
    least = 1 + 2 * (overhead + 1)
    if switches < least:
        raise ValueError(f"{switches} switches are too few for two segments and a core switch: at least {least}")
    cores = CORES if switches >= 2 * SWITCHES_PER_SEGMENT + CORES else 1
    segments = max(2, round((switches - cores) / SWITCHES_PER_SEGMENT))
    hosts, more = divmod(switches - cores - segments * overhead, segments)
    return leaf_spine(segments, hosts, cores, separate_edge=separate_edge, more_hosts=more)


def two_hosts(ports: int, networks: int | None = None) -> Intent:
    """Two hosts joined by one trunk, with one node on each of `ports` access ports, half of them on either host.

    `networks` of equal size are shared by both hosts; 50 nodes in each unless told.
    """
    fabric = FabricSpec.model_construct(
        mtu=1500,
        switches={
            name: SwitchSpec.model_construct(dpid=dpid, segment="s1", ovsdb=None)
            for dpid, name in enumerate(("h1", "h2"), 1)
        },
        links=[_link("trunk", ("h1", "h1-h2"), ("h2", "h2-h1"))],
    )
    wanted = max(1, ports // MEMBERS) if networks is None else networks
    return Intent.model_construct(fabric=fabric, tenants=tenants(fabric, ports, wanted))


def located(fabric: FabricSpec, databases: dict[str, str]) -> FabricSpec:
    """The same fabric, its switches knowing where their databases listen."""
    switches = {
        name: switch.model_copy(update={"ovsdb": databases.get(name)}) for name, switch in fabric.switches.items()
    }
    return fabric.model_copy(update={"switches": switches})


def _link(kind: Literal["trunk", "core"], a: tuple[str, str], b: tuple[str, str]) -> LinkSpec:
    return LinkSpec.model_construct(kind=kind, a=":".join(a), b=":".join(b))


def _numbers(count: int) -> Iterator[str]:
    """1 to `count` as text, all of one length."""
    return (f"{number:0{len(str(count))}}" for number in range(1, count + 1))
