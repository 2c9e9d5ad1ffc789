"""What depends on what: a change of the model or of the fabric to the rows that it changes, and no others.

All rows of all switches are divided into units (`units`). Each unit's rows follow from a few facts, so that a change
makes some units stale and leaves the rest alone. Compiling from nothing is the same with everything new (`tables`);
that both give the same rows, for any history, is a property test.

    stale = compilation.update([(old_node, new_node)], topology)
    for unit in stale:
        for switch, part in compilation.parts(unit): ...
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TypeAlias

from ..fabric.declared import Fabric
from ..fabric.observed import Topology
from ..model.outside import Floating, Forward, Gateway, NextHop
from ..model.routing import Router, Routing
from ..model.sites import Site
from ..model.values import Combination, Network, Node, TagGrant, Value, key_of
from .facts import NO_SERVICES, address_units, local_units, received_units
from .membership import Membership, Round, network_in
from .network import wire_targets
from .outward import is_machine, router_of
from .paths import core_units, other_edges, port_units, redeclared, redeclared_units, severed, trunk_units
from .presence import NOWHERE, Extent, Presence
from .reach import reach_units
from .sites import site_member
from .units import Kind, Unit

Changes: TypeAlias = Iterable[tuple[Value | None, Value | None]]
"""Changed values: old and new, None for none."""


class Compilation(Membership):
    """The facts, and which unit follows from which of them.

    Who runs is on a declared switch of a segment, and in a network that there is: requests that would have it
    otherwise are refused.
    """

    def __init__(self, topology: Topology) -> None:
        super().__init__(topology)
        self._in: dict[str, set[str]] = {}
        """The networks with members in each segment."""

    # --- what a change makes stale ----------------------------------------------------------------------------------

    def update(self, changes: Changes, topology: Topology, switches: Collection[str] = ()) -> set[Unit]:
        """Take changed values and a topology over, and say which units are stale.

        `topology` may have another fabric than the present one. Where its declaration is the same, it may differ by
        what `switches` reported of their ports, or by whether they are admitted.
        """
        turn = Round()
        old, self.topology = self.topology, topology
        if topology is not old:
            # First, with everybody where he was: whoever moves then does so on the new paths.
            self._paths(old, switches, turn)
        networks: list[tuple[Network | None, Network | None]] = []
        formed: list[Combination] = []
        disbanded: list[Combination] = []
        renumbered: set[str] = set()
        grants: list[TagGrant] = []
        gateways: list[tuple[Value | None, Value | None]] = []
        routers: list[tuple[Router | None, Router | None]] = []
        for was, now in changes:
            if isinstance(was, Node) or isinstance(now, Node):
                self._node(was, now, old.fabric, turn)
            elif isinstance(was, Network) or isinstance(now, Network):
                networks.append((network_in(was), network_in(now)))
                self._name(network_in(was), network_in(now), old.fabric, turn)
            elif isinstance(was, Router) or isinstance(now, Router):
                routers.append((_router(was), _router(now)))
            elif isinstance(was, Gateway) or isinstance(now, Gateway):
                gateways.append((was, now))
            elif isinstance(was, Floating | Forward) or isinstance(now, Floating | Forward):
                value = now if now is not None else was
                turn.stale.update(self.outward.let_in(key_of(value) if value is not None else "", was, now))
            elif isinstance(was, NextHop) or isinstance(now, NextHop):
                turn.stale.update(self.outward.hop(was, now))
            elif isinstance(was, Site) or isinstance(now, Site):
                turn.stale.update(self.sites.changed(was, now))
                before, after = (site_member(value) if isinstance(value, Site) else None for value in (was, now))
                self._node(before, after, old.fabric, turn)
            elif isinstance(was, Combination) or isinstance(now, Combination):
                disbanded += [was] if isinstance(was, Combination) else []
                formed += [now] if isinstance(now, Combination) else []
                renumbered |= {now.ref} if isinstance(was, Combination) and isinstance(now, Combination) else set()
            else:
                grants += self._grant(was, now)
        if routers:
            self._route(routers, old.fabric, turn)
        for was, now in gateways:
            self._gateway(was, now, old.fabric, turn)
        if renumbered:
            turn.stale.update(unit for ref in renumbered for unit in self.network_units(ref))
            self._again([*self._speaking(renumbered)], old.fabric, turn)
        for combination in disbanded:
            self._disband(combination, turn)
        for combination in formed:
            self._form(combination, turn)
        for member in turn.coming.values():
            self._put_in(member, turn)
        for ref, extent in turn.before.items():
            self._reach(ref, extent, turn)
        for ref, number in turn.foreign:
            turn.stale.update(address_units(ref, number, self.presences[ref].extent))
        for grant in grants:
            self._tagged(grant, turn)
        for old_network, new_network in networks:
            self._renew(old_network, new_network, turn)
        for ref in {*turn.before, *turn.people, *turn.served}:
            self._serve(ref, turn)
        for combination in disbanded:
            if self.presences[combination.ref].network == combination:
                self._forget(combination.ref, combination.number)
        return turn.stale

    # --- networks ---------------------------------------------------------------------------------------------------

    def _name(self, old: Network | None, new: Network | None, fabric: Fabric, turn: Round) -> None:
        if new is None:
            return
        if old is not None and (old.traffic, old.number) != (new.traffic, new.number):
            # Its place among others may be another, and so what everybody does who is in several.
            self._again([number for number in self._numbers(new.ref) if number in self._members], fabric, turn)
        self.presences.setdefault(new.ref, Presence(new)).network = new
        self._numbered[new.number] = new.ref

    def _renew(self, old: Network | None, new: Network | None, turn: Round) -> None:
        """A network is another now; or it is gone, and its members are as well."""
        if old is None:
            return
        if new is None:
            self._forget(old.ref, old.number)
        else:
            extent = self.presences[new.ref].extent
            for segment in extent.switches:
                self._here(new.ref, segment, turn)
            if new.number != old.number:
                turn.stale.update(self.network_units(new.ref))
            elif (new.subnets, new.exit) != (old.subnets, old.exit):
                self._served_else(old, new, turn)
            if new.number != old.number and self._numbered[old.number] == old.ref:
                del self._numbered[old.number]

    def _served_else(self, old: Network, new: Network, turn: Round) -> None:
        """A network has other subnets, or another way out."""
        ref = new.ref
        turn.stale.update(self.service_units(ref))
        turn.served.add(ref)
        for partner in self.routing.partners(ref):
            for switch in self._services.get(partner, NO_SERVICES)[0]:
                turn.stale.add(Unit(Kind.PASS, partner, switch, 0))
        for combination in self._ending.get(ref, ()):
            for switch in self._services.get(ref, NO_SERVICES)[0]:
                turn.stale.add(Unit(Kind.SERVE, combination, switch, 0))
        if _has_router(old) != _has_router(new) or bool(old.subnets) != bool(new.subnets):
            for segment in self.presences[ref].extent.switches:
                turn.stale.update(self._chosen_units(ref, segment))

    def _forget(self, ref: str, number: int) -> None:
        del self.presences[ref]
        if self._numbered[number] == ref:
            del self._numbered[number]

    def _gateway(self, old: Value | None, new: Value | None, fabric: Fabric, turn: Round) -> None:
        """A network's router is on another switch, or is another one, or comes or goes."""
        was, now = (router_of(value) if isinstance(value, Gateway) else None for value in (old, new))
        turn.stale.update(self.outward.gateway(old, new))
        for value in (old, new):
            if isinstance(value, Gateway):
                turn.served.add(value.ref)
                # Others may be routed into it there as well: then it is not new there, but translates from now on.
                if value.ref in self.presences:
                    numbers = self._numbers(value.ref)
                    turn.stale.update([Unit(Kind.RESOLVE, value.ref, value.switch, number) for number in numbers])
        self._node(was, now, fabric, turn)

    def _route(self, routers: list[tuple[Router | None, Router | None]], fabric: Fabric, turn: Round) -> None:
        """Other networks are routed between, or something else may pass."""
        named = {ref for pair in routers for router in pair if router is not None for ref in router.networks}
        before = {ref: self.routing.partners(ref) for ref in named}
        changed = Routing(self.routing.routers)
        for was, now in routers:
            changed.change(was, now)
        moved = {ref for ref in named if changed.partners(ref) != before[ref] and ref in self.presences}
        numbers = {number for ref in moved for number in self._numbers(ref) if number in self._members}
        self._again([number for number in numbers if is_machine(self._members[number])], fabric, turn)
        self.routing = changed
        for ref in named & self.presences.keys():
            for switch in self._services.get(ref, NO_SERVICES)[0]:
                turn.stale.update(self._serve_units(ref, switch))

    def _serve(self, ref: str, turn: Round) -> None:
        """Members of a network have come or gone, or it is served or routed elsewhere."""
        was, now = self._services.get(ref, NO_SERVICES), self.services_at(ref)
        if was == NO_SERVICES == now:
            return
        self._services[ref] = now
        if now == NO_SERVICES:
            del self._services[ref]
        presence = self.presences.get(ref)
        people = turn.people.get(ref, set())
        everybody = {*people, *(presence.everybody() if presence is not None else ())}
        for switch in was[0] ^ now[0]:
            turn.stale.update(self._serve_units(ref, switch))
            for combination in self._ending.get(ref, ()):
                turn.stale.add(Unit(Kind.SERVE, combination, switch, 0))
        for kind, before, after in ((Kind.ANSWER, was[0], now[0]), (Kind.RESOLVE, was[1], now[1])):
            for switch in before ^ after:
                turn.stale.update([Unit(kind, ref, switch, number) for number in everybody])
            for switch in before & after:
                turn.stale.update([Unit(kind, ref, switch, number) for number in people])

    def _grant(self, old: Value | None, new: Value | None) -> Iterator[TagGrant]:
        if isinstance(old, TagGrant):
            del self._tags[old.segment, old.network]
            yield old
        if isinstance(new, TagGrant):
            self._tags[new.segment, new.network] = new.tag
            yield new

    def _tagged(self, grant: TagGrant, turn: Round) -> None:
        """A network has another tag in a segment, or none."""
        ref = self._numbered.get(grant.network)
        if ref is not None:
            presence, segment = self.presences[ref], grant.segment
            carriers = presence.extent.carriers(segment, self.topology.fabric)
            turn.stale.update([Unit(Kind.NETWORK, ref, carrier, 0) for carrier in carriers])
            self._here(ref, segment, turn)
            turn.stale.update(self._chosen_units(ref, segment))
            # Whoever is routed into it tags with it, or comes in by its gateway with it.
            turn.stale.update(self.outward.units_of(ref))
            turn.served.add(ref)
            gateway = self.outward.gateways.get(ref)
            if gateway is not None and gateway.switch in self.topology.fabric.inside.get(segment, ()):
                turn.stale.update([Unit(Kind.RESOLVE, ref, gateway.switch, n) for n in self._numbers(ref)])
            for partner in self.routing.partners(ref):
                for switch in self._services.get(partner, NO_SERVICES)[0]:
                    turn.stale.add(Unit(Kind.PASS, partner, switch, 0))

    def _here(self, ref: str, segment: str, turn: Round) -> None:
        """What its members in a segment need at their own switches is another."""
        for number in self.presences[ref].carried_for(segment):
            turn.stale.update(local_units(self._members[number]))

    def _reach(self, ref: str, was: Extent, turn: Round) -> None:
        """A network was there, and may have come to other switches or segments."""
        presence = self.presences[ref]
        now = presence.extent
        if now is not was:
            for segment in was.switches.keys() - now.switches.keys():
                self._in[segment].discard(ref)
            for segment in now.switches.keys() - was.switches.keys():
                self._in.setdefault(segment, set()).add(ref)
            turn.stale.update(reach_units(ref, presence, was, self.topology))

    # --- the fabric -------------------------------------------------------------------------------------------------

    def _paths(self, old: Topology, switches: Collection[str], turn: Round) -> None:
        new, fabric = self.topology, self.topology.fabric
        known = [name for name in switches if name in fabric.switches]
        segments = {segment for name in known if (segment := fabric.switches[name].segment) is not None}
        anew: set[str] = set()
        if fabric is not old.fabric:
            anew = redeclared(old.fabric, fabric)
            segments = {*fabric.inside} - anew
            turn.stale.update(redeclared_units(old.fabric, fabric, anew))
            if (fabric.outsides, fabric.mtu) != (old.fabric.outsides, old.fabric.mtu):
                anew_at = {*self.outward.at, *(name for names in fabric.gateways.values() for name in names)}
            else:
                anew_at = {*self.outward.at}.intersection(
                    name for segment in anew for each in (old.fabric, fabric) for name in each.inside.get(segment, ())
                )
            for name in anew_at:
                self._uplinks(name, turn)
            turn.stale.update(self.sites.units())
        for name in known:
            was, now = old.numbers(name), new.numbers(name)
            ports = {port for port, _ in was.items() ^ now.items()} if was is not now else set()
            turn.stale.update(port_units(old, new, name, ports))
            if any(uplink.port in ports for uplink in fabric.switches[name].uplinks):
                self._uplinks(name, turn)
            on = self._on.get(name, {})
            for port in ports & on.keys():
                for number in on[port]:
                    turn.stale.update(local_units(self._members[number]))
                    turn.stale.update(received_units(self._members[number], fabric.switches[name].segment or ""))
            if ports & {tunnel.port for tunnel in fabric.switches[name].tunnels}:
                turn.stale.update(self.sites.units_at(name))
        rewired = {*other_edges(old, new)}
        for segment in segments:
            if old.trunks(segment) is not new.trunks(segment):
                turn.stale.update(trunk_units(old, new, segment))
                rewired.add(segment)
        if old.core is not new.core:
            turn.stale.update(core_units(old, new))
        for segment in rewired - anew:
            self._rewire(segment, old, turn)
        if anew:
            self._take_out(anew, old.fabric, turn)

    def _uplinks(self, switch: str, turn: Round) -> None:
        """What is about the gateways on a switch is stale."""
        known = self.topology.fabric.switches.get(switch)
        for uplink in known.uplinks if known is not None else ():
            turn.stale.add(Unit(Kind.UPLINK, uplink.port, switch, 0))
        turn.stale.update(self.outward.units_at(switch))
        for ref in self.outward.at.get(switch, set()) & self.presences.keys():
            turn.stale.update([Unit(Kind.RESOLVE, ref, switch, number) for number in self._numbers(ref)])

    def _rewire(self, segment: str, old: Topology, turn: Round) -> None:
        """What is stale of networks because other trunks of a segment are live, or another edge is in charge."""
        new, fabric = self.topology, self.topology.fabric
        cut = severed(old.trunks(segment), new.trunks(segment), fabric.inside[segment])
        other_edge = old.edges_in_charge.get(segment) != new.edges_in_charge.get(segment)
        if other_edge or not cut <= fabric.leaves:
            refs = self._in.get(segment, set())
        else:
            on_leaves = (n for name in cut for n in (*self._numbers_on(name), *self._left.get(name, ())))
            refs = {ref for number in on_leaves for ref in self._joined(number)}
        for ref in refs:
            presence = self.presences[ref]
            for name in presence.extent.carriers(segment, fabric):
                where = presence, segment, name
                if name not in fabric.leaves or wire_targets(*where, old) != wire_targets(*where, new):
                    turn.stale.add(Unit(Kind.NETWORK, ref, name, 0))

    def _numbers_on(self, switch: str) -> Iterator[int]:
        """The interfaces on the ports of a switch."""
        for numbers in self._on.get(switch, {}).values():
            yield from numbers

    def _take_out(self, segments: set[str], old: Fabric, turn: Round) -> None:
        """Let all leave that are in segments which are declared otherwise now, and all members of networks that reach
        into one: they come again as if they were new."""
        names = [name for segment in segments for name in old.inside.get(segment, ())]
        numbers = {number for name in names for number in self._numbers_on(name)}
        refs = {ref for segment in segments for ref in self._in.get(segment, ())}
        for ref in refs:
            presence = self.presences[ref]
            numbers.update(presence.everybody())
            numbers.update(*presence.routers.values())
            for fabric in (old, self.topology.fabric):
                for segment in presence.extent.switches:
                    inside = fabric.inside.get(segment, ())
                    turn.stale.update([Unit(Kind.NETWORK, ref, name, 0) for name in inside])
        for ref in refs:
            for switch in self._services.get(ref, NO_SERVICES)[0]:
                turn.stale.update(self._serve_units(ref, switch))
        self._again(numbers, old, turn)
        for ref in refs:
            # What the network was before, in a fabric that is gone, says nothing.
            for segment in turn.before[ref].switches:
                self._in[segment].discard(ref)
            turn.before[ref] = NOWHERE


def _router(value: Value | None) -> Router | None:
    return value if isinstance(value, Router) else None


def _has_router(network: Network) -> bool:
    return any(subnet.gateway is not None for subnet in network.subnets)
