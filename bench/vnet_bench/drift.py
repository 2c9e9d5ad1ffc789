"""How long a foreign row stays on a switch, and how long a deleted one is missing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from ryu_vnet.openflow import messages, replies
from ryu_vnet.openflow.wire import MessageType, Version
from ryu_vnet.schema import Intent

from .bridges import bridges_of
from .channels import Channel, Channels
from .controller import Controller
from .fabrics import located, two_hosts
from .fleet import Fleet
from .results import Figure, Results, milliseconds
from .scale import in_step

SECTION = "drift"
TARGET_SECONDS = 0.1
PATIENCE_SECONDS = 10.0
FOREIGN = (b"\x00\x00\xff\xff" + b"\x00\x01\x00\x04" + bytes(4), bytes(16))
"""Key and value of a row above all of ours that drops everything."""


def measure(results: Results, repetitions: int, ports: int = 200) -> None:
    """Change a switch over a connection of our own, and look until the change is undone."""
    intent = two_hosts(ports)
    assert intent.fabric is not None
    with tempfile.TemporaryDirectory(prefix="vnet-bench-") as name:
        folder = Path(name)
        with Fleet(folder / "ovs", bridges_of(intent), per_daemon=1) as fleet, Controller(folder) as controller:
            fleet.connect(controller.target)
            whole = Intent.model_construct(fabric=located(intent.fabric, fleet.databases), tenants=intent.tenants)
            controller.ask("POST", "/v1/apply?wait=30", whole.model_dump_json(exclude_none=True).encode())
            controller.wait(lambda: in_step(controller, 2), "both hosts are in step")
            with Channels.dialled([fleet.management("h1")]) as channels:
                (channel,) = channels.all
                removed = [_foreign(channels, channel) for _ in range(repetitions)]
                restored = [_missing(channels, channel) for _ in range(repetitions)]
    for what, seconds in (("foreign row removed", removed), ("missing row restored", restored)):
        results.add(
            Figure(
                SECTION,
                f"{what} after: median / 99th percentile",
                milliseconds(seconds),
                "100 ms, without polling",
                median(seconds) <= TARGET_SECONDS,
                values={"median": median(seconds)},
            )
        )


def _foreign(channels: Channels, channel: Channel) -> float:
    key, _ = FOREIGN
    channels.exchange({channel: [messages.flow_add(Version.OF14, channels.xid(), *FOREIGN)]})
    return _until(lambda: not _has(channels, channel, key))


def _missing(channels: Channels, channel: Channel) -> float:
    key = _rows(channels, channel, messages.all_flows(Version.OF14, channels.xid()))[0]
    channels.exchange({channel: [messages.flow_delete(Version.OF14, channels.xid(), key)]})
    return _until(lambda: _has(channels, channel, key))


def _has(channels: Channels, channel: Channel, key: bytes) -> bool:
    return key in _rows(channels, channel, messages.flow_exactly(Version.OF14, channels.xid(), key))


def _rows(channels: Channels, channel: Channel, request: bytes) -> list[bytes]:
    """The keys of the rows in the answer to a request."""
    found: list[bytes] = []

    def take(message: bytes) -> None:
        if message[1] == MessageType.MULTIPART_REPLY:
            found.extend(key for key, *_ in replies.flows(message))

    channels.exchange({channel: [request]}, heard=take)
    return found


def _until(holds: Callable[[], bool]) -> float:
    started = time.perf_counter()
    while not holds():
        if time.perf_counter() - started > PATIENCE_SECONDS:
            raise RuntimeError(f"a foreign change was not undone in {PATIENCE_SECONDS:g} s")
    return time.perf_counter() - started
