"""Routes that explain single things, and that check the whole state."""

from __future__ import annotations

from itertools import islice

from flask import Response
from flask_openapi3.openapi import OpenAPI

from ..managers.account import (
    Account,
    account_of_label,
    account_of_port,
    account_of_tag,
    account_of_zone,
)
from ..managers.account_addresses import account_of_address, account_of_mac
from ..managers.account_routers import account_of_router
from ..managers.account_rows import account_of_cookie, account_of_group, account_of_row
from ..managers.communication import CommunicationManager
from ..managers.fsck.finding import Finding, Report
from ..managers.fsck.online import audited, faults, mend_all, switch_findings, unaudited, waiting
from .answers import ExplainAnswer, FsckAnswer
from .fabric import STATUS
from .queries import ExplainQuery, FsckQuery
from .service import Service, answer

AUDIT_SECONDS = 30.0
"""How long all audits of a check may take together."""
AT_ONCE = 32
"""Switches that are read at the same time: what they send is in memory until it is compared."""


def install(app: OpenAPI, service: Service) -> None:
    """Add the routes to an application."""

    @app.get("/v1/explain", tags=[STATUS], responses={200: ExplainAnswer})
    def explain(query: ExplainQuery) -> Response:
        """What a tag, label, conntrack zone, address, port, router, cookie, row or group is, and why it is there."""
        return answer(ExplainAnswer(_account(service, query)))

    @app.get("/v1/fsck", tags=[STATUS], responses={200: FsckAnswer})
    def check(query: FsckQuery) -> Response:
        """Check the model, the store and the switches against each other and against what must always hold."""
        return answer(FsckAnswer(_report(service, query, mending=False)))

    @app.post("/v1/fsck", tags=[STATUS], responses={200: FsckAnswer})
    def mend(query: FsckQuery) -> Response:
        """The same, and mend what can be mended, in one transaction."""
        return answer(FsckAnswer(_report(service, query, mending=True)))


def _account(service: Service, query: ExplainQuery) -> Account:
    system, name, switch = service.system, query.name, query.switch or ""
    match query.kind:
        case "tag":
            return account_of_tag(system, name, service.clock())
        case "label":
            return account_of_label(system, name, service.clock())
        case "zone":
            return account_of_zone(system, name, service.clock())
        case "mac":
            return account_of_mac(system, name)
        case "address":
            return account_of_address(system, name)
        case "port":
            return account_of_port(system, name)
        case "router":
            return account_of_router(system, name)
        case "cookie":
            return account_of_cookie(system, name, query.switch, service.names())
        case "row":
            return account_of_row(system, switch, name, service.names())
        case "group":
            return account_of_group(system, switch, name, service.names())


def _report(service: Service, query: FsckQuery, *, mending: bool) -> Report:
    system, began = service.system, service.clock()
    unread = _read_switches(service) if query.switches else []
    on_switches = [*switch_findings(system, began)] if query.switches else []
    revision, mended = mend_all(system) if mending else (system.revision, list[Finding]())
    return Report(
        revision,
        documents=len(system.documents()),
        switches=len(system.switches) - len(unread) if query.switches else 0,
        findings=[*(fault.finding for fault in faults(system)), *on_switches],
        mended=mended,
        waiting=[*waiting(system)],
        notes=unaudited(system, unread),
    )


def _read_switches(service: Service) -> list[str]:
    """Have all switches read that can be, some of them at a time; returns those that were not, by name."""
    system, names = service.system, audited(service.system)
    unread, left = {*system.switches} - {*names}, iter(names)
    deadline = service.clock() + AUDIT_SECONDS
    service.end_turn()
    while some := [*islice(left, AT_ONCE)]:
        unread |= _read_some(service, some, deadline)
    return sorted(unread)


def _read_some(service: Service, names: list[str], deadline: float) -> set[str]:
    """Have these read, at the latest until a time of the clock; returns those that were not."""
    system = service.system
    managers = [manager for name in names if (manager := system.switches.get(name)) is not None]
    readings = {manager.name: manager.readings for manager in managers}
    for manager in managers:
        system.audit(manager.name)

    def is_read(manager: CommunicationManager) -> bool:
        return manager.readings > readings[manager.name]

    service.wait(
        lambda: all(is_read(manager) or not manager.is_answering for manager in managers),
        max(deadline - service.clock(), 0),
    )
    return {*names} - {manager.name for manager in managers if is_read(manager)}
