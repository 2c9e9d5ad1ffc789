"""Rows a second onto one switch and off it again: ours, `ovs-ofctl` and Ryu's classes, on the same bridge in one run.

Each way puts the same rows onto the same bridge over the same kind of socket (the bridge's own, for others than its
controller), and is done when the switch has confirmed the last of them. They take turns, with the tables emptied in
between. After each turn the switch is asked for its rows, and every byte of them must be what was wanted: what did
something else, or less, is no measurement. Neither of these is part of the time.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from ryu_vnet.compiler.fields import ETH_DST, VLAN_PRESENT, VLAN_VID
from ryu_vnet.compiler.rows import FieldMatch, Origin, Output, PopVlan, Row, Subject, cookie_of, match
from ryu_vnet.compiler.text import row_text
from ryu_vnet.openflow import messages, replies
from ryu_vnet.openflow.changes import Kind, bundle
from ryu_vnet.openflow.rows import encode_row
from ryu_vnet.openflow.wire import BundleStep, MessageType, Version

from .channels import Channel, Channels
from .dummy_ovs import DummyOvs
from .results import Figure, Results, spread

SECTION = "one switch"
PICTURE = "rows a second onto one switch against repetition"
VERSION = Version.OF14
BRIDGE, PORTS = "s1", ("p1", "p2")
PRIORITY = 100
FIRST_MAC = 0x02_00_00_00_00_00
VLANS = 4094
OVS_BUNDLE, OVS_PLAIN = "ovs-ofctl --bundle add-flows", "ovs-ofctl add-flows"
OURS, OURS_ENCODED = "ours, from compiled rows", "ours, encoding included"
BUNDLE_TARGET, CLASSES_TARGET = 1.0, 8.0
REST_SECONDS = 0.2
"""Between emptying the tables and the next turn: a thread of the switch goes on freeing what was in them."""
RECEIVE = 1 << 16

Encoded = dict[bytes, bytes]
"""Rows by key, as values (`ryu_vnet.openflow.rows`)."""


@dataclass(frozen=True, slots=True)
class Switch:
    """The bridge that everything is put onto, and our connection to it."""

    ovs: DummyOvs
    channels: Channels

    @property
    def channel(self) -> Channel:
        (channel,) = self.channels.all
        return channel

    def empty(self) -> None:
        """Delete all rows, and let the switch get over it."""
        self.channels.exchange({self.channel: [messages.all_flows_delete(VERSION, self.channels.xid())]})
        time.sleep(REST_SECONDS)

    def dump(self) -> list[bytes]:
        """The switch's answer to being asked for all rows, as it came."""
        found: list[bytes] = []
        asked = messages.all_flows(VERSION, self.channels.xid())
        self.channels.exchange({self.channel: [asked]}, heard=found.append)
        return [message for message in found if message[1] == MessageType.MULTIPART_REPLY]


class Classes:
    """The framework's own classes for OpenFlow 1.4, of Ryu where Python has it, else of os-ken, which continues it."""

    def __init__(self) -> None:
        self.name = "ryu" if find_spec("ryu") else "os_ken"
        self._datapath: Any = import_module(f"{self.name}.ofproto.ofproto_protocol").ProtocolDesc(version=VERSION)
        self._parse: Any = import_module(f"{self.name}.ofproto.ofproto_parser").msg

    def send(self, channel: Channel, rows: Iterable[tuple[int, int, str, int]]) -> None:
        """Send rows (cookie, vlan_vid, MAC as text, port) as an application of Ryu does: objects, one message each.

        Less is done than in such an application, where `send_msg` hands each message to another green thread.
        """
        ofp, parser = self._datapath.ofproto, self._datapath.ofproto_parser
        for xid, (cookie, vlan_vid, mac, port) in enumerate(rows, 1):
            matched = parser.OFPMatch(eth_dst=mac, vlan_vid=vlan_vid)
            actions = [parser.OFPActionPopVlan(), parser.OFPActionOutput(port, 0)]
            instructions = [parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions)]
            message = parser.OFPFlowMod(
                self._datapath, cookie=cookie, priority=PRIORITY, match=matched, instructions=instructions
            )
            message.set_xid(xid)
            message.serialize()
            channel.send(message.buf)

    def read(self, dump: Iterable[bytes]) -> int:
        """Parse the answer to a request for all rows; how many there were."""
        count = 0
        for message in dump:
            head = replies.header(message)
            parsed = self._parse(self._datapath, head.version, head.kind, head.length, head.xid, message)
            count += len(parsed.body)
        return count


def measure(results: Results, rows: int = 20_000, repetitions: int = 5) -> None:
    """Take all figures. Raises RuntimeError where a way leaves the switch with anything else than the rows."""
    plan = [_row(number) for number in range(rows)]
    classes = Classes()
    with tempfile.TemporaryDirectory(prefix="vnet-bench-") as name:
        file = Path(name) / "rows.txt"
        file.write_text("".join(f"cookie={cookie_of(row.origin):#x},{row_text(row)}\n" for row in plan))
        with DummyOvs(Path(name) / "ovs") as ovs:
            ovs.add_bridge(BRIDGE, 1, ports=PORTS)
            with Channels.dialled([ovs.folder / f"{BRIDGE}.mgmt"]) as channels:
                switch = Switch(ovs, channels)
                ways = _ways(switch, plan, file, classes)
                wanted = dict(map(encode_row, plan))
                written, read = _in_turns(switch, ways, wanted, classes, repetitions)
    for way, seconds in written.items():
        for number, one in enumerate(seconds, 1):
            results.point(PICTURE, way, number, rows / one)
    _report_written(results, rows, written, classes.name)
    _report_read(results, rows, read, classes.name)


def _row(number: int) -> Row:
    """A row of the kind that there are most of: a VLAN and a MAC address, untag, out of a port."""
    vlan = FieldMatch(VLAN_VID, VLAN_PRESENT | 1 + number % VLANS)
    conditions = match(vlan, FieldMatch(ETH_DST, FIRST_MAC + number))
    actions = (PopVlan(), Output(1 + number % len(PORTS)))
    return Row(0, PRIORITY, conditions, actions, None, Origin(Subject.INTERFACE, number))


def _ways(switch: Switch, plan: Sequence[Row], file: Path, classes: Classes) -> dict[str, Callable[[], None]]:
    """Each way by its name: called, it returns when the switch has confirmed all rows."""
    encoded = [encode_row(row) for row in plan]
    spelt = []
    for number, row in enumerate(plan):
        mac = (FIRST_MAC + number).to_bytes(6, "big").hex(":")
        spelt.append((cookie_of(row.origin), VLAN_PRESENT | 1 + number % VLANS, mac, 1 + number % len(PORTS)))

    def ours(rows: Iterable[tuple[bytes, bytes]]) -> None:
        steps = ((Kind.ROW_ADD, key, value) for key, value in rows)
        for chunk in bundle(VERSION, 1, steps, 3, 1, 2):
            switch.channel.send(chunk)
        _wait(switch.channel, _is_committed)

    def through_classes() -> None:
        classes.send(switch.channel, spelt)
        switch.channel.send(messages.barrier(VERSION, 0))
        _wait(switch.channel, lambda message: message[1] == MessageType.BARRIER_REPLY)

    return {
        OURS: lambda: ours(encoded),
        OURS_ENCODED: lambda: ours(map(encode_row, plan)),
        OVS_BUNDLE: lambda: _ofctl(switch, "--bundle", "add-flows", BRIDGE, str(file)),
        OVS_PLAIN: lambda: _ofctl(switch, "add-flows", BRIDGE, str(file)),
        classes.name: through_classes,
    }


def _ofctl(switch: Switch, *arguments: str) -> None:
    switch.ovs.ofctl(*arguments)


def _is_committed(message: bytes) -> bool:
    if message[1] != MessageType.BUNDLE_CONTROL:
        return False
    reply = replies.bundle_reply(message)
    return reply is not None and reply.step == BundleStep.COMMIT_REPLY


def _wait(channel: Channel, is_last: Callable[[bytes], bool]) -> None:
    """Read from a connection until a message comes. Raises RuntimeError for a refusal and for a connection's end."""
    received = b""
    while True:
        data = channel.socket.recv(RECEIVE)
        if not data:
            raise RuntimeError("the switch closed the connection")
        whole, received = replies.split(received + data)
        for message in whole:
            if message[1] == MessageType.ERROR:
                raise RuntimeError(f"the switch refused: {replies.error(message)}")
            if is_last(message):
                return


def _in_turns(
    switch: Switch, ways: Mapping[str, Callable[[], None]], wanted: Encoded, classes: Classes, repetitions: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds that each way took to put the rows there, and that ours and the classes took to read a dump of them.

    Each repetition has every way once, and starts with another one.
    """
    written: dict[str, list[float]] = {way: [] for way in ways}
    read: dict[str, list[float]] = {OURS: [], classes.name: []}
    order = list(ways)
    for turn in range(repetitions):
        for way in order[turn % len(order) :] + order[: turn % len(order)]:
            switch.empty()
            written[way].append(_seconds(ways[way]))
            _check(way, switch.dump(), wanted)
        dump = switch.dump()
        read[OURS].append(_seconds(partial(_check, OURS, dump, wanted)))
        read[classes.name].append(_seconds(partial(classes.read, dump)))
    return written, read


def _seconds(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _check(way: str, dump: Iterable[bytes], wanted: Encoded) -> None:
    """Read a dump and compare it with what is wanted, as bytes. Raises RuntimeError where it is not the same."""
    found = {key: value for message in dump for key, value, _, _ in replies.flows(message)}
    if found != wanted:
        wrong = sum(found.get(key) != value for key, value in wanted.items())
        raise RuntimeError(f"{way}: {len(found)} rows on the switch, {wrong} of {len(wanted)} are not there as wanted")


def _report_written(results: Results, rows: int, written: Mapping[str, Sequence[float]], classes: str) -> None:
    rates = {way: [rows / one for one in seconds] for way, seconds in written.items()}
    for way, found in rates.items():
        what = f"{rows:,} rows onto one switch: {_shown(way, classes)}"
        results.add(Figure(SECTION, what, _rate(found), values={"rows a second": median(found)}))
    for peer, target in ((OVS_BUNDLE, BUNDLE_TARGET), (OVS_PLAIN, None), (classes, CLASSES_TARGET)):
        ratios = _ratios(written[peer], written[OURS])
        encoding = median(_ratios(written[peer], written[OURS_ENCODED]))
        results.add(
            Figure(
                SECTION,
                f"ours from compiled rows against {_shown(peer, classes)}",
                f"{median(ratios):.2f} x ({spread(ratios)})",
                "" if target is None else f"{target:g} x",
                None if target is None else median(ratios) >= target,
                f"{encoding:.2f} x with our encoding included",
                {"ratio": median(ratios), "ratio, encoding included": encoding},
            )
        )


def _report_read(results: Results, rows: int, read: Mapping[str, Sequence[float]], classes: str) -> None:
    ours, theirs = ([rows / one for one in read[way]] for way in (OURS, classes))
    ratios = _ratios(read[classes], read[OURS])
    results.add(
        Figure(
            SECTION,
            f"a dump of {rows:,} rows, in memory: ours, read and compared with what is wanted",
            _rate(ours),
            beside=f"{_shown(classes, classes)}, read only: {_rate(theirs)}; {median(ratios):.1f} x ({spread(ratios)})",
            values={"rows a second": median(ours), "theirs": median(theirs), "ratio": median(ratios)},
        )
    )


def _ratios(theirs: Sequence[float], ours: Sequence[float]) -> list[float]:
    """How many times as fast ours was, in each repetition."""
    return [their / our for their, our in zip(theirs, ours, strict=True)]


def _rate(rates: Sequence[float]) -> str:
    return f"{median(rates):,.0f} rows a second ({min(rates):,.0f} to {max(rates):,.0f})"


def _shown(way: str, classes: str) -> str:
    return f"{classes}'s classes, one message a row" if way == classes else way
