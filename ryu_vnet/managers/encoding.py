"""Units of the compiler as the bytes that switches are sent; those of interfaces by stamps, which are most."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ..compiler.compilation import Compilation, Kind, Local, Unit
from ..compiler.interface import address_row, local_rows
from ..compiler.pipeline import Toward, adjacency
from ..compiler.rows import Group
from ..model.names import Prefix, link_local, link_local_bytes
from ..model.values import Interface, Network
from ..openflow.rows import encode_group, encode_row
from ..openflow.stamp import Encoded, Stamp, learn
from .difference import Key

_SHAPES = 1000
"""Stamps kept at most: interfaces with other numbers of addresses and other prefix lengths need one each."""
_SAMPLES = 4


class Encoder:
    """Makes units into bytes. Keeps what it has learned."""

    def __init__(self, compilation: Compilation) -> None:
        self._compilation = compilation
        self._stamps: dict[object, Stamp | None] = {}
        self._address_stamp = _learn_address_stamp()

    def encode(self, unit: Unit) -> dict[str, list[tuple[Key, bytes]]]:
        """The rows and groups of a unit as they are now, by switch, as keys and values."""
        if unit.kind is Kind.LOCAL:
            local = self._compilation.local(unit)
            return {local.switch: [*self._local(local)]} if local is not None else {}
        found: dict[str, list[tuple[Key, bytes]]] = {}
        if unit.kind is Kind.ADDRESS:
            for switch, interface, network, toward in self._compilation.addresses(unit):
                found[switch] = [*self._address(interface, network, toward)]
            return found
        for switch, part in self._compilation.parts(unit):
            encoded = (part.number, encode_group(part)) if isinstance(part, Group) else encode_row(part)
            found.setdefault(switch, []).append(encoded)
        return found

    def _local(self, local: Local) -> Encoded:
        tagged = local.network.tagged if local.network is not None else None
        lengths = tuple((prefix.version, prefix.prefixlen) for prefix in local.interface.ips)
        has_six = any(version == 6 for version, _ in lengths)
        shape = (tagged, lengths, has_six and link_local(local.interface.mac) in local.interface.ips)
        if shape not in self._stamps and len(self._stamps) < _SHAPES:
            self._stamps[shape] = _learn_local_stamp(local)
        stamp = self._stamps.get(shape)
        return stamp(_local_slots(local)) if stamp is not None else _encode_local(local)

    def _address(self, interface: Interface, network: Network, toward: int) -> Encoded:
        if self._address_stamp is None:
            return [encode_row(address_row(interface, network, toward))]
        return self._address_stamp(_address_slots(interface, network, toward))


def _encode_local(local: Local) -> Encoded:
    return [encode_row(row) for row in local_rows(local.interface, local.port, local.network, local.tag)]


def _local_slots(local: Local) -> list[bytes]:
    interface, network = local.interface, local.network
    return [
        interface.mac.to_bytes(6, "big"),
        local.port.to_bytes(4, "big"),
        interface.number.to_bytes(4, "big"),
        adjacency(Toward.INTERFACE, interface.number).to_bytes(4, "big"),
        network.number.to_bytes(4, "big") if network is not None else b"",
        local.tag.to_bytes(4, "big") if network is not None else b"",
        link_local_bytes(interface.mac),
        *(prefix.network_address.packed for prefix in interface.ips),
    ]


def _address_slots(interface: Interface, network: Network, toward: int) -> list[bytes]:
    return [
        interface.mac.to_bytes(6, "big"),
        interface.number.to_bytes(4, "big"),
        network.number.to_bytes(4, "big"),
        toward.to_bytes(4, "big"),
    ]


# --- samples: interfaces with numbers that occur nowhere else ---------------------------------------------------------


def _learn_local_stamp(local: Local) -> Stamp | None:
    """A stamp for all interfaces that differ from this one in numbers only, or None where there is none."""
    chance = random.Random(0)
    samples = [_local_sample(local, chance) for _ in range(_SAMPLES)]
    slots = [_local_slots(sample) for sample in samples]
    # A slot that is the same in all samples is none: a prefix of no length, the link-local address of nobody.
    fixed = [index for index, numbers in enumerate(zip(*slots, strict=True)) if len({*numbers}) == 1]
    if any(slots[0][index] and any(slots[0][index]) for index in fixed):
        return None
    return learn(slots, lambda index: _encode_local(samples[index]))


def _local_sample(local: Local, chance: random.Random) -> Local:
    network = local.network
    if network is not None:
        network = replace(network, number=chance.randrange(1 << 16, 1 << 20))
    mac = chance.randrange(1 << 40) | 0x0200_0000_0000
    own = link_local(local.interface.mac)
    ips = tuple(link_local(mac) if prefix == own else _sample(prefix, chance) for prefix in local.interface.ips)
    interface = replace(local.interface, number=chance.randrange(1 << 24, 1 << 28), known_mac=mac, ips=ips)
    return Local(local.switch, interface, chance.randrange(1 << 24, 1 << 31), network, chance.randrange(256, 4095))


def _sample(prefix: Prefix, chance: random.Random) -> Prefix:
    if isinstance(prefix, IPv4Network):
        return IPv4Network((IPv4Address(chance.getrandbits(32) & int(prefix.netmask)), prefix.prefixlen))
    return IPv6Network((IPv6Address(chance.getrandbits(128) & int(prefix.netmask)), prefix.prefixlen))


def _learn_address_stamp() -> Stamp | None:
    chance = random.Random(0)
    samples = []
    for _ in range(_SAMPLES):
        interface = Interface("", chance.randrange(1 << 24, 1 << 28), chance.randrange(1 << 40) | 0x0200_0000_0000)
        network = Network("", "", chance.randrange(1 << 16, 1 << 20))
        samples.append((interface, network, chance.randrange(1 << 28, 1 << 32)))

    def encode(index: int) -> Encoded:
        return [encode_row(address_row(*samples[index]))]

    return learn([_address_slots(*sample) for sample in samples], encode)
