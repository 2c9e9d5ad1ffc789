"""Where the next routers of outside networks are: gateways ask for them on their uplinks, once a second.

What one says is kept on disk, so that neither a restart of the controller nor a router that is silent for a while
changes a row. One that has not answered for some seconds makes its gateway unfit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

from ..compiler.fields import GROUP_BIT
from ..compiler.pipeline import switch_mac
from ..compiler.rows import Subject, origin_of
from ..errors import VnetError
from ..fabric.declared import Switch, Uplink
from ..model.names import format_mac
from ..model.outside import Address, NextHop
from ..model.values import Place
from ..openflow.replies import PacketIn
from ..services.neighbours import question, said_in

if TYPE_CHECKING:
    from .requests import Work
    from .system import System

SILENT_SECONDS = 3.5
"""A next router that has not answered for so long, though it is asked every second, is not there."""


class Hops:
    """The next routers of a System Manager's gateways. Public attributes are for reading."""

    def __init__(self, system: System, clock: Callable[[], float], soon: Callable[[Callable[[], None]], None]) -> None:
        """`clock` and `soon` are the System Manager's."""
        self._system = system
        self._clock = clock
        self._soon = soon
        self._heard: dict[tuple[Place, Address], float] = {}
        """When each was heard last."""
        self._asked: dict[tuple[Place, Address], float] = {}
        """Since when each has been asked for."""
        self._noted: dict[tuple[Place, Address], int] = {}
        """MAC addresses that are being written down."""

    def ask(self) -> None:
        """To be called about once a second: ask for every next router on every uplink that is up."""
        now, known = self._clock(), {*self._asked}
        for switch, uplink, hop in self._all():
            place, own = Place(switch.name, uplink.port), uplink.address(hop.version)
            port, manager = self._system.topology.port_number(place), self._system.switches.get(switch.name)
            if own is None or port is None or manager is None or not manager.in_step:
                continue
            if not self._system.topology.port_up(place):
                continue
            self._asked.setdefault((place, hop), now)
            known.discard((place, hop))
            self._system.delivery.emit(switch.name, port, question(switch_mac(switch.number), own, hop))
        for gone in known:
            self._asked.pop(gone, None)
            self._heard.pop(gone, None)

    def _all(self) -> Iterator[tuple[Switch, Uplink, Address]]:
        fabric = self._system.fabric
        for names in fabric.gateways.values():
            for name in names:
                for uplink in fabric.switches[name].uplinks:
                    outside = fabric.outsides.get(uplink.outside)
                    for hop in outside.next_hops if outside is not None else ():
                        yield fabric.switches[name], uplink, hop

    def heard(self, name: str, told: PacketIn) -> None:
        """A row of a switch has told of a frame: perhaps of what a next router says of itself."""
        origin, switch = origin_of(told.cookie), self._system.fabric.switches.get(name)
        if origin is None or origin.subject is not Subject.SWITCH or switch is None or not switch.uplinks:
            return
        numbers = self._system.topology.numbers(name)
        uplink = next((uplink for uplink in switch.uplinks if numbers.get(uplink.port) == told.in_port), None)
        said = said_in(told.data) if uplink is not None else None
        if uplink is None or said is None or not said.mac or said.mac & GROUP_BIT:
            return
        outside = self._system.fabric.outsides.get(uplink.outside)
        if outside is None or said.address not in outside.next_hops:
            return
        where = Place(name, uplink.port), said.address
        self._heard[where] = self._clock()
        known = self._system.model.get(f"nexthop/{name}/{uplink.port}/{said.address}")
        is_known = isinstance(known, NextHop) and known.mac == said.mac
        if not is_known and self._noted.get(where) != said.mac:
            self._noted[where] = said.mac
            self._soon(lambda: self._keep(NextHop(name, uplink.port, said.address, said.mac)))

    def _keep(self, hop: NextHop) -> None:
        def put(work: Work) -> None:
            work.draft.put(hop)

        place = Place(hop.switch, hop.port)
        self._noted.pop((place, hop.address), None)
        with suppress(VnetError):  # An event says so already; it is asked again.
            if self._system.request(put).changed:
                text = f"next router {hop.address} is {format_mac(hop.mac)} on {place}"
                self._system.note("gateway", hop.switch, text, {"port": str(place), "address": str(hop.address)})

    def answers(self, place: Place, hop: Address) -> bool | None:
        """Whether a next router on an uplink has answered lately; None while it was not asked for long enough."""
        now, since = self._clock(), self._asked.get((place, hop))
        if since is None:
            return None
        if now - self._heard.get((place, hop), -inf) <= SILENT_SECONDS:
            return True
        return None if now - since <= SILENT_SECONDS else False

    def is_silent(self, place: Place) -> bool:
        """Whether a next router on an uplink does not answer, though it has been asked for long enough."""
        now = self._clock()
        for (at, hop), since in self._asked.items():
            if at == place and now - max(self._heard.get((at, hop), -inf), since) > SILENT_SECONDS:
                return True
        return False
