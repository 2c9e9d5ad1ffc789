"""What a switch holds, what it is to hold, and the messages that lead from one to the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from ..openflow import messages
from ..openflow.wire import Version


class Kind(Enum):
    """What one message of a bundle does; in the order in which a bundle has them, so that no row names a group
    that is not there."""

    GROUP_ADD = 1
    GROUP_MODIFY = 2
    ROW_ADD = 3
    ROW_DELETE = 4
    GROUP_DELETE = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One message of a bundle, with the key (of a row, or the number of a group) and value that it carries."""

    kind: Kind
    key: bytes | int
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class Contents:
    """Rows by key and groups by number, in the form in which they are compared and sent."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    groups: dict[int, bytes] = field(default_factory=dict)


def difference(installed: Contents, wanted: Contents) -> list[Step]:
    """What to send so that `installed` becomes `wanted`, in the order in which one bundle can have it."""
    steps = []
    for number, value in wanted.groups.items():
        present = installed.groups.get(number)
        if present is None:
            steps.append(Step(Kind.GROUP_ADD, number, value))
        elif present[:2] != value[:2]:
            # A foreign group of another type: modifying it may be refused, replacing it may not.
            steps += [Step(Kind.GROUP_DELETE, number), Step(Kind.GROUP_ADD, number, value)]
        elif present != value:
            steps.append(Step(Kind.GROUP_MODIFY, number, value))
    steps += [Step(Kind.ROW_ADD, key, value) for key, value in wanted.rows.items() if installed.rows.get(key) != value]
    steps += [Step(Kind.ROW_DELETE, key) for key in installed.rows if key not in wanted.rows]
    steps += [Step(Kind.GROUP_DELETE, number) for number in installed.groups if number not in wanted.groups]
    return steps


def is_wanted(step: Step, contents: Contents) -> bool:
    """Whether what a step does is still to be done."""
    if isinstance(step.key, int):
        return contents.groups.get(step.key, b"") == step.value
    return contents.rows.get(step.key, b"") == step.value


def replaces_a_group(steps: Iterable[Step]) -> bool:
    deleted = {step.key for step in steps if step.kind is Kind.GROUP_DELETE}
    return any(step.kind is Kind.GROUP_ADD and step.key in deleted for step in steps)


def message_of(version: Version, xid: int, step: Step) -> bytes:
    if isinstance(step.key, int):
        match step.kind:
            case Kind.GROUP_ADD:
                return messages.group_add(version, xid, step.key, step.value)
            case Kind.GROUP_MODIFY:
                return messages.group_modify(version, xid, step.key, step.value)
            case _:
                return messages.group_delete(version, xid, step.key)
    if step.kind is Kind.ROW_ADD:
        return messages.flow_add(version, xid, step.key, step.value)
    return messages.flow_delete(version, xid, step.key)


def install(contents: Contents, steps: Iterable[Step]) -> None:
    for step in steps:
        if isinstance(step.key, int):
            if step.kind is Kind.GROUP_DELETE:
                contents.groups.pop(step.key, None)
            else:
                contents.groups[step.key] = step.value
        elif step.kind is Kind.ROW_DELETE:
            contents.rows.pop(step.key, None)
        else:
            contents.rows[step.key] = step.value
