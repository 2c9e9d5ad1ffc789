"""What the controller answers itself to frames that switches tell of, where the data path cannot: ICMP errors of
networks' routers and of gateways, DHCP, DHCPv6, router solicitations.

Nobody's payload goes through here, and none waits for it: what is told of goes no further on its switch. A machine may
send what it likes, as often as it likes, so what a switch tells is bounded (`meters`); of that, so many answers a
second go to one machine, and so many to all. Answers are no larger than what is asked, but for what addresses take,
and go back to where the question came from.

What a told frame is, the stage says whose row told of it (`PacketIn.table`), and for which network it exists (its
cookie).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import Enum
from math import inf
from typing import TYPE_CHECKING

from ..compiler.pipeline import (
    ANSWER,
    FROM_REG,
    NETWORK_REG,
    OUTBOUND,
    ROUTE,
    TAG_REG,
    TO_FORWARD,
    UPLINK,
    From,
    switch_mac,
)
from ..compiler.rows import SetField, Subject, origin_of
from ..model.names import link_local
from ..model.outside import Address, router_mac
from ..model.state import Member
from ..model.values import Network, Place, Value
from ..openflow.replies import PacketIn
from ..services.frames import ICMPV6, Packet, ethernet, ethertype_of, read
from ..services.icmp import Trouble, error
from .advertising import Advertising
from .answering import Service, reply

if TYPE_CHECKING:
    from .system import System

MOST_OF_ONE = 5
"""Answers a second to one machine."""
MOST_OF_ALL = 200
"""Answers a second to all; as many errors beside, so that neither stands in the way of the other."""
_STAGES = frozenset(stage.table for stage in (ANSWER, ROUTE, OUTBOUND, UPLINK))
"""Those of which rows tell of frames for this."""
_DISCOVERY = range(133, 138)
"""ICMPv6 types of neighbour discovery, which `hops` hears on uplinks."""


class Refused(Enum):
    """Why a frame that was told of is not answered."""

    FORM = "form"
    """It is not put as it must be, or there is nothing to answer: errors about errors, say."""
    NOBODY = "nobody"
    """Nobody runs there who is in the network, or the network is there no more."""
    RATE = "rate"
    """So many were answered this second that it has to be asked again."""


class _Budget:
    """How much is answered in a second."""

    def __init__(self) -> None:
        self._since = -inf
        self._by: Counter[object] = Counter()
        self._all = 0

    def take(self, now: float, who: object) -> bool:
        """Whether somebody may be answered now, which counts."""
        if now - self._since >= 1.0:
            self._since, self._all = now, 0
            self._by.clear()
        if self._all >= MOST_OF_ALL or self._by[who] >= MOST_OF_ONE:
            return False
        self._all += 1
        self._by[who] += 1
        return True


class Serving:
    """Answers for a System Manager. Public attributes are for reading."""

    def __init__(self, system: System, clock: Callable[[], float]) -> None:
        """`clock` is the System Manager's."""
        self.answered: Counter[Trouble | Service] = Counter()
        self.refused: Counter[Refused] = Counter()
        self.advertising = Advertising(system, clock)
        self._system = system
        self._clock = clock
        self._refs: dict[int, str] = {}
        """Networks by number."""
        self._errors, self._answers = _Budget(), _Budget()

    def changed(self, old: Value | None, new: Value | None) -> None:
        """A value is another now, in the model that is kept."""
        if isinstance(old, Network) and self._refs.get(old.number) == old.ref:
            del self._refs[old.number]
        if isinstance(new, Network):
            self._refs[new.number] = new.ref
        self.advertising.changed(old, new)

    def tick(self) -> None:
        """To be called about once a second."""
        self.advertising.go_on()

    # --- what is told -----------------------------------------------------------------------------------------------

    def heard(self, name: str, told: PacketIn) -> None:
        """A row of a switch told of a frame; of those rows that are for this, and of others."""
        origin = origin_of(told.cookie)
        if origin is None or told.table not in _STAGES:
            return
        if told.table == UPLINK.table:
            if origin.subject is Subject.SWITCH:
                self._too_large_from_outside(name, told)
            return
        network = self._network(origin.number) if origin.subject is Subject.NETWORK else None
        if told.table == ANSWER.table:
            self._asked(name, told, network)
        elif network is None:
            self.refused[Refused.NOBODY] += 1
        else:
            self._not_forwarded(name, told, network)

    def _network(self, number: int) -> Network | None:
        ref = self._refs.get(number)
        return self._system.model.network(ref) if ref is not None else None

    # --- what members ask -------------------------------------------------------------------------------------------

    def _asked(self, name: str, told: PacketIn, known: Network | None) -> None:
        """A member asks for its addresses, or for routers. What is said on several networks at once, the first of its
        networks answers that has an answer."""
        packet, member = read(told.data), self._member(name, told.in_port)
        networks = self._networks(member, known) if member is not None else []
        if member is None or not networks:
            self.refused[Refused.NOBODY] += 1
            return
        mtu = self._system.fabric.mtu
        replies = (reply(packet, one, member.interface, mtu) for one in networks if packet is not None)
        found = next((one for one in replies if one is not None), None)
        if found is None:
            self.refused[Refused.FORM] += 1
        elif not self._answers.take(self._clock(), member.interface.number):
            self.refused[Refused.RATE] += 1
        else:
            self.answered[found.service] += 1
            self._system.delivery.emit(name, told.in_port, found.frame)

    def _member(self, name: str, number: int) -> Member | None:
        """Who runs on a port, by its OpenFlow number."""
        numbers = self._system.topology.numbers(name)
        port = next((port for port, known in numbers.items() if known == number), None)
        member = self._system.model.at(Place(name, port)) if port is not None else None
        return member if member is not None and member.node.running else None

    def _networks(self, member: Member, known: Network | None) -> list[Network]:
        """The networks of a member, or the one that is `known` to be spoken on; none where it is not in that."""
        found = (self._system.model.network(ref) for ref in member.node.networks_of(member.interface))
        return [network for network in found if network is not None and known in (None, network)]

    # --- what is not forwarded --------------------------------------------------------------------------------------

    def _not_forwarded(self, name: str, told: PacketIn, network: Network) -> None:
        """A network's router has a packet that it cannot forward. Its sender is told in the network, from where the
        packet came to the router.

        IPv4 that could be taken apart on its way is not, as no data path does that: its sender is told the size as if
        it had asked not to have it taken apart, and sends smaller ones.
        """
        packet = read(told.data)
        own = self._router(network, packet) if packet is not None else None
        gateway = self._system.model.gateway(network.ref)
        outside = self._system.fabric.outsides.get(gateway.outside) if gateway is not None else None
        # Between networks of tenants all have one MTU.
        is_out = told.table == OUTBOUND.table and outside is not None
        mtu = outside.mtu if outside is not None and is_out else self._system.fabric.mtu
        if packet is None or own is None:
            self.refused[Refused.FORM] += 1
            return
        said = self._error(_trouble(packet, mtu), packet, own, mtu)
        if said is not None:
            mac = router_mac(network.number)
            frame = ethernet(packet.from_mac, mac, ethertype_of(own), said)
            self.into(name, network.number, frame)

    def _router(self, network: Network, packet: Packet) -> Address | None:
        """The address from which a network's router answers a member."""
        subnet = next((subnet for subnet in network.subnets if packet.source in subnet), None)
        if subnet is None or subnet.gateway is not None:
            return subnet.gateway if subnet is not None else None
        return link_local(router_mac(network.number))[0] if packet.source.version == 6 else None

    def _too_large_from_outside(self, name: str, told: PacketIn) -> None:
        """A packet came by an uplink that is larger than members can take. What else is told there is not for us."""
        packet, system = read(told.data), self._system
        if packet is None or (packet.protocol == ICMPV6 and packet.body[:1] and packet.body[0] in _DISCOVERY):
            return
        switch, numbers = system.fabric.switches.get(name), system.topology.numbers(name)
        uplinks = switch.uplinks if switch is not None else ()
        uplink = next((uplink for uplink in uplinks if numbers.get(uplink.port) == told.in_port), None)
        own = uplink.address(packet.source.version) if uplink is not None else None
        trouble = Trouble.LARGE if packet.length > system.fabric.mtu else None
        if switch is None or own is None:
            self.refused[Refused.FORM] += 1
            return
        said = self._error(trouble, packet, own, system.fabric.mtu)
        if said is not None:
            frame = ethernet(packet.from_mac, switch_mac(switch.number), ethertype_of(own), said)
            system.delivery.emit(name, told.in_port, frame)

    def _error(self, trouble: Trouble | None, packet: Packet, own: Address, mtu: int) -> bytes | None:
        """What is said of a packet; None where nothing may be. Either is counted."""
        size = mtu if trouble is Trouble.LARGE else 0
        said = error(trouble, packet, own, size) if trouble is not None else None
        if said is None or trouble is None:
            self.refused[Refused.FORM] += 1
            return None
        if not self._errors.take(self._clock(), (packet.from_mac, packet.source)):
            self.refused[Refused.RATE] += 1
            return None
        self.answered[trouble] += 1
        return said

    def into(self, switch: str, number: int, frame: bytes) -> None:
        """Have a switch take a frame for one that came into a network, by its number, there."""
        declared = self._system.fabric.switches.get(switch)
        segment = declared.segment if declared is not None else None
        grant = self._system.model.grant(segment, number) if segment is not None else None
        actions = (
            SetField(NETWORK_REG.field, number),
            SetField(TAG_REG.field, grant.tag if grant is not None else 0),
            SetField(FROM_REG.field, From.ACCESS),
            TO_FORWARD,
        )
        self._system.delivery.put_in(switch, actions, frame)


def _trouble(packet: Packet, mtu: int) -> Trouble | None:
    """Why a router does not forward a packet to where `mtu` is the largest in bytes of IP."""
    if packet.ttl <= 1:
        return Trouble.SPENT
    return Trouble.LARGE if packet.length > mtu else None
