"""Lies of ARP and of IPv6 neighbour discovery: that an address is where it is not."""

from __future__ import annotations

from collections.abc import Iterator

from . import frames as f
from .topology import Interface


def claims(sender: Interface, victim: Interface, family: int, to: str) -> Iterator[tuple[str, bytes]]:
    """All lies that a sender can tell about a victim of another address, to a MAC; each with its name."""
    return _arp(sender, victim, to) if family == 4 else _neighbour(sender, victim, to)


def _arp(sender: Interface, victim: Interface, to: str) -> Iterator[tuple[str, bytes]]:
    own, other = str(sender.address(4)), str(victim.address(4))
    me, nobody = (sender.mac, own), ("00:00:00:00:00:00", other)
    yield "ARP reply for", f.arp(sender.mac, to, f.ARP_REPLY, (sender.mac, other), me)
    yield "gratuitous ARP for", f.arp(sender.mac, to, f.ARP_REQUEST, (sender.mac, other), nobody)
    if sender.mac != victim.mac:
        yield "ARP in the name of", f.arp(sender.mac, to, f.ARP_REPLY, (victim.mac, other), me)
        yield "ARP with the MAC of", f.arp(sender.mac, to, f.ARP_REPLY, (victim.mac, own), me)


def _neighbour(sender: Interface, victim: Interface, to: str) -> Iterator[tuple[str, bytes]]:
    own, other = sender.address(6), victim.address(6)
    if own is None or other is None:
        return
    me, his = sender.mac, victim.mac
    yield "neighbour advertisement for", f.advertisement(me, to, own, other, me)
    yield "neighbour advertisement as", f.advertisement(me, to, other, other, me)
    yield "neighbour solicitation as", f.solicitation(me, to, other, own, me)
    if me != his:
        local = f.link_local(his)
        yield "neighbour advertisement with the MAC of", f.advertisement(me, to, own, own, his)
        yield "neighbour solicitation with the MAC of", f.solicitation(me, to, own, other, his)
        yield "neighbour advertisement for the link-local address of", f.advertisement(me, to, own, local, me)
        yield "neighbour solicitation as the link-local address of", f.solicitation(me, to, local, own, me)
