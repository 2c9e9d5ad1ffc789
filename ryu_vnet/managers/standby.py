"""Which gateway a network has, when one fails: the next of its gateways takes over, and tells its neighbours.

A gateway can serve a network if its switch is connected, its uplink is up, and the next routers there answer. A switch
whose connection is lost may still forward; so it is waited for a while, and a controller that has just started waits
longer for those that it has not seen yet. Nothing is done where no other gateway can.

What a gateway knows of connections stays behind. Those go on whose translation says itself what it is: floating
addresses and IPv6 in both directions, as soon as the inside sends something. Others are to be made anew. Nobody goes
back by himself when the first gateway is there again: that would cost everybody his connections once more.

Remote sites go with the tunnel of another of their gateways, in the same way, where they have several. Their other end
then hears from another address, which it has to be told beforehand.

The MAC addresses of routers and outside addresses are the same on every gateway. So whoever takes over need only let
the network outside learn which way they are: it announces them, three times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import Conflict, Invalid, NotFound, Problem, VnetError
from ..model.outside import Address, Floating, Gateway, address_mac
from ..model.sites import Site
from ..model.values import Place
from ..services.neighbours import announcement
from .communication import State
from .exits import gateways_of, outer_six, sharing
from .sites import candidates, move_site

if TYPE_CHECKING:
    from .requests import Work
    from .system import System

LOST_SECONDS = 3.0
"""How long a switch without a connection is waited for."""
START_SECONDS = 15.0
"""How long a controller waits for a switch that it has not seen since it started."""
ANNOUNCEMENTS = 3
MOST_ANNOUNCED = 256
"""Addresses of a network that are announced at most; for the others, one frame from the same MAC address does."""


@dataclass(frozen=True, slots=True)
class Move:
    """Networks, by reference, that go out by another gateway now because somebody asked for it of the first of them.
    `together` are those that went with it; none moved where it was there already."""

    network: str
    left: str
    to: str
    moved: tuple[str, ...]

    @property
    def together(self) -> tuple[str, ...]:
        """Those that nobody asked for."""
        return tuple(ref for ref in self.moved if ref != self.network)


class Standby:
    """Watches the gateways of a System Manager. Public attributes are for reading."""

    def __init__(self, system: System, clock: Callable[[], float]) -> None:
        self.switchovers = 0
        """How often a gateway was taken over from."""
        self.took_over: Counter[str] = Counter()
        """By switch: how often it has taken over from another."""
        self.failed: Counter[str] = Counter()
        """By switch: how often another has taken over from it."""
        self._system = system
        self._clock = clock
        self._since: dict[str, float] = {}
        """Since when a switch is away, of those that are."""
        self._seen: set[str] = set()
        self._to_announce: dict[str, int] = {}
        """By network: how often its addresses are still to be announced."""

    # --- who can be one ---------------------------------------------------------------------------------------------

    def why_unfit(self, name: str, outside: str) -> str | None:
        """Why a switch cannot be a gateway to an outside network now; None where it can."""
        system = self._system
        switch, manager = system.fabric.switches.get(name), system.switches.get(name)
        uplink = switch.uplink(outside) if switch is not None else None
        if uplink is None or manager is None:
            return f"it has no uplink to {outside}"
        if name in self._since and self._is_lost(name):
            return "it is not connected"
        place = Place(name, uplink.port)
        if name in system.ports and not system.topology.port_up(place):
            return f"its port {uplink.port} is down"
        if name not in self._since and system.hops.is_silent(place):
            return f"the next router does not answer on {uplink.port}"
        return None

    def why_cut_off(self, name: str, port: str) -> str | None:
        """Why a switch cannot carry remote sites by a tunnel port now; None where it can."""
        system = self._system
        if name not in system.switches:
            return "there is no such switch"
        if name in self._since and self._is_lost(name):
            return "it is not connected"
        if name in system.ports and not system.topology.port_up(Place(name, port)):
            return f"its port {port} is down"
        return None

    def _is_lost(self, name: str) -> bool:
        patience = LOST_SECONDS if name in self._seen else START_SECONDS
        return self._clock() - self._since[name] >= patience

    def _notice(self) -> None:
        """Note which switches are away."""
        now = self._clock()
        fabric = self._system.fabric
        names = {name for each in fabric.gateways.values() for name in each} | {
            place.switch for place in fabric.tunnels
        }
        for name in names:
            manager = self._system.switches.get(name)
            if manager is not None and manager.state in (State.AWAY, State.REFUSED):
                self._since.setdefault(name, now)
            else:
                self._since.pop(name, None)
                self._seen.add(name)

    # --- taking over ------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """To be called about once a second, and when ports have changed: let others take over from those that fail."""
        self._notice()
        for site, to, why in [*self._sites_due()]:
            self._carry(site, to, why)
        moves = {gateway.ref: (gateway, to) for gateway, to, _ in self._due()}
        if moves:
            failed = sorted({f"{gateway.switch} ({why})" for gateway, _, why in self._due()})
            try:
                self._system.request(lambda work: _switch_over(work, {ref: to for ref, (_, to) in moves.items()}))
            except VnetError:
                return  # An event says so already; it is tried again.
            self.switchovers += 1
            self.took_over.update({to for _, to in moves.values()})
            self.failed.update({gateway.switch for gateway, _ in moves.values()})
            self.announce(moves)
            to = ", ".join(sorted({to for _, to in moves.values()}))
            text = f"{to} takes over {len(moves)} network(s) from {', '.join(failed)}"
            self._system.note("gateway", to, text, {"networks": sorted(moves)[:MOST_ANNOUNCED]})

    def _sites_due(self) -> Iterator[tuple[Site, str, str]]:
        """The sites whose gateways fail, each with the switch that can carry it, and why."""
        fabric = self._system.fabric
        for site in self._system.model.sites() if fabric.tunnels else ():
            why = self.why_cut_off(site.switch, site.port)
            for name in candidates(site, fabric) if why is not None else ():
                tunnel = fabric.switches[name].tunnel(site.protocol)
                if name != site.switch and tunnel is not None and self.why_cut_off(name, tunnel.port) is None:
                    yield site, name, str(why)
                    break

    def _carry(self, site: Site, to: str, why: str) -> None:
        """Have another gateway carry a site. The other end must let it: frames come from another address then."""
        with suppress(VnetError):  # An event says so already; it is tried again.
            self._system.request(lambda work: move_site(work.draft, work.fabric, site.tenant, site.name, to))
            self.switchovers += 1
            text = f"{to} carries site {site.ref} in place of {site.switch} ({why})"
            self._system.note("gateway", to, text, {"site": site.ref})

    def _due(self) -> Iterator[tuple[Gateway, str, str]]:
        """The gateways that fail, each with the switch that can take over, and why."""
        system = self._system
        reasons: dict[tuple[str, str], str | None] = {}

        def unfit(name: str, outside: str) -> str | None:
            if (name, outside) not in reasons:
                reasons[name, outside] = self.why_unfit(name, outside)
            return reasons[name, outside]

        for gateway in system.model.gateways():
            why = unfit(gateway.switch, gateway.outside)
            network = system.model.network(gateway.ref) if why is not None else None
            if why is None or network is None or network.exit is None:
                continue
            for name in gateways_of(network.exit, system.fabric):
                if name != gateway.switch and unfit(name, gateway.outside) is None:
                    yield gateway, name, why
                    break

    def moved(self, move: Move) -> None:
        """Networks have been moved, as somebody asked for: tell of it, inside and outside."""
        if not move.moved:
            return
        self.announce(move.moved)
        beside = f", and with it {len(move.together)} that share its addresses" if move.together else ""
        text = f"{move.network} is moved from {move.left} to {move.to}{beside}"
        self._system.note("gateway", move.to, text, {"networks": [*move.moved[:MOST_ANNOUNCED]]})

    # --- announcing -------------------------------------------------------------------------------------------------

    def announce(self, networks: Iterable[str]) -> None:
        """Have the gateways of networks, by reference, tell the outside which way their addresses are."""
        self._to_announce.update(dict.fromkeys(networks, ANNOUNCEMENTS))

    def go_on(self) -> None:
        """To be called some ten times a second: announce what is to be announced, and is there already."""
        if not self._to_announce:
            return
        late = self._system.delivery.pending()
        for ref, left in [*self._to_announce.items()]:
            gateway = self._system.model.gateway(ref)
            if gateway is None:
                del self._to_announce[ref]
            elif gateway.switch not in late:
                self._announce(gateway)
                self._to_announce[ref] = left - 1
                if left <= 1:
                    del self._to_announce[ref]

    def _announce(self, gateway: Gateway) -> None:
        system = self._system
        switch = system.fabric.switches.get(gateway.switch)
        uplink = switch.uplink(gateway.outside) if switch is not None else None
        port = system.topology.port_number(Place(gateway.switch, uplink.port)) if uplink is not None else None
        if port is None:
            return
        for mac, address in self._addresses(gateway):
            system.delivery.emit(gateway.switch, port, announcement(mac, address))

    def _addresses(self, gateway: Gateway) -> Iterator[tuple[int, Address]]:
        model = self._system.model
        if gateway.address is not None:
            yield address_mac(gateway.address), gateway.address
        own = [value.address for value in model.let_in(gateway.ref) if isinstance(value, Floating)]
        network = model.network(gateway.ref)
        prefix = outer_six(network) if network is not None else None
        if prefix is not None:
            # Of members one is enough: all have the same MAC address outside.
            own.append(prefix[1])
        yield from ((gateway.mac, address) for address in own[:MOST_ANNOUNCED])


def _switch_over(work: Work, to: dict[str, str]) -> None:
    for ref, switch in to.items():
        gateway = work.draft.gateway(ref)
        if gateway is not None:
            work.draft.put(replace(gateway, switch=switch))


def move_gateway(
    work: Work, tenant: str, name: str, to: str, why_unfit: Callable[[str, str], str | None] = lambda *where: None
) -> Move:
    """Have a network's gateway be another one of those it may have, with all that share its addresses. `why_unfit` says
    why a switch cannot be a gateway to an outside network. Raises NotFound, Invalid, Conflict."""
    network, gateway = work.draft.network(f"{tenant}/{name}"), work.draft.gateway(f"{tenant}/{name}")
    if network is None:
        raise NotFound(f"tenant {tenant} has no network {name!r}")
    if gateway is None or network.exit is None:
        raise Conflict(f"network {network.ref} has no way out, and no gateway")
    known = gateways_of(network.exit, work.fabric)
    if to not in known:
        raise Invalid(Problem("to", f"{to!r} is no gateway of network {network.ref}", f"one of {', '.join(known)}"))
    if gateway.switch == to:
        return Move(network.ref, to, to, ())
    reason = why_unfit(to, gateway.outside)
    if reason is not None:
        raise Conflict(f"{to} cannot be a gateway to {gateway.outside} now: {reason}")
    refs = sharing(work.draft, gateway)
    _switch_over(work, dict.fromkeys(refs, to))
    return Move(network.ref, gateway.switch, to, tuple(refs))
