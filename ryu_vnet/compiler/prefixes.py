"""Conditions on IP addresses, of either version."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network

from ..model.names import Prefix
from ..model.outside import Address
from . import fields as f
from .rows import FieldMatch
from .source import IPV4, IPV6


def family(version: int) -> FieldMatch:
    """That a frame carries IP of version 4 or 6."""
    return FieldMatch(f.ETH_TYPE, IPV4 if version == 4 else IPV6)


def source(prefix: Prefix) -> FieldMatch:
    """That it comes from an address of a prefix."""
    return FieldMatch(
        f.IPV4_SRC if prefix.version == 4 else f.IPV6_SRC, int(prefix.network_address), int(prefix.netmask)
    )


def destination(prefix: Prefix) -> FieldMatch:
    """That it is for one."""
    return FieldMatch(
        f.IPV4_DST if prefix.version == 4 else f.IPV6_DST, int(prefix.network_address), int(prefix.netmask)
    )


def alone(address: Address) -> Prefix:
    """An address as a prefix of its whole length."""
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)
