"""Moves: a node that runs goes to other switch ports, and is followed.

First the new place is prepared: what comes from there is taken as the node's own, and its networks are carried there.
Then, at the first sign that it is there (its port comes, a frame of its own does, its old port goes, somebody says so),
everybody sends there. For some seconds more the old place sends after it what still comes. Each interface is followed
by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..errors import Conflict, Invalid, NotFound, Problem
from ..model.values import Interface, Node, Place
from .requests import Work, parse_place, require_node

LINGER_SECONDS = 2.0
"""How long the old place sends after a node what still comes for it, once all switches know the new one."""


def move(work: Work, tenant: str, node: str, to: Mapping[str, str]) -> None:
    """Prepare other places for interfaces of a node, by name. One that is there already is no move; to go back to
    where it still is ends a move."""
    known = _running(work, tenant, node)
    if not to:
        raise Invalid(Problem("to", f"node {known.ref} is to move nowhere", 'say where: to: {"eth0": "host2:vnet0"}'))
    for name, text in sorted(to.items()):
        interface = known.interface(name)
        if interface is None:
            names = ", ".join(one.name for one in known.interfaces)
            raise NotFound(f"node {known.ref} has no interface {name!r} (one of {names})")
        target = parse_place(text, f"to.{name}")
        if target == interface.place:
            known = _with(known, replace(interface, target=None))
        elif target != interface.target:
            known = _with(known, replace(interface, target=target, left=None, discovered=False))
    work.draft.put(known)


def arrive(work: Work, tenant: str, node: str, interface: str | None = None) -> None:
    """A node is where it was moving to, or one interface of it is: from now on everybody sends there. Nothing happens
    where it does not move."""
    known = _running(work, tenant, node)
    for one in known.interfaces:
        if one.target is not None and interface in (None, one.name):
            known = _with(known, replace(one, place=one.target, target=None, left=one.place))
    work.draft.put(known)


def stay(work: Work, tenant: str, node: str, interface: str | None = None) -> None:
    """End a move before the node has arrived, or that of one interface. Nothing happens where it does not move."""
    known = require_node(work, tenant, node)
    for one in known.interfaces:
        if interface in (None, one.name):
            known = _with(known, replace(one, target=None))
    work.draft.put(known)


def settle_down(work: Work, tenant: str, node: str, left: Mapping[str, Place]) -> None:
    """Forget where interfaces, by name, were, unless that is another place by now."""
    known = work.draft.node(f"{tenant}/{node}")
    if known is None:
        return
    for one in known.interfaces:
        if one.left is not None and one.left == left.get(one.name):
            known = _with(known, replace(one, left=None))
    work.draft.put(known)


def _running(work: Work, tenant: str, node: str) -> Node:
    known = require_node(work, tenant, node)
    if not known.running:
        raise Conflict(f"node {known.ref} does not run, so it cannot move: start it where it is to be")
    return known


def _with(node: Node, new: Interface) -> Node:
    return replace(node, interfaces=tuple(new if old.name == new.name else old for old in node.interfaces))
