"""What a row, a group or a cookie is, and why it is there."""

from __future__ import annotations

from ..compiler.read_text import RowText, read_row
from ..compiler.rows import cookie_of, origin_of
from ..compiler.text import Style, match_text
from ..errors import Invalid, Problem
from ..openflow.rows import cookie_in, decode_row
from .account import Account, about_origin
from .explain import Names
from .programme import origin_of_group
from .system import System
from .tables import groups_said, require_switch, rows_said


def account_of_cookie(system: System, text: str, switch: str | None, names: Names) -> Account:
    """`0x766e...`: what rows with a cookie exist for; how many of them a switch is to have, if one is named."""
    cookie = _number("cookie", text)
    subject = f"cookie {cookie:#018x}"
    origin = origin_of(cookie)
    if origin is None:
        return Account(subject, "not one of ours: a row with it is somebody else's", known=False)
    reasons = about_origin(system, names, origin)
    if switch is not None:
        rows = require_switch(system, switch).wanted.rows
        count = sum(cookie_in(value) == cookie for value in rows.values())
        reasons.append(f"{switch} is to have {count} row(s) with it")
    return Account(subject, f"rows that exist for {names.origin(origin)}", bool(reasons), reasons=reasons)


def account_of_group(system: System, switch: str, text: str, names: Names) -> Account:
    """`0x1000012`: a group of a switch."""
    manager, number = require_switch(system, switch), _number("group", text)
    subject = f"group {number:#x} on {switch}"
    if number not in manager.wanted.groups:
        return Account(subject, "no group of ours", known=False, state=_found(system, switch, number))
    (said,) = groups_said(system, names, switch, [number])
    reasons = about_origin(system, names, origin_of_group(number, manager.number))
    state = said.state.value + (f": {said.reason}" if said.reason else "")
    return Account(subject, f"{said.meaning}; it exists for {said.origin}", state=state, reasons=reasons)


def account_of_row(system: System, switch: str, text: str, names: Names) -> Account:
    """A row of a switch, as `ovs-ofctl dump-flows` prints it, or as `vnet flows --long` does with its table and
    priority: `table=FORWARD,priority=300,network=16,eth_dst=02:00:00:00:01:01`."""
    manager = require_switch(system, switch)
    key = _key_by_meaning(system, switch, text)
    if key is None:
        ports = {name: state.number for name, state in system.ports.get(switch, {}).items()}
        asked = read_row(text, ports)
        key = next((key for key in manager.wanted.rows if _is(key, manager.wanted.rows[key], asked)), None)
        if key is None:
            return _no_row(system, switch, asked, names)
    row, _ = decode_row(key, manager.wanted.rows[key])
    (said,) = rows_said(system, names, switch, [key])
    subject = f"row of {said.stage} on {switch}, priority {said.priority}, {said.match or 'anything'}"
    state = said.state.value + (f": {said.reason}" if said.reason else "")
    reasons = [
        f"cookie {cookie_of(row.origin):#018x}; actions {said.actions}",
        *about_origin(system, names, row.origin),
    ]
    return Account(subject, f"{said.meaning}; it exists for {said.origin}", state=state, reasons=reasons)


def _is(key: bytes, value: bytes, asked: RowText) -> bool:
    if key[0] != asked.table or int.from_bytes(key[2:4], "big") != asked.priority:
        return False
    return {*decode_row(key, value)[0].match} == {*asked.match}


def _key_by_meaning(system: System, switch: str, text: str) -> bytes | None:
    """The row that has this text with the names that the pipeline gives to registers."""
    text = text.partition("actions=")[0].strip().rstrip(",")
    words = dict(part.partition("=")[::2] for part in text.split(",")[:2])
    if [*words] != ["table", "priority"] or not words["priority"].isdigit():
        return None
    asked = read_row(f"table={words['table']},priority={words['priority']}", {})
    conditions = ",".join(text.split(",")[2:])
    rows = require_switch(system, switch).wanted.rows
    for key, value in rows.items():
        is_there = key[0] == asked.table and int.from_bytes(key[2:4], "big") == asked.priority
        if is_there and match_text(decode_row(key, value)[0].match, Style.MEANING) == conditions:
            return key
    return None


def _no_row(system: System, switch: str, asked: RowText, names: Names) -> Account:
    subject = (
        f"row on {switch}: table {asked.table}, priority {asked.priority}, {match_text(asked.match) or 'anything'}"
    )
    reasons = []
    origin = origin_of(asked.cookie) if asked.cookie is not None else None
    if origin is not None:
        reasons = [f"its cookie is one of ours, for {names.origin(origin)}", *about_origin(system, names, origin)]
    elif asked.cookie is not None:
        reasons = ["its cookie is not one of ours"]
    same = sum(key[0] == asked.table for key in require_switch(system, switch).wanted.rows)
    reasons.append(f"{switch} is to have {same} other row(s) in that table")
    key = next(
        (k for k in system.switches[switch].off if isinstance(k, bytes) and _is_off(system, switch, k, asked)), None
    )
    return Account(subject, "no row of ours", known=False, state=_found(system, switch, key), reasons=reasons)


def _is_off(system: System, switch: str, key: bytes, asked: RowText) -> bool:
    value = system.switches[switch].off[key]
    return value is not None and _is(key, value, asked)


def _found(system: System, switch: str, key: bytes | int | None) -> str:
    manager = system.switches[switch]
    if key is not None and manager.off.get(key) is not None:
        return "it is there, and is being removed"
    return "the switch is not known to have it" if manager.in_step else ""


def _number(what: str, text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise Invalid(Problem(what, f"{text!r} is no {what}", "a number: 0x1f, 31")) from None
