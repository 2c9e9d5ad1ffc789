"""Who is in which networks, kept up to date: what becomes stale when an interface comes or leaves, or when networks
are combined that somebody is in at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from ..fabric.declared import Fabric
from ..fabric.observed import Topology
from ..model.state import Member
from ..model.values import Combination, Network, Node, Place, Value, combination_ref
from .facts import Facts, address_units, choice_units, local_units, pick_units, shadows
from .interface import is_beside
from .outward import is_machine, is_router
from .presence import Audience, Extent, Presence, home_of, is_native
from .traffic import combinations
from .units import Kind, Unit


@dataclass(slots=True)
class Round:
    """One update under way."""

    stale: set[Unit] = field(default_factory=set)
    before: dict[str, Extent] = field(default_factory=dict)
    """Where networks and combinations were, by reference, whose members come or go."""
    coming: dict[int, Member] = field(default_factory=dict)
    """Interfaces that are put in at the end, when all that leave are gone."""
    people: dict[str, set[int]] = field(default_factory=dict)
    """By network: the members that come or go."""
    served: set[str] = field(default_factory=set)
    """The networks that may be served or routed elsewhere."""
    foreign: list[tuple[str, int]] = field(default_factory=list)
    """Of those that came: network and number of each whose MAC does not tell where it is."""


class Role(NamedTuple):
    """What an interface does that is in several networks, or in one that is for some traffic only."""

    chooses: str
    """The reference of these networks together."""
    speaks: tuple[str, ...]
    """The combinations in which it says what is for everybody."""


class Membership(Facts):
    """The facts about members. They change by the methods here, called from `Compilation.update`."""

    def __init__(self, topology: Topology) -> None:
        super().__init__(topology)
        self._numbered: dict[int, str] = {}
        """Networks and combinations by number."""
        self._left: dict[str, set[int]] = {}
        """By switch: the interfaces that have just moved away from there."""
        self._roles: dict[int, Role] = {}
        """By interface, of those that have one."""
        self._ending: dict[str, set[str]] = {}
        """By network: the combinations of which it is the last."""
        self._combined: dict[str, set[str]] = {}
        """By network: the combinations that it is in."""
        self._having: dict[int, set[str]] = {}
        """By MAC address: the networks, of those that are in combinations, in which somebody has it."""

    # --- nodes ------------------------------------------------------------------------------------------------------

    def _node(self, old: Value | None, new: Value | None, fabric: Fabric, turn: Round) -> None:
        """Let the interfaces of a node leave that are another now, and those come that are to come instead."""
        were = {member.interface.number: member for member in _present(old)}
        for now in _present(new):
            number = now.interface.number
            was = were.get(number)
            is_same = was is not None and was.interface == now.interface
            if was is not None and is_same and was.node.running != now.node.running:
                # Who does not run does not move.
                is_same = now.interface.target is None and now.interface.left is None
                turn.stale.update(local_units(now))
            if is_same:
                del were[number]
                (self._members if number in self._members else turn.coming)[number] = now
            else:
                turn.coming[number] = now
        for number, was in were.items():
            if number in self._members:
                self._leave(number, fabric, turn)
            elif turn.coming.get(number) == was:
                del turn.coming[number]

    def _again(self, numbers: Iterable[int], fabric: Fabric, turn: Round) -> None:
        """Let members leave, and come again as if they were new."""
        for number in sorted(numbers):
            turn.coming[number] = self._members[number]
            self._leave(number, fabric, turn)

    def _leave(self, number: int, fabric: Fabric, turn: Round) -> None:
        member = self._members.pop(number)
        home, place = home_of(member, fabric), member.interface.place
        if home is None or place is None:
            return
        self._unplug(place, number)
        turn.stale.update(local_units(member))
        self._leave_shadows(member, fabric, turn)
        segment, mac = str(home.segment), member.interface.mac
        if is_router(member):
            self._put_router(member, home.name, segment, turn, add=False)
            return
        for ref in member.node.networks_of(member.interface):
            presence = self._touch(ref, turn)
            turn.stale.add(Unit(Kind.ADDRESS, ref, segment, number))
            turn.people.setdefault(ref, set()).add(number)
            if not is_native(mac, segment, fabric):
                turn.stale.update(address_units(ref, number, turn.before[ref]))
            known = presence.chunks(home.name)
            self._chunks(ref, home.name, known, presence.remove(member, home, fabric), turn)
            for combination in self._heard_in(ref, number, home.name):
                audience = self._touch(combination, turn)
                turn.stale.add(Unit(Kind.PICK, combination, "", number))
                known = audience.chunks(home.name)
                self._chunks(combination, home.name, known, audience.remove(member, home, fabric), turn)
            if ref in self._macs:
                del self._macs[ref][mac]
                self._forget_mac(mac, ref)
                self._same_mac(ref, mac, turn)
        self._visit(member, home.name, segment, -1, turn)
        role = self._roles.pop(number, None)
        if role is not None:
            self._drop_role(number, role, home.name, segment, turn)

    def _put_in(self, member: Member, turn: Round) -> None:
        fabric = self.topology.fabric
        home, place, number = home_of(member, fabric), member.interface.place, member.interface.number
        if home is None or place is None:
            return
        self._members[number] = member
        self._plug(place, number)
        turn.stale.update(local_units(member))
        segment, mac = str(home.segment), member.interface.mac
        if is_router(member):
            self._put_router(member, home.name, segment, turn, add=True)
            return
        refs = member.node.networks_of(member.interface)
        for ref in refs:
            presence = self._touch(ref, turn)
            turn.stale.add(Unit(Kind.ADDRESS, ref, segment, number))
            turn.people.setdefault(ref, set()).add(number)
            if not is_native(mac, segment, fabric):
                turn.foreign.append((ref, number))
            known = presence.chunks(home.name)
            self._chunks(ref, home.name, known, presence.add(member, home, fabric), turn)
            for combination in self._ending.get(ref, ()):
                self._hear(combination, member, turn)
            if ref in self._macs:
                self._macs[ref][mac] = number
                self._having.setdefault(mac, set()).add(ref)
                self._same_mac(ref, mac, turn)
        self._visit(member, home.name, segment, 1, turn)
        role = self._role(member)
        if role is not None:
            self._roles[number] = role
            self._take_role(number, role, home.name, segment, turn)
        self._cast_shadows(member, turn)

    def _put_router(self, member: Member, switch: str, segment: str, turn: Round, *, add: bool) -> None:
        """A network's router is on a switch, or no more. Everybody can send to it, and it hears nothing that is for
        everybody: what of that is for a router, the switches answer where it is asked."""
        number = member.interface.number
        for ref in member.node.networks_of(member.interface):
            presence = self._touch(ref, turn)
            turn.stale.add(Unit(Kind.ADDRESS, ref, segment, number))
            if add:
                presence.carry(number, switch, segment)
                presence.routers.setdefault(segment, set()).add(number)
                turn.foreign.append((ref, number))
            else:
                turn.stale.update(address_units(ref, number, turn.before[ref]))
                presence.drop(number, switch, segment)
                del presence.routers[segment]

    def _visit(self, member: Member, switch: str, segment: str, by: int, turn: Round) -> None:
        """Have the networks that a member's are routed to carried to where it is, or no more."""
        if not is_machine(member):
            return
        for ref in member.node.networks_of(member.interface):
            for partner in self._partners_there(ref):
                self._touch(partner, turn).visit(switch, segment, by)

    def _partners_there(self, ref: str) -> Iterator[str]:
        return (partner for partner in self.routing.partners(ref) if partner in self.presences)

    def _plug(self, place: Place, number: int) -> None:
        self._on.setdefault(place.switch, {}).setdefault(place.port, set()).add(number)

    def _unplug(self, place: Place, number: int) -> None:
        on = self._on[place.switch]
        on[place.port].discard(number)
        if not on[place.port]:
            del on[place.port]

    def _take_role(self, number: int, role: Role, switch: str, segment: str, turn: Round) -> None:
        """Let an interface choose among its networks on a switch."""
        choosers = self._choosers.setdefault(role.chooses, {})
        if switch not in choosers:
            turn.stale.add(Unit(Kind.CLASS, role.chooses, switch, 0))
        choosers.setdefault(switch, set()).add(number)
        for combination in role.speaks:
            audience = self._touch_audience(combination, turn)
            if audience.carry(number, switch, segment):
                self._spoken(combination, switch, audience, turn)

    def _drop_role(self, number: int, role: Role, switch: str, segment: str, turn: Round) -> None:
        """The reverse of `_take_role`."""
        choosers = self._choosers[role.chooses]
        choosers[switch].discard(number)
        if not choosers[switch]:
            del choosers[switch]
            turn.stale.add(Unit(Kind.CLASS, role.chooses, switch, 0))
        for combination in role.speaks:
            audience = self._touch_audience(combination, turn)
            if audience.drop(number, switch, segment):
                self._spoken(combination, switch, audience, turn)

    # --- moves ------------------------------------------------------------------------------------------------------

    def _cast_shadows(self, member: Member, turn: Round) -> None:
        """Have its networks carried to where an interface will be, or was; and let it choose among them where it will
        be, as it does where it is."""
        number = member.interface.number
        for place, segment in shadows(member, self.topology.fabric):
            for ref in member.node.networks_of(member.interface):
                self._touch(ref, turn).carry(number, place.switch, segment)
                for partner in self._partners_there(ref):
                    self._touch(partner, turn).visit(place.switch, segment, 1)
                turn.stale.add(Unit(Kind.SHADOW, ref, "", number))
            if place == member.interface.left:
                self._left.setdefault(place.switch, set()).add(number)
            if place == member.interface.target:
                self._plug(place, number)
                if number in self._roles and not is_beside(member.interface):
                    self._take_role(number, self._roles[number], place.switch, segment, turn)

    def _leave_shadows(self, member: Member, fabric: Fabric, turn: Round) -> None:
        """The reverse of `_cast_shadows`."""
        number = member.interface.number
        for place, segment in shadows(member, fabric):
            for ref in member.node.networks_of(member.interface):
                self._touch(ref, turn).drop(number, place.switch, segment)
                for partner in self._partners_there(ref):
                    self._touch(partner, turn).visit(place.switch, segment, -1)
                turn.stale.add(Unit(Kind.SHADOW, ref, "", number))
            if place == member.interface.left:
                self._left[place.switch].discard(number)
            if place == member.interface.target:
                self._unplug(place, number)
                if number in self._roles and not is_beside(member.interface):
                    self._drop_role(number, self._roles[number], place.switch, segment, turn)

    # --- what both have in common -----------------------------------------------------------------------------------

    def _role(self, member: Member) -> Role | None:
        networks = self.networks_of(member)
        if not networks or (len(networks) == 1 and not networks[0].traffic):
            return None
        found = (*combinations(networks), networks)
        refs = [combination_ref(member.node.tenant, (network.name for network in some)) for some in found]
        return Role(refs[-1], tuple(refs[:-1]))

    def _touch(self, ref: str, turn: Round) -> Presence:
        """Remember where a network or combination was, before its members come or go."""
        presence = self.presences[ref]
        if ref not in turn.before:
            turn.before[ref] = presence.extent
        return presence

    def _touch_audience(self, ref: str, turn: Round) -> Audience:
        audience = self._touch(ref, turn)
        if not isinstance(audience, Audience):
            raise ValueError(f"{ref} is no combination of networks")
        return audience

    def _chunks(self, ref: str, switch: str, known: int, changed: set[int], turn: Round) -> None:
        """These chunks have changed on a switch that had `known` ones."""
        turn.stale.update([Unit(Kind.CHUNK, ref, switch, chunk) for chunk in changed])
        if len(changed) > 1 or self.presences[ref].chunks(switch) != known:
            turn.stale.add(Unit(Kind.NETWORK, ref, switch, 0))

    # --- combinations -----------------------------------------------------------------------------------------------

    def _heard_in(self, network: str, number: int, switch: str) -> list[str]:
        """The combinations ending in a network in which an interface on a switch hears."""
        found = self._ending.get(network, ())
        return [ref for ref in found if self.presences[ref].has(number, switch)]

    def _hear(self, ref: str, member: Member, turn: Round) -> None:
        """Let a member of its last network hear a combination, unless it is in one of the former."""
        home = home_of(member, self.topology.fabric)
        *former, _ = self._refs(ref)
        if home is None or not set(former).isdisjoint(member.node.networks_of(member.interface)):
            return
        audience = self._touch(ref, turn)
        turn.stale.add(Unit(Kind.PICK, ref, "", member.interface.number))
        known = audience.chunks(home.name)
        self._chunks(ref, home.name, known, audience.add(member, home, self.topology.fabric), turn)

    def _spoken(self, ref: str, switch: str, audience: Audience, turn: Round) -> None:
        """A combination is spoken on a switch where it was not, or no more."""
        turn.stale.update([Unit(Kind.CHOICE, ref, switch, 0), Unit(Kind.SERVE, ref, switch, 0)])
        turn.stale.update(pick_units(ref, audience))

    def _same_mac(self, network: str, mac: int, turn: Round) -> None:
        """A MAC address has come into a network, or left it: in combinations where the network comes first, it hides
        who has it in the last."""
        # From those who have it, as they are few: a network may be in a thousand combinations, each with another last.
        mine = self._combined.get(network, set())
        for last in self._having.get(mac, ()):
            number = self._macs[last][mac]
            turn.stale.update([Unit(Kind.PICK, ref, "", number) for ref in self._ending.get(last, set()) & mine])

    def _forget_mac(self, mac: int, network: str) -> None:
        having = self._having[mac]
        having.discard(network)
        if not having:
            del self._having[mac]

    def _refs(self, ref: str) -> list[str]:
        """The references of the networks of a combination, in its order."""
        tenant, _, names = ref.partition("/")
        return [f"{tenant}/{name}" for name in names.split("+")]

    def _form(self, combination: Combination, turn: Round) -> None:
        """Somebody is going to be in these networks at once."""
        ref = combination.ref
        self.presences[ref] = Audience(combination)
        self._numbered[combination.number] = ref
        self._ending.setdefault(combination.last, set()).add(ref)
        for network in self._refs(ref):
            self._combined.setdefault(network, set()).add(ref)
            if network not in self._macs:
                there = (self._members[number] for number in self._numbers(network))
                self._macs[network] = {member.interface.mac: member.interface.number for member in there}
                for mac in self._macs[network]:
                    self._having.setdefault(mac, set()).add(network)
        for number in [*self._numbers(combination.last)]:
            self._hear(ref, self._members[number], turn)

    def _disband(self, combination: Combination, turn: Round) -> None:
        """Nobody is in these networks at once any more."""
        ref, fabric = combination.ref, self.topology.fabric
        audience = self._touch_audience(ref, turn)
        turn.stale.update(self.network_units(ref))
        for number in [*self._numbers(ref)]:
            member = self._members[number]
            home = home_of(member, fabric)
            if home is not None:
                audience.remove(member, home, fabric)
        self._ending[combination.last].discard(ref)
        for network in self._refs(ref):
            self._combined[network].discard(ref)
            if not self._combined[network]:
                for mac in self._macs.pop(network):
                    self._forget_mac(mac, network)
                del self._combined[network]

    def _numbers(self, ref: str) -> Iterator[int]:
        """The interfaces in a network, or that hear a combination."""
        yield from self.presences[ref].everybody()

    def _speaking(self, refs: Set[str]) -> Iterator[int]:
        """The interfaces that choose among just the networks of one of these combinations, or speak in it."""
        for number, role in self._roles.items():
            if role.chooses in refs or not refs.isdisjoint(role.speaks):
                yield number

    def _chosen_units(self, ref: str, segment: str) -> Iterator[Unit]:
        """What names the tag of a network or combination, in a segment, at those who choose among several."""
        if not (ref in self._combined or ref in self._choosers or isinstance(self.presences[ref], Audience)):
            return
        switches = {*self.topology.fabric.inside.get(segment, ())}
        for each in {ref, *self._combined.get(ref, ())}:
            for switch in switches & self._choosers.get(each, {}).keys():
                yield Unit(Kind.CLASS, each, switch, 0)
            audience = self.presences[each]
            if isinstance(audience, Audience) and not switches.isdisjoint(audience.speakers):
                yield from choice_units(each, audience)

    def _joined(self, number: int) -> Iterator[str]:
        """All networks that an interface is in, and all combinations that it hears or speaks in."""
        member = self._members[number]
        switch = member.interface.place.switch if member.interface.place is not None else ""
        for ref in member.node.networks_of(member.interface):
            yield ref
            yield from self._heard_in(ref, number, switch)
        if number in self._roles:
            yield from self._roles[number].speaks


def _present(value: Value | None) -> list[Member]:
    """The interfaces of a node that runs or is prepared."""
    if not isinstance(value, Node) or not value.present:
        return []
    return [Member(value, interface) for interface in value.interfaces]


def network_in(value: Value | None) -> Network | None:
    """The value, if it is a network."""
    return value if isinstance(value, Network) else None
