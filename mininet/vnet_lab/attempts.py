"""Frames that a node might send to get into a network that it is not in, as data; and those that must arrive.

Each attempt says where its frame may be seen and where it must be. A node's only power is to send what it likes, so
the list is about headers: tags, labels, whole encapsulations, sources that are not its own, destinations that are
not its business, and frames that end too early. What a node says of addresses is in `claims`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Final

from . import frames as f
from .claims import claims
from .reference import fellows, networks_of, receivers
from .topology import Interface, Network, Topology

TAGS: Final = tuple(range(1, 9))
FEW_TAGS: Final = TAGS[:4]
UNKNOWN: Final = "02:de:ad:be:ef:01"
"""A unicast MAC that no node has."""
NO_MAC: Final = "00:00:00:00:00:00"
GROUP: Final = "01:00:5e:40:50:60"
LLDP: Final = "01:80:c2:00:00:0e"
NOBODY: Final[frozenset[str]] = frozenset()

MAGIC: Final = b"vnet"
MARKER_BYTES: Final = 12
OWN_GROUP: Final = 0x03
"""First byte of a locally administered group address."""

Forge = Callable[[bytes], bytes]
"""Makes a frame around a marker."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A frame, who sends it, and the ids of the interfaces where it may come in and where it must.

    `marker` is a run of bytes that this frame alone has, and that no tag or label added or taken off disturbs:
    MAGIC and random bytes, or for a frame without room its destination, a random group address.
    """

    name: str
    sender: Interface
    frame: bytes
    marker: bytes
    may: frozenset[str]
    must: frozenset[str]


@dataclass(frozen=True, slots=True)
class Loot:
    """What an attacker is granted to know: the labels in use, and encapsulated frames as they were on a trunk or
    core link, each as (name, frame, the marker in it)."""

    labels: tuple[int, ...] = ()
    replays: tuple[tuple[str, bytes, bytes], ...] = ()


def new_marker() -> bytes:
    """Bytes that no other frame carries."""
    return MAGIC + os.urandom(MARKER_BYTES - len(MAGIC))


def markers(frame: bytes) -> Iterator[bytes]:
    """All that could be a marker in a frame, at whatever depth."""
    yield f.layers(frame).inner[:6]
    start = frame.find(MAGIC)
    while start >= 0:
        yield frame[start : start + MARKER_BYTES]
        start = frame.find(MAGIC, start + 1)


def greeting(topology: Topology, sender: Interface) -> Attempt:
    """A broadcast which all of the sender's fellows must get: of its own ethertype, or of ARP where some network of its
    own takes some traffic only."""
    return list(_due("broadcast", topology, sender, f.BROADCAST))[-1]


def legitimate(topology: Topology, sender: Interface) -> Iterator[Attempt]:
    """What must arrive: own ethertype to all, to a group, and to each fellow; and ARP, which networks take that do not
    take this ethertype."""
    yield from _due("broadcast", topology, sender, f.BROADCAST)
    yield from _due("multicast", topology, sender, GROUP)
    for other in fellows(topology, sender):
        yield from _due(f"unicast to {other.id}", topology, sender, other.mac)


def attempts(topology: Topology, sender: Interface, loot: Loot) -> Iterator[Attempt]:
    """Every break-in that one node tries."""
    own = frozenset(other.id for other in fellows(topology, sender))
    yield from _destinations(topology, sender)
    yield from _tags(sender, own)
    yield from _labels(sender, own, loot)
    yield from _malformed(sender, own)
    for victim in victims(topology, sender):
        yield from _against(topology, sender, victim)


def victims(topology: Topology, sender: Interface) -> list[Interface]:
    """Whom a node attacks: of those in the same networks, and of those in none, the first on its own switch, in its own
    segment and elsewhere. One of its own network is among them: it must not pass for that one either."""
    segment_of = topology.segment_of
    chosen: dict[tuple[tuple[Network, ...], str], Interface] = {}
    for other in topology.interfaces:
        if other == sender:
            continue
        if other.switch == sender.switch:
            place = "switch"
        else:
            place = "segment" if segment_of[other.switch] == segment_of[sender.switch] else "elsewhere"
        chosen.setdefault((networks_of(other), place), other)
    return list(chosen.values())


def _due(name: str, topology: Topology, sender: Interface, destination: str) -> Iterator[Attempt]:
    forges = {"own ethertype": _probe(sender.mac, destination)}
    if any(network.traffic for network in sender.networks):
        own = (sender.mac, str(sender.address(4))), (NO_MAC, str(sender.address(4)))
        forges["own ARP"] = _padded(f.arp(sender.mac, destination, f.ARP_REQUEST, *own))
    for kind, forge in forges.items():
        marker = new_marker()
        frame = forge(marker)
        reach = receivers(topology, sender, frame)
        yield Attempt(f"{kind}, {name}", sender, frame, marker, reach, reach)


def _forged(name: str, sender: Interface, forge: Forge, may: Iterable[str] = ()) -> Attempt:
    marker = new_marker()
    return Attempt(name, sender, forge(marker), marker, frozenset(may), NOBODY)


def _probe(source: str, destination: str) -> Forge:
    return lambda marker: f.experiment(source, destination, marker)


def _destinations(topology: Topology, sender: Interface) -> Iterator[Attempt]:
    for name, destination in (("unknown unicast", UNKNOWN), ("to itself", sender.mac), ("to LLDP's group", LLDP)):
        probe = _probe(sender.mac, destination)
        yield _forged(name, sender, probe, receivers(topology, sender, probe(b"")))


def _tags(sender: Interface, own: frozenset[str]) -> Iterator[Attempt]:
    """A tag is the fabric's alone, unless the network lets its nodes use their own."""
    may = own if sender.tagged else NOBODY

    def under(*tags: int, tpid: int = f.VLAN) -> Forge:
        return lambda marker: f.tagged(f.experiment(sender.mac, f.BROADCAST, marker), *tags, tpid=tpid)

    for tag in (*TAGS, 4095):
        yield _forged(f"tag {tag}", sender, under(tag), may)
        yield _forged(f"service tag {tag}", sender, under(tag, tpid=f.QINQ), may)
    for outer, inner in permutations(FEW_TAGS, 2):
        yield _forged(f"tags {outer} and {inner}", sender, under(outer, inner), may)
    # A tag of VLAN 0 is a priority and no VLAN (IEEE 802.1Q, 9.6): to take it for untagged is no mistake.
    yield _forged("priority tag", sender, under(0), own)


def _labels(sender: Interface, own: frozenset[str], loot: Loot) -> Iterator[Attempt]:
    """MPLS is refused always; in a tag of its own it is a tagged frame like others."""
    may = own if sender.tagged else NOBODY

    def under(*labels: int, ethertype: int = f.MPLS) -> Forge:
        inner = _probe(sender.mac, f.BROADCAST)
        return lambda marker: f.labelled(inner(marker), sender.mac, f.BROADCAST, *labels, ethertype=ethertype)

    def in_tag(tag: int, forge: Forge) -> Forge:
        return lambda marker: f.tagged(forge(marker), tag)

    for label in loot.labels:
        yield _forged(f"label {label}", sender, under(label))
        yield _forged(f"label {label}, multicast MPLS", sender, under(label, ethertype=f.MPLS_MULTICAST))
        for tag in FEW_TAGS:
            yield _forged(f"tag {tag} over label {label}", sender, in_tag(tag, under(label)), may)
    for outer, inner in permutations(loot.labels, 2):
        yield _forged(f"labels {outer} and {inner}", sender, under(outer, inner))
    for name, frame, old in loot.replays:
        yield _forged(f"replay of {name}", sender, _replay(frame, old), may)


def _replay(frame: bytes, old: bytes) -> Forge:
    return lambda marker: frame.replace(old, marker)


def _malformed(sender: Interface, own: frozenset[str]) -> Iterator[Attempt]:
    """Frames that end too early or lie about their length. The sender's own network may get them, being its own."""

    def cut(ethertype: int, head: str) -> Forge:
        return lambda marker: f.ethernet(sender.mac, f.BROADCAST, ethertype, bytes.fromhex(head) + marker)

    # The marker ends each frame. An ARP packet has 28 bytes, an IPv4 header 20 and an IPv6 header 40: all of these
    # end before.
    for name, ethertype, head in (
        ("ARP cut off", f.ARP_TYPE, "0001080006040002"),
        ("ARP of other address lengths", f.ARP_TYPE, "0001080010100002"),
        ("IPv4 cut off", f.IPV4, "45000054"),
        ("IPv4 longer than the frame", f.IPV4, "4f000054000040004001"),
        ("IPv4 of version 6", f.IPV4, "65000054000040004001"),
        ("IPv6 cut off", f.IPV6, "6000000000203aff"),
        ("IPv6 of version 4", f.IPV6, "4000000000203aff"),
    ):
        yield _forged(name, sender, cut(ethertype, head), own)
    # A tag without the two bytes of its own is not among these: no Linux kernel delivers it to a switch.
    for name, ethertype in (("ARP", f.ARP_TYPE), ("IPv4", f.IPV4), ("IPv6", f.IPV6), ("MPLS", f.MPLS)):
        marker = bytes([OWN_GROUP]) + os.urandom(5)
        may = NOBODY if ethertype == f.MPLS else own
        frame = f.ethernet(sender.mac, f.mac_text(marker), ethertype, b"")
        yield Attempt(f"{name} header and no more", sender, frame, marker, may, NOBODY)


def _against(topology: Topology, sender: Interface, victim: Interface) -> Iterator[Attempt]:
    """Attempts that use what a victim is called. An address that is the sender's own as well is no forgery, and one
    that the sender is not known to have cannot be told from one that it has."""
    probe = _probe(sender.mac, victim.mac)
    yield _forged(f"to the MAC of {victim.id}", sender, probe, receivers(topology, sender, probe(b"")))
    for name, to in (("all", f.BROADCAST), ("it", victim.mac)):
        if victim.mac != sender.mac:
            yield _forged(f"from the MAC of {victim.id} to {name}", sender, _probe(victim.mac, to))
        for family in (4, 6):
            own, other = sender.address(family), victim.address(family)
            if own is None or other is None or own == other:
                continue
            packet = _packet(sender, to, family, victim)
            yield _forged(f"from the IPv{family} address of {victim.id} to {name}", sender, packet)
            for claim, frame in claims(sender, victim, family, to):
                yield _forged(f"{claim} {victim.id} to {name}", sender, _padded(frame))


def _packet(sender: Interface, to: str, family: int, victim: Interface) -> Forge:
    """From the victim's address; to the sender's own, which is as good as any."""
    own, other = sender.address(family), victim.address(family)
    if own is None or other is None:
        raise ValueError(f"{sender.id} and {victim.id} need IPv{family} addresses")
    return lambda marker: f.echo_reply(sender.mac, to, other, own, marker)


def _padded(frame: bytes) -> Forge:
    """The marker stands behind the packet, where a short frame has padding."""
    return lambda marker: frame + marker
