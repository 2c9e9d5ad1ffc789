"""A real System over a real store that holds the fabric and tenants of topologies/figure.yaml, and its web service.

No switch is connected, so every change stays pending: that is how a controller starts. What the switches last said of
their ports is in the store, as after a restart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from flask import Flask
from werkzeug.serving import make_server

from ryu_vnet.api import create_api
from ryu_vnet.fabric.documents import ADMITTED_PREFIX, OBSERVED_PREFIX, admission
from ryu_vnet.managers import requests
from ryu_vnet.managers.system import System
from ryu_vnet.schema import Intent
from ryu_vnet.store.sqlite import SqliteStore

FIGURE = Path(__file__).parent.parent / "topologies" / "figure.yaml"


def figure() -> dict[str, Any]:
    """The intent file, as plain values."""
    loaded: dict[str, Any] = yaml.safe_load(FIGURE.read_text())
    return loaded


def ports_of(intent: dict[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """A number for every port that an intent names, all up, as documents of the store."""
    places = [end for link in intent["fabric"]["links"] for end in (link["a"], link["b"])]
    for tenant in intent["tenants"].values():
        for node in tenant["nodes"].values():
            places += [interface["at"] for interface in node["interfaces"].values() if "at" in interface]
    ports: dict[str, dict[str, list[Any]]] = {}
    for place in places:
        switch, _, port = place.partition(":")
        known = ports.setdefault(switch, {})
        known[port] = [len(known) + 1, True]
    return ports


def empty_system(folder: Path) -> System:
    """A controller that was never asked anything."""
    return System(SqliteStore(folder / "store.db"), _send_nothing, time.monotonic)


def figure_system(folder: Path) -> System:
    """A controller that has the figure, and has once heard of all its ports."""
    store = SqliteStore(folder / "store.db")
    system = System(store, _send_nothing, time.monotonic)
    system.request(lambda work: requests.apply(work, Intent.model_validate(figure())))
    store.commit({OBSERVED_PREFIX + name: ports for name, ports in ports_of(figure()).items()})
    store.commit({ADMITTED_PREFIX + name: admission(switch) for name, switch in system.fabric.switches.items()})
    return System(store, _send_nothing, time.monotonic)


def web_service(system: System, token: str | None = None) -> Flask:
    """The web service over it; waiting ends at once, since no switch will ever answer."""
    return create_api(system, lambda holds, seconds: holds(), token, "ryu")


@contextmanager
def served(make: Callable[[], Flask]) -> Iterator[str]:
    """A real HTTP server in a thread of its own, in which the application is made too; gives its address."""
    ready = threading.Event()
    servers: list[Any] = []

    def run() -> None:
        servers.append(make_server("127.0.0.1", 0, make()))
        ready.set()
        servers[0].serve_forever(poll_interval=0.02)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if not ready.wait(20):
        raise RuntimeError("the web service did not start")
    yield f"http://127.0.0.1:{servers[0].server_port}"
    servers[0].shutdown()
    thread.join()


def _send_nothing(switch: str, messages: list[bytes]) -> None:
    """There is no switch."""
