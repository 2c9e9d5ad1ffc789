"""What an address is, of the two kinds: whose, and what it tells."""

from __future__ import annotations

from ..compiler.pipeline import MAC_PREFIX
from ..model.names import (
    SEGMENT_SHIFT,
    SERIALS,
    SWITCH_SHIFT,
    format_mac,
    is_chosen_mac,
    parse_mac,
    placed_mac,
    segment_of_mac,
)
from ..model.outside import router_mac
from ..model.state import Member
from .account import LISTED, Account, about_member, about_router, cut
from .outside import parse_address
from .outside_status import address_uses, has_router
from .system import System

_SWITCH_BITS = (1 << SEGMENT_SHIFT - SWITCH_SHIFT) - 1


def account_of_mac(system: System, text: str) -> Account:
    """`f2:00:10:00:60:08`: whose address it is, what it tells, and where its nodes are."""
    mac = parse_mac(text)
    subject = f"MAC {format_mac(mac)}"
    tells = _told_by(system, mac)
    whose = [
        Member(node, interface)
        for node in system.model.nodes()
        for interface in node.interfaces
        if interface.known_mac == mac
    ]
    routed = next((one for one in system.model.networks() if has_router(one) and router_mac(one.number) == mac), None)
    if routed is not None and not whose:
        gateway = system.model.gateway(routed.ref)
        reasons = about_router(system, gateway) if gateway is not None else [f"{routed.ref} has no way out"]
        return Account(subject, f"of the router of {routed.ref}, on every switch", reasons=reasons)
    hops = [hop for hop in system.model.next_hops() if hop.mac == mac]
    if hops and not whose:
        where = [f"{hop.address} on {hop.switch}:{hop.port}, as it said itself" for hop in hops]
        return Account(subject, "of a next router outside", reasons=where)
    if not whose:
        return Account(subject, "nobody's", known=bool(tells), reasons=tells)
    return Account(subject, f"of {cut([str(member) for member in whose])}", reasons=[
        *(line for member in whose[:LISTED] for line in about_member(system, member)), *tells
    ])  # fmt: skip


def _told_by(system: System, mac: int) -> list[str]:
    fabric = system.fabric
    if mac & ~0xFFFFFF == MAC_PREFIX:
        number = mac & 0xFFFFFF
        edge = next((name for name, switch in fabric.switches.items() if switch.number == number), None)
        return [f"the outer address of {f'switch {edge}' if edge else f'switch number {number}'} on the interconnect"]
    if not is_chosen_mac(mac):
        return []
    segment = segment_of_mac(mac)
    if segment is None:
        return ["of the form that the controller chooses, and tells no place"]
    switch, serial = mac >> SWITCH_SHIFT & _SWITCH_BITS, mac & SERIALS - 1
    if placed_mac(segment, switch, serial) != mac:
        return []
    of_segment = next((f"segment {name}" for name, number in fabric.segments.items() if number == segment), None)
    of_switch = next((f"switch {name}" for name, known in fabric.switches.items() if known.number == switch), None)
    place = f"{of_segment or f'segment number {segment}'}, {of_switch or f'switch number {switch}'}"
    return [f"of the form that the controller chooses, and tells {place}"]


def account_of_address(system: System, text: str) -> Account:
    """`203.0.113.10`: what an outside address is used for, and who has an address inside."""
    address = parse_address(text, "address")
    found, reasons = [], []
    for name, outside in sorted(system.fabric.outsides.items()):
        uses = [one for one in address_uses(system, name) if one.address == str(address)]
        if uses:
            found.append(f"an address of {name} outside")
        elif outside.has(address):
            found.append(f"an address of {name} outside that nobody has")
        for use in uses:
            what = f"{use.use} of {use.network}" if use.network is not None else use.use
            parts = [
                what,
                *([f"on {use.switch}"] if use.switch else []),
                *([f"ports {use.ports}"] if use.ports else []),
            ]
            reasons.append(", ".join([*parts, *([f"for {use.inside}"] if use.inside else [])]))
    whose = []
    for node in system.model.nodes():
        for interface in node.interfaces:
            if any(prefix[0] == address and prefix.num_addresses == 1 for prefix in interface.sources):
                whose.append(Member(node, interface))
    routers = [one.ref for one in system.model.networks() if any(address == s.gateway for s in one.subnets)]
    found += [f"the address of the router of {cut(routers)}"] if routers else []
    found += [f"of {cut(map(str, whose))}"] if whose else []
    reasons += [line for member in whose[:LISTED] for line in about_member(system, member)]
    return Account(f"address {address}", "; ".join(found) or "nobody's", known=bool(found), reasons=reasons)
