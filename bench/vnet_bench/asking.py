"""How far questions for addresses go: every member of a network asks for every other, with and without subnets.

    members ── host1 ─┐                          ┌─ host3 ── members
                      ├─ edgeA ── core ── edgeB ─┤
    members ── host2 ─┘                          └─ host4 ── members

Real switches over the dummy data path, with the controller's rows: links are unix sockets between two dummy ports,
machines are frames that are put into an access port, and what every port sends is kept. The machines themselves say
nothing, so every answer that comes is the data path's.
"""

from __future__ import annotations

import re
import struct
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from ryu_vnet.model.outside import Address
from ryu_vnet.schema import Intent
from ryu_vnet.services.neighbours import Said, question, said_in

from .bridges import bridges_of
from .controller import Controller
from .dummy_ovs import DummyOvs
from .ovn_children import wait_until
from .results import Figure, Results

SECTION = "gateway"
HOSTS = ("host1", "host2", "host3", "host4")
MEMBERS = 16
REALISED_SECONDS = 60
AT_ONCE = 15
"""How many frames are put in at once: a dummy port drops what comes when 100 wait."""
MTU = 1600
SUBNETS = ["10.0.0.0/24", "fd00:1::/64"]
FILE_HEADER, RECORD_HEADER = 24, 16
"""Bytes of pcap files, in this machine's byte order."""
ETHERNET_HEADER = 14
ARP_SIZE, SOLICITATION_SIZE = 28, 72
"""Bytes after the Ethernet header: of ARP, and of IPv6 with a solicitation that says who asks."""
_COUNTERS = re.compile(r"^  port \d+: (\S+) .*\n    RX packets:(\d+) .*\n    TX packets:(\d+) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Member:
    """A machine and its access port."""

    number: int

    @property
    def mac(self) -> int:
        return 0x02_00_00_00_07_00 + self.number

    @property
    def host(self) -> str:
        return HOSTS[self.number % len(HOSTS)]

    @property
    def port(self) -> str:
        return f"m{self.number}"

    def address(self, version: int) -> Address:
        """Its own address of IPv4 or IPv6."""
        return IPv4Address("10.0.0.10") + self.number if version == 4 else IPv6Address("fd00:1::10") + self.number


@dataclass(frozen=True, slots=True)
class Heard:
    """How often the questions were heard, at members' ports and on links (trunks, core), and how many were answered."""

    asked: int
    members: int
    links: int
    answered: int


def measure(results: Results) -> None:
    """Count them: ARP and neighbour discovery, first without and then with subnets."""
    members = [Member(number) for number in range(MEMBERS)]
    with tempfile.TemporaryDirectory(prefix="vnet-bench-") as name:
        folder = Path(name)
        with DummyOvs(folder / "ovs") as ovs, Controller(folder) as controller:
            _make(ovs, controller.target, folder, Intent.model_validate(_intent(members, ovs.database, [])))
            heard: dict[tuple[int, bool], Heard] = {}
            for is_answered in (False, True):
                document = _intent(members, ovs.database, SUBNETS if is_answered else [])
                answer = controller.ask("POST", f"/v1/apply?wait={REALISED_SECONDS}", document)
                if not answer["realised"]:
                    raise RuntimeError(f"not ready after {REALISED_SECONDS} s: {answer['pending']}")
                for version in (4, 6):
                    heard[version, is_answered] = _ask(ovs, folder, members, version)
    for version, what in ((4, "ARP requests"), (6, "neighbour solicitations")):
        _report(results, what, heard[version, False], heard[version, True])


def _report(results: Results, what: str, without: Heard, with_subnets: Heard) -> None:
    if without.answered or with_subnets.answered != with_subnets.asked:
        raise RuntimeError(f"{what}: {without} without subnets, {with_subnets} with them")
    results.add(
        Figure(
            SECTION,
            f"{what}, {MEMBERS} members on {len(HOSTS)} hosts ask for each other: heard by members / on links, "
            "answered in the data path",
            f"{with_subnets.members:,} / {with_subnets.links:,}",
            beside=f"without answering {without.members:,} / {without.links:,}; {without.asked:,} asked",
            values={
                "members": with_subnets.members,
                "links": with_subnets.links,
                "members without": without.members,
                "links without": without.links,
                "asked": without.asked,
            },
        )
    )


# --- the fabric -------------------------------------------------------------------------------------------------------


def _intent(members: Iterable[Member], database: str, subnets: list[str]) -> dict[str, Any]:
    segments = {**dict.fromkeys(HOSTS[:2], "A"), **dict.fromkeys(HOSTS[2:], "B"), "edgeA": "A", "edgeB": "B"}
    names = (*segments, "core")
    switches = {
        name: {"dpid": number, "segment": segments.get(name), "ovsdb": database} for number, name in enumerate(names, 1)
    }
    ends = [("trunk", host, f"edge{segments[host]}") for host in HOSTS]
    ends += [("core", "edgeA", "core"), ("core", "edgeB", "core")]
    links = [{"kind": kind, "a": f"{a}:{a}-{b}", "b": f"{b}:{_other_end(f'{a}-{b}')}"} for kind, a, b in ends]
    nodes = {}
    for member in members:
        ips = [str(member.address(version)) for version in (4, 6)]
        at = f"{member.host}:{member.port}"
        eth0 = {"mac": member.mac.to_bytes(6, "big").hex(":"), "ips": ips, "at": at, "network": "net"}
        nodes[member.port] = {"running": True, "interfaces": {"eth0": eth0}}
    tenant = {"networks": {"net": {"subnets": subnets}}, "nodes": nodes}
    return {"fabric": {"switches": switches, "links": links}, "tenants": {"red": tenant}}


def _make(ovs: DummyOvs, target: str, folder: Path, intent: Intent) -> None:
    """The bridges, their links and a capture of what each port sends."""
    for bridge in bridges_of(intent):
        ovs.add_bridge(bridge.name, bridge.dpid, target, bridge.ports)
        for port in bridge.ports:
            ovs.vsctl("set", "interface", port, f"options:tx_pcap={_capture(folder, port)}")
    assert intent.fabric is not None
    for number, link in enumerate(intent.fabric.links):
        a, b = (end.partition(":")[2] for end in (link.a, link.b))
        path = folder / f"link{number}"
        # Who listens comes first: the other tries again only after a second.
        ovs.vsctl("set", "interface", a, f"options:pstream=punix:{path}", f"mtu_request={MTU}")
        ovs.vsctl("set", "interface", b, f"options:stream=unix:{path}", f"mtu_request={MTU}")
        wait_until(lambda b=b: f"{b}: connected" in ovs.appctl("netdev-dummy/conn-state", b), f"{link.a} to {link.b}")


def _capture(folder: Path, port: str) -> Path:
    return folder / f"{port}.pcap"


# --- questions --------------------------------------------------------------------------------------------------------


def _ask(ovs: DummyOvs, folder: Path, members: list[Member], version: int) -> Heard:
    """Every member asks for every other; how often that was heard."""
    access = {member.port for member in members}
    questions: set[bytes] = set()
    # Rows are in the tables when a switch says so; what the data path remembers of older ones goes a little later.
    ovs.appctl("revalidator/wait")
    before = {path: path.stat().st_size for path in folder.glob("*.pcap")}
    for member in members:
        frames = [
            question(member.mac, member.address(version), other.address(version))
            for other in members
            if other is not member
        ]
        questions.update(asked_in(frame) for frame in frames)
        for start in range(0, len(frames), AT_ONCE):
            _put_in(ovs, member.port, frames[start : start + AT_ONCE])
    heard = {"members": 0, "links": 0, "answered": 0}
    macs = {member.address(version): member.mac for member in members}
    for path, size in before.items():
        for frame in frames_of(path, size):
            if any(asked in frame for asked in questions):
                heard["members" if path.stem in access else "links"] += 1
            elif path.stem in access and (said := said_in(frame)) and said == Said(said.address, macs[said.address]):
                heard["answered"] += 1
    return Heard(len(questions), **heard)


def asked_in(frame: bytes) -> bytes:
    """What stays the same of a question, whatever tag or label is before it: who asks, and for whom."""
    size = ARP_SIZE if frame[12:14] == b"\x08\x06" else SOLICITATION_SIZE
    return frame[ETHERNET_HEADER : ETHERNET_HEADER + size]


def frames_of(capture: Path, start: int) -> Iterator[bytes]:
    """The frames that a pcap file has from an offset on, which is its size at some earlier time."""
    data = capture.read_bytes()
    at = max(start, FILE_HEADER)
    while at < len(data):
        (length,) = struct.unpack_from("=8xI4x", data, at)
        yield data[at + RECORD_HEADER : at + RECORD_HEADER + length]
        at += RECORD_HEADER + length


def _put_in(ovs: DummyOvs, port: str, frames: list[bytes]) -> None:
    """Put frames into a port, and wait until all came to an end: what one end of a link has sent the other has
    received."""
    wanted = _counters(ovs)[port][0] + len(frames)
    ovs.appctl("netdev-dummy/receive", port, *(frame.hex() for frame in frames))

    def is_quiet() -> bool:
        counters = _counters(ovs)
        ends = [name for name in counters if "-" in name and not name.startswith("ovs-")]
        has_passed = all(counters[name][1] == counters[_other_end(name)][0] for name in ends)
        return counters[port][0] == wanted and has_passed

    wait_until(is_quiet, f"frames put into {port} came to an end")


def _other_end(port: str) -> str:
    """The port at the other end of a link: a port of one is called after its switch and the other one."""
    here, _, there = port.partition("-")
    return f"{there}-{here}"


def _counters(ovs: DummyOvs) -> dict[str, tuple[int, int]]:
    """Frames received and sent by each port."""
    shown = ovs.appctl("dpctl/show", "--statistics")
    return {name: (int(received), int(sent)) for name, received, sent in _COUNTERS.findall(shown)}
