"""Units of the compiler as the bytes that switches are sent; those of interfaces and networks by stamps, which are
most."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

from ..compiler.facts import Facts
from ..compiler.fields import VLAN_PRESENT
from ..compiler.interface import Local, Speaks, address_row, local_rows
from ..compiler.network import (
    Carried,
    FanOut,
    fanout_group,
    fanout_groups,
    network_rows,
    place_row,
    wire_fanouts,
    wire_groups,
)
from ..compiler.pipeline import Toward, adjacency
from ..compiler.rows import Group, MeterBand, Row
from ..compiler.units import Kind, Unit
from ..model.names import Prefix, link_local, link_local_bytes, placed_mac
from ..model.values import Interface
from ..openflow.meters import MeterKey, encode_meter
from ..openflow.rows import encode_group, encode_row
from ..openflow.stamp import Buckets, Encoded, Stamp, learn, learn_buckets
from .difference import Key

Rows: TypeAlias = dict[Key, bytes]
"""Rows, groups and meters of one unit on one switch."""

_SHAPES = 1000
"""Stamps kept at most: interfaces with other numbers of addresses and other prefix lengths need one each."""
_SAMPLES = 4


class Encoder:
    """Makes units into bytes. Keeps what it has learned."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._stamps: dict[object, Stamp | None] = {}
        self._address_stamp = _learn_address_stamp()
        self._place_stamp = _learn_place_stamp()
        self._buckets = _learn_buckets()

    def encode(self, unit: Unit) -> dict[str, Rows]:
        """The rows and groups of a unit as they are now, by switch.

        Raises ValueError where a unit has two rows for one key, WireError where something does not fit OpenFlow.
        """
        kind, facts = unit.kind, self._facts
        if kind in (Kind.LOCAL, Kind.ARRIVAL):
            local = facts.local(unit)
            return {local.switch: self._local(local)} if local is not None else {}
        if kind is Kind.ADDRESS:
            return {
                switch: self._address(interface, network, toward, meter)
                for switch, interface, network, toward, meter in facts.addresses(unit)
            }
        if kind is Kind.NETWORK:
            here = facts.carried(unit)
            return {unit.at: self._network(here)} if here is not None else {}
        if kind is Kind.CHUNK:
            fanout = facts.chunk(unit)
            return {unit.at: {fanout.group: self._fanout(fanout)}} if fanout is not None else {}
        found: dict[str, list[tuple[Key, bytes]]] = {}
        for switch, part in facts.parts(unit):
            found.setdefault(switch, []).append(_encode(part))
        # Meters last: see `Programme`.
        return {switch: _by_key(sorted(pairs, key=_is_meter)) for switch, pairs in found.items()}

    def _local(self, local: Local) -> Rows:
        if local.interface.site_number:
            return _by_key(_encode_local(local))
        ips = local.interface.sources
        lengths = tuple([(prefix.version, prefix.prefixlen) for prefix in ips])
        has_own = (6, 128) in lengths and link_local(local.interface.mac) in ips
        with_what = local.is_served, local.meter is not None
        shape = local.tagged, local.speaks, lengths, has_own, local.is_arrival, local.is_beside, *with_what
        if shape not in self._stamps and len(self._stamps) < _SHAPES:
            self._stamps[shape] = _learn_local_stamp(local)
        stamp = self._stamps.get(shape)
        rows = _by_key(_encode_local(local)) if stamp is None else _stamped(stamp, _local_slots(local))
        return _with_meter(rows, local.meter)

    def _address(self, interface: Interface, network: int, toward: int, meter: MeterBand | None) -> Rows:
        if self._address_stamp is None or meter is not None:
            row = encode_row(address_row(interface, network, toward, meter))
            return _with_meter(_by_key([row]), meter)
        return _stamped(self._address_stamp, _address_slots(interface, network, toward))

    def _network(self, here: Carried) -> Rows:
        # The first group of wires has the network's number, other groups have not.
        groups = wire_groups(here), len(here.chunks)
        shape = here.comes_tagged, here.comes_labelled, groups, here.elsewhere > 0, here.is_leaf
        if shape not in self._stamps and len(self._stamps) < _SHAPES:
            self._stamps[shape] = _learn_network_stamp(here)
        stamp = self._stamps.get(shape)
        rows = _by_key(_encode_network(here)) if stamp is None else _stamped(stamp, _network_slots(here))
        for place in here.places:
            rows.update(self._place(here.number, *place))
        for fanout in wire_fanouts(here):
            rows[fanout.group] = self._fanout(fanout)
        return rows

    def _place(self, network: int, prefix: int, toward: int) -> Rows:
        if self._place_stamp is None:
            return _by_key([encode_row(place_row(network, prefix, toward))])
        return _stamped(self._place_stamp, _place_slots(network, prefix, toward))

    def _fanout(self, fanout: FanOut) -> bytes:
        if self._buckets is None:
            return encode_group(fanout_group(fanout))
        return self._buckets([toward.to_bytes(4, "big") for toward in fanout.targets])


def _encode(part: Row | Group | MeterBand) -> tuple[Key, bytes]:
    if isinstance(part, Row):
        return encode_row(part)
    if isinstance(part, Group):
        return part.number, encode_group(part)
    return MeterKey(part.number), encode_meter(part)


def _is_meter(pair: tuple[Key, bytes]) -> bool:
    return isinstance(pair[0], MeterKey)


def _with_meter(rows: Rows, meter: MeterBand | None) -> Rows:
    """Rows, and the meter that one of them names, if any."""
    if meter is not None:
        rows[MeterKey(meter.number)] = encode_meter(meter)
    return rows


def _stamped(stamp: Stamp, slots: list[bytes]) -> Rows:
    keys, values = stamp(slots)
    rows: Rows = dict(zip(keys, values, strict=True))
    return rows if len(rows) == len(keys) else _by_key(zip(keys, values, strict=True))


def _by_key(pairs: Iterable[tuple[Key, bytes]]) -> Rows:
    rows: Rows = {}
    for key, value in pairs:
        if rows.setdefault(key, value) != value:
            raise ValueError(f"two rows for one key: {key!r} has {rows[key].hex()} and {value.hex()}")
    return rows


def _encode_local(local: Local) -> Encoded:
    return [encode_row(row) for row in local_rows(local)]


def _encode_network(here: Carried) -> Encoded:
    return [encode_row(row) for row in network_rows(here)]


# --- the numbers that rows differ in ----------------------------------------------------------------------------------


def _local_slots(local: Local) -> list[bytes]:
    interface = local.interface
    mac, number = interface.mac, interface.number
    return [
        mac.to_bytes(6, "big"),
        local.port.to_bytes(4, "big"),
        local.meter.number.to_bytes(4, "big") if local.meter is not None else b"",
        number.to_bytes(4, "big"),
        adjacency(Toward.INTERFACE, number).to_bytes(4, "big"),
        local.number.to_bytes(4, "big") if local.speaks is not Speaks.NOWHERE else b"",
        local.tag.to_bytes(4, "big") if local.speaks is Speaks.ON_ONE else b"",
        link_local_bytes(mac),
        *[prefix.network_address.packed for prefix in interface.sources],
    ]


def _address_slots(interface: Interface, network: int, toward: int) -> list[bytes]:
    return [
        interface.mac.to_bytes(6, "big"),
        interface.number.to_bytes(4, "big"),
        network.to_bytes(4, "big"),
        toward.to_bytes(4, "big"),
    ]


def _network_slots(here: Carried) -> list[bytes]:
    return [
        here.number.to_bytes(4, "big"),
        here.tag.to_bytes(4, "big"),
        (VLAN_PRESENT | here.tag).to_bytes(2, "big"),
        here.elsewhere.to_bytes(4, "big"),
        *[group.to_bytes(4, "big") for group in fanout_groups(here)],
    ]


def _place_slots(network: int, prefix: int, toward: int) -> list[bytes]:
    return [network.to_bytes(4, "big"), prefix.to_bytes(6, "big"), toward.to_bytes(4, "big")]


# --- samples: with numbers that occur nowhere else --------------------------------------------------------------------


def _learn_local_stamp(local: Local) -> Stamp | None:
    """A stamp for all interfaces that differ from this one in numbers only, or None where there is none."""
    chance = random.Random(0)
    samples = [_local_sample(local, chance) for _ in range(_SAMPLES)]
    slots = [_local_slots(sample) for sample in samples]
    # A slot that is the same in all samples is none: a prefix of no length, the link-local address of nobody.
    fixed = [index for index, numbers in enumerate(zip(*slots, strict=True)) if len({*numbers}) == 1]
    if any(slots[0][index] and any(slots[0][index]) for index in fixed):
        return None
    return learn(slots, [_encode_local(sample) for sample in samples])


def _local_sample(local: Local, chance: random.Random) -> Local:
    mac = chance.randrange(1 << 40) | 0x0200_0000_0000
    own = link_local(local.interface.mac)
    ips = tuple(link_local(mac) if prefix == own else _sample(prefix, chance) for prefix in local.interface.sources)
    interface = replace(local.interface, number=chance.randrange(1 << 24, 1 << 28), known_mac=mac, ips=ips, leases=())
    port, number, tag = (
        chance.randrange(1 << 24, 1 << 31),
        chance.randrange(1 << 16, 1 << 20),
        chance.randrange(256, 4095),
    )
    meter = replace(local.meter, number=chance.randrange(1 << 24, 1 << 31)) if local.meter is not None else None
    return local._replace(interface=interface, port=port, number=number, tag=tag, meter=meter)


def _sample(prefix: Prefix, chance: random.Random) -> Prefix:
    if isinstance(prefix, IPv4Network):
        return IPv4Network((IPv4Address(chance.getrandbits(32) & int(prefix.netmask)), prefix.prefixlen))
    return IPv6Network((IPv6Address(chance.getrandbits(128) & int(prefix.netmask)), prefix.prefixlen))


def _learn_address_stamp() -> Stamp | None:
    chance = random.Random(0)
    samples = []
    for _ in range(_SAMPLES):
        interface = Interface("", chance.randrange(1 << 24, 1 << 28), chance.randrange(1 << 40) | 0x0200_0000_0000)
        network = chance.randrange(1 << 16, 1 << 20)
        samples.append((interface, network, chance.randrange(1 << 28, 1 << 32)))
    rows = [[encode_row(address_row(*sample))] for sample in samples]
    return learn([_address_slots(*sample) for sample in samples], rows)


def _learn_network_stamp(here: Carried) -> Stamp | None:
    """A stamp for all networks on a switch that differ from this one in numbers only, or None where there is none."""
    chance = random.Random(0)
    samples = [
        here._replace(
            number=chance.randrange(1 << 16, 1 << 20),
            tag=chance.randrange(256, 4095),
            chunks=tuple(chance.randrange(256, 2048) for _ in here.chunks),
            elsewhere=chance.randrange(1 << 28, 1 << 32) if here.elsewhere else 0,
        )
        for _ in range(_SAMPLES)
    ]
    return learn([_network_slots(sample) for sample in samples], [_encode_network(sample) for sample in samples])


def _learn_place_stamp() -> Stamp | None:
    chance = random.Random(0)
    samples = [
        (chance.randrange(1 << 16, 1 << 20), placed_mac(chance.randrange(256, 4096)) or 0, chance.getrandbits(32))
        for _ in range(_SAMPLES)
    ]
    rows = [[encode_row(place_row(*sample))] for sample in samples]
    return learn([_place_slots(*sample) for sample in samples], rows)


def _learn_buckets() -> Buckets | None:
    chance = random.Random(0)
    samples = [tuple(chance.randrange(1 << 28, 1 << 32) for _ in range(count)) for count in range(_SAMPLES)]
    numbers = [[toward.to_bytes(4, "big") for toward in targets] for targets in samples]
    return learn_buckets(numbers, [encode_group(fanout_group(FanOut(1, 1, targets))) for targets in samples])
