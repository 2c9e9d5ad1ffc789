"""Machines that are learned: on a port that is declared for it, the first frame says who is there.

`judge` says who that is, `take` has it run there, and `leave` is what becomes of it when the port goes away. What
networks it is in, policies decide: without one, it is in none, and nothing that it sends gets anywhere.

One machine is learned on a port. While one is there the switch tells of nobody else who speaks there (see
`compiler.switch`), and drops what he sends.

A tenant's own node is known by its MAC address, and is started where that is seen; any other address makes a new node,
which says by a label where it was learned, and is deleted when that port goes away. Whoever puts such a node anew,
without the label, makes it a node like others. A node that somebody has stopped stays stopped where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from ..errors import Conflict
from ..fabric.declared import Learn
from ..model.names import format_mac
from ..model.state import Model
from ..model.values import Interface, Node, Place
from . import requests
from .requests import Work

LEARNED_LABEL = "learned"
"""The label of nodes that were learned; it says on which port."""


class Reason(Enum):
    """Why a frame that was told of has nobody run."""

    ADDRESS = "address"
    """It comes from an address that no machine has, or it is tagged: on access ports only members of networks that
    allow it may send tags."""
    TAKEN = "taken"
    """Somebody else runs there."""
    STOPPED = "stopped"
    """Whose address it is was stopped or has failed, is not to be discovered, or has other interfaces that nobody has
    seen yet."""
    CONFLICT = "conflict"
    """Whose address it is runs elsewhere, or is not certain; or the port is kept for somebody else."""
    BUSY = "busy"
    """Another frame from there is being looked at."""
    AGAIN = "again"
    """The address was seen there a moment ago."""
    MOST = "most"
    """So many addresses were seen there that no other is looked at until the port goes away."""
    RATE = "rate"
    """So many machines are being learned this second that it has to say so again."""
    REQUEST = "request"
    """What it came to was refused, as a request is that somebody makes."""


@dataclass(frozen=True, slots=True)
class Found:
    """Who speaks at a port: a node that is there, or one to be made (None); or why nobody is to run there, and why
    that is, in words."""

    mac: int
    node: Node | None = None
    reason: Reason | None = None
    why: str = ""


def judge(model: Model, place: Place, learn: Learn, mac: int) -> Found:
    """Who it is that sends from a MAC address at a port."""
    text, there = format_mac(mac), model.at(place)
    if there is not None:
        node = there.node
        if node.running:
            return Found(mac, reason=Reason.TAKEN)
        if node.tenant == learn.tenant and there.interface.known_mac == mac:
            # Where it was stopped it stays stopped; but what is prepared is there to be started.
            return Found(mac, node, None if node.prepared and not node.held and not node.failed else Reason.STOPPED)
        return Found(mac, reason=Reason.CONFLICT, why=f"{text} is seen on {place}, which is kept for node {node.ref}")
    found = (model.get(key) for key in sorted(model.having_mac(mac)))
    owners = [node for node in found if isinstance(node, Node) and node.tenant == learn.tenant]
    running = next((node for node in owners if node.running), None)
    if running is not None:
        where = next(one.place for one in running.interfaces if one.known_mac == mac)
        return Found(
            mac, reason=Reason.CONFLICT, why=f"{text} is seen on {place}, and is node {running.ref} at {where}"
        )
    if len(owners) > 1:
        named = ", ".join(node.ref for node in owners[:5])
        return Found(mac, reason=Reason.CONFLICT, why=f"{text} is seen on {place}, and is that of several: {named}")
    if not owners and model.node(f"{learn.tenant}/{learned_name(mac)}") is not None:
        taken = f"node {learn.tenant}/{learned_name(mac)} has another address"
        return Found(mac, reason=Reason.CONFLICT, why=f"{text} is seen on {place}, and {taken}")
    if owners and (owners[0].held or owners[0].failed or owners[0].discovery == "off"):
        return Found(mac, owners[0], Reason.STOPPED)
    return Found(mac, owners[0] if owners else None)


def learned_name(mac: int) -> str:
    """What a node is called that was learned: `learned-02aabbccddee`."""
    return f"learned-{mac:012x}"


def take(work: Work, place: Place, learn: Learn, found: Found) -> None:
    """Have the node run that was found at a port; one with interfaces elsewhere does so when all of them have a place.
    Nothing says of a new one which IP addresses it has: they are not checked, its MAC address is."""
    if found.node is None:
        requests.require_tenant(work, learn.tenant)
        interface = Interface("eth0", work.allocator.interface_number(), found.mac, (), place, discovered=True)
        labels = ((LEARNED_LABEL, str(place)),)
        node = Node(learn.tenant, learned_name(found.mac), True, (interface,), labels=labels)
    else:
        name = next(one.name for one in found.node.interfaces if one.known_mac == found.mac)
        node = requests.at_places(work, found.node, {name: place})
        seen = (replace(one, discovered=True) if one.name == name else one for one in node.interfaces)
        node = replace(node, interfaces=tuple(seen))
        if all(one.place is not None for one in node.interfaces):
            node = replace(node, running=True, failed=False)
    work.draft.put(node)


def leave(work: Work, place: Place) -> None:
    """A port went away: who was learned there is deleted; who was declared, and seen there, is stopped, and may come
    anywhere. Nothing happens where nobody runs there, or who was asked to. Raises Conflict where somebody is only on
    his way there."""
    there = work.draft.at(place)
    if there is None:
        return
    node, interface = there.node, there.interface
    if interface.place != place:
        raise Conflict(f"node {node.ref} is moving to {place}, and is not there")
    if is_learned(node, place):
        requests.delete_node(work, node.tenant, node.name)
    elif node.running and interface.discovered:
        requests.stop(work, node.tenant, node.name)
        stopped = requests.require_node(work, node.tenant, node.name)
        others = stopped.interfaces
        if not stopped.prepared:  # Who is prepared keeps his place, and is started there when he comes back.
            others = tuple(replace(one, place=None) if one.name == interface.name else one for one in others)
        work.draft.put(replace(stopped, interfaces=others, held=False))


def is_learned(node: Node, place: Place) -> bool:
    """Whether a node was learned on this port, and nobody has made it another since."""
    return (LEARNED_LABEL, str(place)) in node.labels
