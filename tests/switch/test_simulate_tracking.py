"""The simulator and a real ovs-vswitchd rewrite, answer, translate and track alike, byte for byte, out and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

import pytest
from header_probes import catalogue
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from openflow_peer import OpenFlowPeer
from rewriting_tables import random_rewriting
from routing_tables import (
    FAR,
    FAR_IP,
    FAR_IP6,
    IN,
    INSIDE,
    IPV4,
    NODE,
    NODE_IP,
    NODE_IP6,
    OUT,
    OUTSIDE,
    PUBLIC_IP,
    PUBLIC_IP6,
    ROUTER_IP,
    ROUTER_IP6,
    ZONE,
    echo,
    gateway,
    published,
    responders,
    router,
    row,
    table_of,
    tcp,
    twice,
    two_zones,
)
from small_tables import random_frame
from trial_switch import TrialSwitch
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.rows import CheckLarger, FieldMatch, Output, Resubmit, SwitchTable, Track
from ryu_vnet.openflow import messages
from ryu_vnet.openflow.wire import Version
from ryu_vnet.verify import frames
from ryu_vnet.verify.execute import MAX_RECIRCULATIONS
from ryu_vnet.verify.packet import Packet, parse
from ryu_vnet.verify.simulate import Simulator
from ryu_vnet.verify.tracking import Connections

SYN, SYN_ACK, ACK = 2, 18, 16
Sent = dict[int, list[bytes]]


@pytest.fixture(scope="module")
def ovs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DummyOvs]:
    with DummyOvs(tmp_path_factory.mktemp("tracking")) as instance:
        yield instance


@pytest.fixture(scope="module")
def trial(ovs: DummyOvs) -> TrialSwitch:
    return TrialSwitch(ovs)


@pytest.fixture
def both(ovs: DummyOvs, trial: TrialSwitch) -> Both:
    ovs.appctl("dpctl/flush-conntrack")
    return Both(trial)


class Both:
    """One table on a real and a simulated switch, and what both sent for the same frame."""

    def __init__(self, switch: TrialSwitch) -> None:
        self._switch = switch
        self._simulator = Simulator({}, {})
        self.connections = Connections()

    def load(self, table: SwitchTable) -> None:
        self._switch.load(table)
        self._simulator = Simulator({"s": table}, {}, connections=self.connections)

    def send(self, port: int, frame: Packet | bytes, wherever_predicted: bool = False, anomalies: bool = False) -> Sent:
        """The frames that left by each port, which are the same."""
        packet = parse(frame) if isinstance(frame, bytes) else frame
        trace = self._simulator.inject("s", port, packet)
        if trace.anomalies and wherever_predicted:
            return {}
        assert bool(trace.anomalies) == anomalies, trace.text()
        sent: Sent = {}
        for delivery in trace.deliveries:
            sent.setdefault(delivery.port, []).append(delivery.frame.to_bytes())
        assert {number: [frame.hex() for frame in out] for number, out in sent.items()} == {
            number: [frame.hex() for frame in out] for number, out in self._switch.send(port, packet.to_bytes()).items()
        }, trace.text()
        return sent


RESPONSES = {
    "arp": (frames.arp_request(NODE, NODE_IP, ROUTER_IP), True),
    "arp for another": (frames.arp_request(NODE, NODE_IP, "10.0.0.77"), False),
    "arp reply": (frames.arp_reply(OUT, NODE_IP, ROUTER_IP), False),
    "solicitation": (frames.neighbour_solicitation(NODE, NODE_IP6, ROUTER_IP6, NODE), True),
    "solicitation for another": (frames.neighbour_solicitation(NODE, NODE_IP6, "fd00::77", NODE), False),
    "probe without option": (frames.neighbour_solicitation(NODE, "::", ROUTER_IP6), False),
    "echo": (frames.ipv4_echo(OUT, NODE_IP, ROUTER_IP, b"odd"), True),
    "echo over IPv6": (frames.ipv6_echo(OUT, NODE_IP6, ROUTER_IP6, b"odd"), True),
    "echo reply": (echo(OUT, (NODE_IP, ROUTER_IP), 0), False),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_responders(both: Both, name: str) -> None:
    frame, answered = RESPONSES[name]
    both.load(responders())
    assert [*both.send(INSIDE, frame)] == ([INSIDE] if answered else [])
    padded = frame.to_bytes() + bytes(9)
    assert [*both.send(INSIDE, padded)] == ([INSIDE] if answered else [])


def test_what_answers_say(both: Both) -> None:
    """The answers are those that a router would give, checksums included: as if made afresh."""
    both.load(responders())
    back = frames.Link(0x02_00_00_00_00_01, NODE)
    arp = both.send(INSIDE, RESPONSES["arp"][0])
    assert arp == {INSIDE: [frames.arp_reply(back, ROUTER_IP, NODE_IP).to_bytes()]}
    pong = both.send(INSIDE, echo(OUT, (NODE_IP, ROUTER_IP), 8))
    assert pong == {INSIDE: [echo(back, (ROUTER_IP, NODE_IP), 0).to_bytes()]}
    pong6 = both.send(INSIDE, echo(OUT, (NODE_IP6, ROUTER_IP6), 128))
    assert pong6 == {INSIDE: [echo(back, (ROUTER_IP6, NODE_IP6), 129).to_bytes()]}
    (advert,) = both.send(INSIDE, RESPONSES["solicitation"][0])[INSIDE]
    wanted = frames.neighbour_advertisement(back, ROUTER_IP6, ROUTER_IP6, NODE_IP6, back.src).to_bytes()
    # Flags router, solicited and override, where `frames` has no router: its checksum is that much less.
    assert advert[:56] == wanted[:56] and advert[58] == 0xE0 and advert[59:] == wanted[59:]


ROUTED = {
    "udp": frames.ipv4_udp(OUT, NODE_IP, FAR_IP, (1, 2), b"data"),
    "udp without checksum": frames.ipv4(OUT, NODE_IP, FAR_IP, 17, bytes.fromhex("0001000200090000 41")),
    "tcp": frames.ipv4_tcp(OUT, NODE_IP, FAR_IP, (1, 2)),
    "sctp": frames.ipv4_sctp(OUT, NODE_IP, FAR_IP, (1, 2)),
    "echo": frames.ipv4_echo(OUT, NODE_IP, FAR_IP),
    "another protocol": frames.ipv4(OUT, NODE_IP, FAR_IP, 99, b"data", tos=3),
    "udp6": frames.ipv6_udp(OUT, NODE_IP6, FAR_IP6, (1, 2), b"data"),
    "tcp6": frames.ipv6_tcp(OUT, NODE_IP6, FAR_IP6, (1, 2), 46),
    "echo6": frames.ipv6_echo(OUT, NODE_IP6, FAR_IP6, b"small"),
    "larger6": frames.ipv6_udp(OUT, NODE_IP6, FAR_IP6, (1, 2), b"x" * 39),
    "just fits6": frames.ipv6_udp(OUT, NODE_IP6, FAR_IP6, (1, 2), b"x" * 38),
    "another protocol6": frames.ipv6(OUT, NODE_IP6, FAR_IP6, 99, b"data"),
    "a wrong checksum": parse(frames.ipv4_tcp(OUT, NODE_IP, FAR_IP, (1, 2)).to_bytes()[:50] + b"\x12\x34\0\0"),
    "tagged": frames.tagged(frames.ipv4_tcp(OUT, NODE_IP, FAR_IP, (1, 2)), 5),
    "not IP": frames.arp_request(NODE, NODE_IP, FAR_IP),
}


@pytest.mark.parametrize("name", ROUTED)
def test_routing(both: Both, name: str) -> None:
    both.load(router())
    sent = both.send(INSIDE, ROUTED[name])
    assert bool(sent) == (name != "not IP")


@settings(max_examples=30, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 2**32))
def test_random_rewriting(trial: TrialSwitch, seed: int) -> None:
    """Every field set and moved, in whole frames and broken ones; but for what is not modelled (`overwrite`)."""
    random = Random(seed)
    both = Both(trial)
    both.load(random_rewriting(random))
    for frame in [*(random_frame(random) for _ in range(6)), *random.sample(sorted(catalogue().values()), 6)]:
        both.send(INSIDE, frame, wherever_predicted=True)


@pytest.mark.parametrize("ttl", [0, 1, 2, 255])
def test_hops_run_out(both: Both, ttl: int) -> None:
    """A spent TTL ends the row; who resubmitted to it goes on."""
    both.load(router())
    assert [*both.send(INSIDE, frames.ipv4(OUT, NODE_IP, FAR_IP, 99, b"data", ttl=ttl))] == [2, 3][ttl < 2 :]
    assert [*both.send(INSIDE, frames.ipv6(OUT, NODE_IP6, FAR_IP6, 99, b"data", ttl))] == [2][ttl < 2 :]


def conversations(source: str, seen: str, far: str) -> list[list[tuple[int, Packet]]]:
    """Packets of the node and of the far end, in order, each with the port that it comes in by."""
    six = ":" in source
    udp, other = (frames.ipv6_udp, frames.ipv6) if six else (frames.ipv4_udp, frames.ipv4)
    ask, answer = (128, 129) if six else (8, 0)
    return [
        [
            (INSIDE, udp(OUT, source, far, (5000, 53), b"ask")),
            (INSIDE, udp(OUT, source, far, (5000, 53), b"again")),
            (OUTSIDE, udp(IN, far, seen, (53, 5000), b"told")),
            (INSIDE, udp(OUT, source, far, (5000, 53), b"thanks")),
            (OUTSIDE, udp(IN, far, seen, (53, 5000), b"told")),
        ],
        [
            (INSIDE, echo(OUT, (source, far), ask)),
            (OUTSIDE, echo(IN, (far, seen), answer)),
            (INSIDE, echo(OUT, (source, far), ask)),
        ],
        [
            (INSIDE, other(OUT, source, far, 99, b"data")),
            (OUTSIDE, other(IN, far, seen, 99, b"data")),
        ],
    ]


@pytest.mark.parametrize("ends", [(NODE_IP, PUBLIC_IP, FAR_IP), (NODE_IP6, PUBLIC_IP6, FAR_IP6)], ids=["four", "six"])
@pytest.mark.parametrize("kind", range(3))
def test_source_translated_out_and_back(both: Both, ends: tuple[str, str, str], kind: int) -> None:
    both.load(gateway())
    for port, frame in conversations(*ends)[kind]:
        assert [*both.send(port, frame)] == [OUTSIDE if port == INSIDE else INSIDE]


def test_a_tcp_connection_out_and_back(both: Both) -> None:
    both.load(gateway())
    there, back, ports = (NODE_IP, FAR_IP), (FAR_IP, PUBLIC_IP), (5000, 80)
    assert [*both.send(INSIDE, tcp(OUT, there, ports, SYN))] == [OUTSIDE]
    assert [*both.send(OUTSIDE, tcp(IN, back, ports[::-1], SYN_ACK))] == [INSIDE]
    assert [*both.send(INSIDE, tcp(OUT, there, ports, ACK))] == [OUTSIDE]
    assert [*both.send(OUTSIDE, tcp(IN, back, ports[::-1], ACK))] == [INSIDE]


def test_what_nobody_asked_for_stays_outside(both: Both) -> None:
    both.load(gateway())
    assert both.send(OUTSIDE, frames.ipv4_udp(IN, FAR_IP, PUBLIC_IP, (53, 5000))) == {}
    assert both.send(OUTSIDE, frames.ipv4_udp(IN, FAR_IP, NODE_IP, (53, 5000))) == {}
    both.send(INSIDE, frames.ipv4_udp(OUT, NODE_IP, FAR_IP, (5000, 53)))
    for ports in ((53, 5001), (54, 5000)):
        assert both.send(OUTSIDE, frames.ipv4_udp(IN, FAR_IP, PUBLIC_IP, ports)) == {}
    assert [*both.send(OUTSIDE, frames.ipv4_udp(IN, FAR_IP, PUBLIC_IP, (53, 5000)))] == [INSIDE]


def test_one_port_for_the_source(both: Both) -> None:
    both.load(gateway((7000, 7000)))
    assert [*both.send(INSIDE, frames.ipv4_udp(OUT, NODE_IP, FAR_IP, (5000, 53)))] == [OUTSIDE]
    assert [*both.send(OUTSIDE, frames.ipv4_udp(IN, FAR_IP, PUBLIC_IP, (53, 7000), b"told"))] == [INSIDE]


@pytest.mark.parametrize("ports", [None, (8080, 8080)])
def test_destination_translated_in_and_back(both: Both, ports: tuple[int, int] | None) -> None:
    both.load(published(ports))
    service = 53 if ports is None else 8080
    asked = frames.ipv4_udp(IN, FAR_IP, PUBLIC_IP, (5000, 53), b"ask")
    assert {port: len(out) for port, out in both.send(OUTSIDE, asked).items()} == {INSIDE: 1, 3: 1, 4: 1}
    told = frames.ipv4_udp(OUT, NODE_IP, FAR_IP, (service, 5000), b"told")
    assert both.send(INSIDE, told) == {
        OUTSIDE: [frames.ipv4_udp(frames.Link(NODE, FAR), PUBLIC_IP, FAR_IP, (53, 5000), b"told").to_bytes()]
    }


def test_tracked_again_in_the_same_zone_and_in_another(both: Both) -> None:
    both.load(twice())
    for frame in (frames.ipv4_udp(OUT, NODE_IP, FAR_IP, (5000, 53)), frames.ipv4_echo(OUT, NODE_IP, FAR_IP)):
        assert [*both.send(INSIDE, frame)] == [OUTSIDE]


@pytest.mark.parametrize(("size", "ports"), [(45, [2, 3]), (46, [3])])
def test_a_size_is_known_to_the_rest_of_the_row_alone(both: Both, size: int, ports: list[int]) -> None:
    larger = FieldMatch(f.REG7, 1, 1)
    rows = row(0, [], Resubmit(1), Resubmit(2), Output(3)), row(1, [], CheckLarger(size, f.REG7, 0), Resubmit(2))
    both.load(table_of(*rows, row(2, [larger], Output(2))))
    sent = both.send(INSIDE, frames.ipv4(OUT, NODE_IP, FAR_IP, 99, b"x" * 12))
    assert {port: len(out) for port, out in sent.items()} == dict.fromkeys(ports, 1)


@pytest.mark.parametrize(("passes", "arrives"), [(MAX_RECIRCULATIONS, True), (MAX_RECIRCULATIONS + 1, False)])
def test_passes_run_out(both: Both, passes: int, arrives: bool) -> None:
    rows = [row(number, [IPV4], Track(ZONE, number + 1)) for number in range(passes)]
    both.load(table_of(*rows, row(passes, [], Output(OUTSIDE))))
    assert bool(both.send(INSIDE, ROUTED["udp"], anomalies=not arrives)) == arrives


@pytest.mark.parametrize("version", list(Version), ids=lambda version: version.name)
def test_flushing_a_zone(ovs: DummyOvs, both: Both, version: Version) -> None:
    """What was agreed on in that zone is forgotten; another zone's connections stay."""
    both.load(two_zones())
    both.send(INSIDE, frames.ipv4_udp(OUT, NODE_IP, FAR_IP, (5000, 53)))
    assert zones(ovs) == {ZONE, ZONE + 1}
    with OpenFlowPeer(version) as peer:
        peer.dial(ovs.folder / "trial.mgmt")
        peer.send(messages.flush(version, peer.xid(), messages.Connections(ZONE)))
        assert peer.until_barrier() == []
    assert zones(ovs) == {ZONE + 1}


def zones(ovs: DummyOvs) -> set[int]:
    """The zones of the connections that the data path remembers."""
    return {int(zone) for zone in re.findall(r"zone=(\d+)", ovs.appctl("dpctl/dump-conntrack"))}


def test_a_connection_of_a_flushed_zone_is_new_again(ovs: DummyOvs, both: Both) -> None:
    both.load(gateway())
    reply = frames.ipv4_udp(IN, FAR_IP, PUBLIC_IP, (53, 5000))
    both.send(INSIDE, frames.ipv4_udp(OUT, NODE_IP, FAR_IP, (5000, 53)))
    assert [*both.send(OUTSIDE, reply)] == [INSIDE]
    with OpenFlowPeer(Version.OF14) as peer:
        peer.dial(ovs.folder / "trial.mgmt")
        peer.send(messages.flush(Version.OF14, peer.xid(), messages.Connections(ZONE)))
        peer.until_barrier()
    both.connections.flush("s", ZONE)
    assert both.send(OUTSIDE, reply) == {}
