"""What follows from intent alone: which combinations of networks there are to be, and who is to have a tag where.

Said from nothing, for all that there is, and not by what has changed: `settling` does that, and is checked by this.
"""

from __future__ import annotations

from ...compiler.traffic import TooManyRegions, combinations, in_order
from ...fabric.declared import Fabric
from ...model.state import Member, Model
from ...model.values import Combination, Network, combination_ref
from ..settling import memberships, segments_of


def segments_of_networks(model: Model, fabric: Fabric) -> dict[str, set[str]]:
    """By reference: the segments with trunks in which a network has members that run, are prepared, or come or go, or
    those who may be routed into it; or for which it has reserved tags, or where its router is."""
    found = {network.ref: {*network.reserve} & fabric.with_trunks for network in model.networks()}
    routing = model.routing
    for node in model.nodes():
        for interface in node.interfaces:
            segments = fabric.with_trunks.intersection(segments_of(Member(node, interface), fabric))
            for ref in node.networks_of(interface):
                found.setdefault(ref, set()).update(segments)
                for partner in routing.partners(ref):
                    found.setdefault(partner, set()).update(segments)
    for gateway in model.gateways():
        switch = fabric.switches.get(gateway.switch)
        if switch is not None and switch.segment in fabric.with_trunks and gateway.ref in found:
            found[gateway.ref].add(switch.segment)
    for site in model.sites():
        segments = fabric.with_trunks.intersection(segment for _, segment in memberships(site, fabric, model.routing))
        found.setdefault(site.network_ref, set()).update(segments)
    return found


def needed_tags(model: Model, fabric: Fabric) -> dict[tuple[str, int], str]:
    """By segment and network number: the reference of the network or combination that is to have a tag there."""
    at = segments_of_networks(model, fabric)
    return {
        (segment, one.number): one.ref
        for one in numbered(model)
        for segment in at.get(one.last if isinstance(one, Combination) else one.ref, ())
    }


def numbered(model: Model) -> list[Network | Combination]:
    """All that has a number, networks first."""
    return [*model.networks(), *model.combinations()]


def needed_combinations(model: Model) -> dict[str, tuple[str, tuple[str, ...]]]:
    """By reference: tenant and names of the networks of each combination that somebody needs."""
    shared = {
        (node.tenant, interface.networks)
        for node in model.nodes()
        for interface in node.interfaces
        if len(interface.networks) > 1
    }
    found = {}
    for tenant, names in sorted(shared):
        networks = [network for name in names if (network := model.network(f"{tenant}/{name}")) is not None]
        if len(networks) < len(names):
            continue
        try:
            needed = [tuple(network.name for network in some) for some in combinations(in_order(networks))]
        except TooManyRegions:
            # No request could have brought that about; what is there of it is left alone.
            needed = [c.networks for c in model.combinations() if c.tenant == tenant and {*c.networks} <= {*names}]
        found.update({combination_ref(tenant, some): (tenant, some) for some in needed})
    return found
