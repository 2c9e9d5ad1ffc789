"""Forgetting connections on gateways: a network's where its router leaves, and those that nothing lets in any more.

A switch that was a network's gateway still knows the network's connections. Should the router come there again, or the
zone become another network's, what is left of them would pass as known. So whenever a router leaves, that is noted, and
the note is kept on disk until the switch has forgotten: when it has acknowledged that the rows are gone and its cached
flows are too; or, where the router comes back before, ahead of the rows. A zone is nobody else's as long as there is a
note about it. A switch that is away is told when it comes.

A connection that is known is not asked again by what row it came in. So where an address or port lets nothing in any
more, or to somebody else, or is not what a network's sources become, what went by it is forgotten in the same manner,
once the rows are gone. So is what would go on by an address that no answer comes back to: of a network whose IPv6 is
known by another prefix, and of a member that goes out as it is and is given an outside address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from ..fabric.declared import Fabric
from ..model.outside import SHARED_SPACE, SHARED_ZONE, Address, Floating, Forward, Gateway, Unflushed
from ..model.state import Model
from ..model.values import Network, Value, key_of
from ..openflow.messages import Connections
from .delivery import Delivery
from .exits import outer_six
from .requests import Work

if TYPE_CHECKING:
    from .communication import CommunicationManager

IPV6 = 6
ANY_SIX = IPv6Address("::")
"""Stands for whatever a network has been known by in IPv6."""
FLUSH_AFTER_SECONDS = 2.0
"""From when a switch has acknowledged that rows are gone: flows cached there have gone on for 28 ms."""
AGAIN_SECONDS = 30.0
"""How long it takes until a switch that has not forgotten is told again."""


class Flushing:
    """What is to be forgotten on which switch, and how far that has got."""

    def __init__(self, delivery: Delivery, clock: Callable[[], float]) -> None:
        self._delivery = delivery
        self._clock = clock
        self.daemon: Callable[[str], str] = lambda switch: switch
        """Who tracks the connections of a switch: switches that have this in common know each other's, so that between
        them no router leaves anything behind."""
        self._gone: dict[Unflushed, float] = {}
        """Since when a switch is known to have no rows of a router any more."""
        self._told: dict[str, tuple[Unflushed, float]] = {}
        """What a switch was told to forget, and when, by what that was called (`_name`)."""
        self._done: set[Unflushed] = set()
        delivery.on_flushed = self._on_flushed

    def note(self, work: Work, model: Model, fabric: Fabric) -> None:
        """Note in a draft which routers leave which switches. `model` and `fabric` are as they were."""
        for key, new in [*work.draft.changes.items()]:
            old = model.get(key)
            if isinstance(old, Gateway) and not (isinstance(new, Gateway) and self._where(new) == self._where(old)):
                work.draft.put(Unflushed(old.switch, old.zone, old.network, work.allocator.revision))
            elif isinstance(old, Gateway | Floating | Forward) and _by(old) not in (None, _by(new)):
                self._note_ended(work, model, old)
            elif isinstance(old, Network) and isinstance(new, Network) and outer_six(old) not in (None, outer_six(new)):
                self._note(work, model, new.ref, ANY_SIX)
            elif isinstance(new, Floating) and old is None and _was_plain(work, new):
                # What it has sent by its own address goes on so, and answers come by the new one alone.
                self._note(work, model, new.ref, new.inside)
        if work.fabric != fabric:
            for left in work.draft.unflushed():
                was, now = fabric.switches.get(left.switch), work.fabric.switches.get(left.switch)
                if now is None or was is None or now.number != was.number:
                    # It is ours no more, or another bridge.
                    work.draft.delete(left)

    def _note_ended(self, work: Work, model: Model, value: Gateway | Floating | Forward) -> None:
        """Note what goes by a value that lets it in or out no more."""
        match value:
            case Forward():
                by = value.protocol, value.port
                self._note(work, model, value.ref, value.address, by, is_source=False)
            case Floating():
                # By an address that is not translated the member may send with or without this.
                self._note(work, model, value.ref, value.address, is_source=value.address != value.inside)
            case Gateway():
                self._note(work, model, value.ref, value.address)

    def _note(
        self,
        work: Work,
        model: Model,
        ref: str,
        address: Address | None,
        by: tuple[int, int] = (0, 0),
        *,
        is_source: bool = True,
    ) -> None:
        """Note what a network has by an address, or `by` a protocol and port of it, at its gateway, which stays."""
        gateway = model.gateway(ref)
        if gateway is not None and gateway.switch:
            where = gateway.switch, gateway.zone, gateway.network
            left = Unflushed(*where, work.allocator.revision, address, *by, is_source=is_source)
            known = work.draft.get(key_of(left))
            was_source = isinstance(known, Unflushed) and known.is_source
            work.draft.put(replace(left, is_source=is_source or was_source))

    def changed(self, changes: Iterable[tuple[Value | None, Value | None]], model: Model) -> None:
        """To be called before rows are handed out: a router that comes where it was finds nothing of then."""
        for _, new in changes:
            if isinstance(new, Gateway):
                for name in [name for name in self._delivery.switches if self.daemon(name) == self.daemon(new.switch)]:
                    left = model.get(f"unflushed/{name}/{new.zone:07d}")
                    if isinstance(left, Unflushed):
                        self._tell(left)

    def connected(self, switch: str, model: Model) -> None:
        """The same for a switch that was away when a router came back, which has not been sent its rows yet."""
        # What it was told by a connection that is gone, it may not have heard.
        self._told = {name: told for name, told in self._told.items() if told[0].switch != switch}
        noted = model.unflushed(switch)
        routers = self._routers(model) if noted else set()
        for left in noted:
            if left.address is None and self._where(left) in routers:
                self._tell(left)

    def tick(self, model: Model) -> list[str]:
        """To be called about once a second. Returns the keys of notes that are of no use any more."""
        now, noted = self._clock(), model.unflushed()
        if not noted:
            return []
        routers = self._routers(model)
        for left in noted:
            manager = self._delivery.switches.get(left.switch)
            comes_back = left.address is None and self._where(left) in routers
            if manager is None or comes_back or not _has_let_go(manager, left):
                self._gone.pop(left, None)
            elif now - self._gone.setdefault(left, now) >= FLUSH_AFTER_SECONDS and self._may_tell(left, now):
                self._tell(left)
        done = [left for left in noted if left in self._done]
        kept = {*noted}.difference(done)
        self._done.clear()
        self._gone = {left: since for left, since in self._gone.items() if left in kept}
        self._told = {name: told for name, told in self._told.items() if told[0] in kept}
        return [key_of(left) for left in done]

    def _may_tell(self, left: Unflushed, now: float) -> bool:
        told = self._told.get(_name(left))
        return told is None or now - told[1] >= AGAIN_SECONDS

    def _tell(self, left: Unflushed) -> None:
        manager = self._delivery.switches.get(left.switch)
        if manager is not None:
            self._told[_name(left)] = left, self._clock()
            self._delivery.effect(left.switch, manager.flush(_name(left), _connections(left)))

    def _on_flushed(self, name: str) -> None:
        if name in self._told:
            self._done.add(self._told[name][0])

    def _where(self, one: Gateway | Unflushed) -> tuple[str, int]:
        return self.daemon(one.switch), one.zone

    def _routers(self, model: Model) -> set[tuple[str, int]]:
        return {self._where(gateway) for gateway in model.gateways()}


def _name(left: Unflushed) -> str:
    """What a note is called while a switch forgets; a later one of the same is called otherwise."""
    return f"{key_of(left)}@{left.revision}"


def _was_plain(work: Work, value: Floating) -> bool:
    """Whether a member to which an outside address is given has gone out by its own one until then."""
    network = work.draft.network(value.ref)
    is_plain = network is not None and network.exit is not None and network.exit.prefix is None
    return is_plain and value.address.version == IPV6 and value.address != value.inside


def _by(value: Value | None) -> tuple[object, ...] | None:
    """What connections are known by that a value lets in or out; None where that is nothing."""
    match value:
        case Gateway():
            return (value.address, value.ports) if value.address is not None else None
        case Floating() | Forward():
            return value.ref, value.inside, value.inside_port if isinstance(value, Forward) else 0
    return None


def _connections(left: Unflushed) -> list[Connections]:
    """What is to be forgotten on a switch; what it has to know how to forget first."""
    stand_in, address = IPv4Address(SHARED_SPACE | left.zone), left.address
    if address is None:
        return [Connections(left.zone), Connections(SHARED_ZONE, source=stand_in)]
    if address == ANY_SIX:
        # No switch can be asked for a prefix: what the network has of IPv4 in this zone begins anew with it.
        return [Connections(left.zone)]
    if left.port:
        return [
            Connections(zone, destination=to, protocol=left.protocol, port=left.port)
            for zone, to in ((SHARED_ZONE, address), (left.zone, stand_in))
        ]
    found = [Connections(left.zone, destination=address)]
    if left.is_source:
        found.append(Connections(left.zone, answered=address))
    if left.is_source and address.version != IPV6:
        found.append(Connections(SHARED_ZONE, source=stand_in, answered=address))
    return found


def _has_let_go(manager: CommunicationManager, left: Unflushed) -> bool:
    return manager.is_answering and manager.holds(left.revision)
