"""What to say of MAC addresses that the controller chooses: whoever boots a machine has to give it that address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..client import Answer
    from .session import Session


def remarks(node: dict[str, Any]) -> Iterator[str]:
    """A line for each interface of a node whose MAC address was, or is to be, chosen; none for those that were given.

    `node` is as the web service answers.
    """
    for name, interface in sorted(node["interfaces"].items()):
        who = f"{node['tenant']}/{node['name']} {name}"
        if interface["mac"] is None:
            yield f"{who} has no MAC address yet: the controller chooses one when it first has a place"
        elif name in node["chosen_macs"]:
            yield f"{who} is to have MAC address {interface['mac']}: the controller chose it"


def change(session: Session, request: Callable[[float], Answer], done: str) -> None:
    """Do a change of a node, as `Session.change`, and say which addresses it is to have."""

    def remarked(wait: float) -> Answer:
        answer = request(wait)
        for line in remarks(answer.raw["node"]):
            session.say(line)
        return answer

    session.change(remarked, done)
