"""Random fabrics of real bridges with random intents: a frame is delivered if and only if a network is shared.

The tables are brought onto the switches by the real managers. Frames go in at access ports and cross the whole fabric,
tags, labels and all. What arrives is compared, byte for byte, with the reference (two running interfaces with the same
network) and with what the simulator says of the compiled tables, and of those dumped from the switches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from drawn import Endpoint, endpoints, intents, simulator
from drawn_frames import BROADCAST, classed, forged, to_everybody, unicast, with_own_tag
from driven_system import DrivenSystem
from dummy_fabric import DummyFabric
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reference import in_order, receivers
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.compiler.rows import SwitchTable
from ryu_vnet.managers.system import System
from ryu_vnet.openflow.rows import decode_row
from ryu_vnet.openflow.wire import Version
from ryu_vnet.schema import Intent
from ryu_vnet.verify.packet import Packet

EXAMPLES = 10
"""Fabrics that are drawn, the same ones every time."""

Arrived = Counter[tuple[str, bytes]]
"""How often each frame left which access port, as `switch:port`."""


def says_something(intent: Intent) -> bool:
    """Whether some network has members on several switches, somebody is in several networks, some of which are for some
    traffic only, and there are five nodes at least."""
    running, classes = 0, 0
    switches: dict[str, set[str]] = {}
    for tenant, spec in intent.tenants.items():
        for node in spec.nodes.values():
            for interface in node.interfaces.values() if node.running else ():
                running += 1
                classes += len(interface.networks) > 1 and any(spec.networks[n].traffic for n in interface.networks)
                for network in interface.networks if interface.at else ():
                    found = switches.setdefault(f"{tenant}/{network}", set())
                    found.add(interface.at.partition(":")[0])
    return running >= 5 and classes > 0 and any(len(found) > 1 for found in switches.values())


class Trial:
    """One fabric with its intent realised, and frames to send through it."""

    def __init__(self, fabric: DummyFabric, driven: DrivenSystem, intent: Intent) -> None:
        self.fabric = fabric
        self.system: System = driven.system
        self.ends = endpoints(self.system, intent)
        self.names = {
            (switch, state.number): f"{switch}:{port}"
            for switch, ports in self.system.ports.items()
            for port, state in ports.items()
        }
        self.compiled = simulator(self.system)
        self.dumped = simulator(self.system, dumped_tables(driven))

    def place(self, end: Endpoint) -> str:
        return self.names[end.switch, end.port]

    def check(self, source: Endpoint) -> None:
        """Put in, where `source` is, every frame that it may send and some that it may not. Each arrives at its
        receivers, and nothing else arrives anywhere."""
        frames = [*self.frames_of(source)]
        meant: Arrived = Counter((self.names[port], frame.to_bytes()) for frame, ports in frames for port in ports)
        told: Arrived = Counter()
        for frame, _ in frames:
            trace = self.compiled.inject(source.switch, source.port, frame)
            assert self.dumped.inject(source.switch, source.port, frame).text() == trace.text()
            told.update((self.names[got.switch, got.port], got.frame.to_bytes()) for got in trace.deliveries)
        sent = self.fabric.send(self.place(source), [frame.to_bytes() for frame, _ in frames])
        arrived = Counter((place, frame) for place, received in sent.items() for frame in received)
        assert arrived == meant
        assert arrived == told

    def frames_of(self, source: Endpoint) -> Iterator[tuple[Packet, list[tuple[str, int]]]]:
        """Frames from a node, each with the ports where it is to arrive."""
        allowed = any(network.tagged for network in in_order(self.system, source.networks))
        legal = [*to_everybody(source), *classed(source, BROADCAST), *(with_own_tag(source) if allowed else [])]
        for to in self.ends:
            if to is not source:
                legal += [*unicast(source, to), *classed(source, to.mac)]
                yield from ((frame, []) for frame in forged(source, to))
        yield from ((frame, receivers(self.system, self.ends, source, frame)) for frame in legal)
        yield from ((frame, []) for frame in ([] if allowed else with_own_tag(source)))


def dumped_tables(driven: DrivenSystem) -> dict[str, SwitchTable]:
    """The tables as they are on the switches, decoded; groups are compared as bytes, and are the compiled ones."""
    tables = {}
    for name, peer in driven.peers.items():
        wanted = driven.system.switches[name].wanted
        assert peer.dump_groups() == wanted.groups
        table = SwitchTable()
        for key, value in peer.dump_rows().items():
            row, _ = decode_row(key, value)
            table.add(row)
        assert table.rows == driven.system.tables[name].rows
        for group in driven.system.tables[name].groups.values():
            table.add_group(group)
        tables[name] = table
    return tables


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(intent=intents(several=True).filter(says_something), version=st.sampled_from([Version.OF13, Version.OF14]))
def test_delivered_if_and_only_if_a_network_is_shared(intent: Intent, version: Version) -> None:
    with TemporaryDirectory() as folder, DummyOvs(Path(folder)) as ovs:
        fabric = DummyFabric(ovs, intent)
        with DrivenSystem(fabric, intent, version) as driven:
            driven.settle()
            trial = Trial(fabric, driven, intent)
            for source in trial.ends:
                trial.check(source)
