"""Moves: who moves is reached where he is, at every step, and nobody else gets anything of his."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drawn import Endpoint, applied, endpoints, intents, plug_everything, simulator
from drawn_frames import BROADCAST, classed, forged, to_everybody, unicast
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import receivers

from ryu_vnet.errors import Conflict, Invalid, NotFound, VnetError
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import moves, requests
from ryu_vnet.managers.communication import Effects
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.system import System
from ryu_vnet.model.values import Interface, Node, Place
from ryu_vnet.openflow.replies import PacketIn
from ryu_vnet.schema import FabricSpec, Intent, InterfaceSpec, LinkSpec, NetworkSpec, NodeSpec, SwitchSpec, TenantSpec

ANY_SHAPE = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(system: System, ends: list[Endpoint], mover: Endpoint, also: Endpoint | None = None) -> None:
    """All frames to and from a node, where it is, or (`also`) as it comes from where it will be."""
    fabric = simulator(system)
    for source in (mover, *([also] if also else [])):
        others = [end for end in ends if end is not mover]
        frames = [*to_everybody(source), *classed(source, BROADCAST)]
        for to in others:
            frames += [*unicast(source, to), *classed(source, to.mac)[:4]]
        for frame in frames:
            trace = fabric.inject(source.switch, source.port, frame)
            assert not trace.anomalies, trace.text()
            # What it says to everybody as it comes may also come to where it was, which is nobody else's.
            got = sorted(place for place in trace.delivered_to() if place != (mover.switch, mover.port))
            assert got == receivers(system, ends, mover, frame), trace.text()
        for victim in others:
            for frame in forged(source, victim):
                assert fabric.inject(source.switch, source.port, frame).deliveries == ()
    for source in ends:
        if source is not mover:
            for frame in [*unicast(source, mover), *to_everybody(source)]:
                trace = fabric.inject(source.switch, source.port, frame)
                assert not trace.anomalies, trace.text()
                assert sorted(trace.delivered_to()) == receivers(system, ends, source, frame), trace.text()


@ANY_SHAPE
@given(intents(several=True), st.integers(0, 2**32))
def test_a_node_is_reached_where_it_is(intent: Intent, seed: int) -> None:
    system = applied(intent)
    ends = endpoints(system, intent)
    inside = [name for name, switch in sorted(system.fabric.switches.items()) if switch.segment is not None]
    if not ends:
        return
    mover = ends[seed % len(ends)]
    tenant, _, name = mover.ref.partition("/")
    target = Place(inside[seed // 7 % len(inside)], "new")
    # Its port is there before, so that it is no sign.
    system.effect(target.switch, Effects(ports={**system.ports[target.switch], "new": PortState(900, True)}))
    try:
        system.request(lambda work: moves.move(work, tenant, name, {"eth0": str(target)}))
    except VnetError:
        return  # It cannot be there: its network does not reach so far, say.
    there = replace(mover, switch=target.switch, port=900)
    check(system, ends, mover, there)
    old = Place(mover.switch, next(n for n, s in system.ports[mover.switch].items() if s.number == mover.port))
    system.request(lambda work: moves.arrive(work, tenant, name))
    ends = [there if end is mover else end for end in ends]
    check(system, ends, there)
    fabric = simulator(system)
    for frame in to_everybody(mover):
        # Nobody is where it was: what comes from there is nobody's.
        assert fabric.inject(mover.switch, mover.port, frame).deliveries == ()
    system.request(lambda work: moves.settle_down(work, tenant, name, {"eth0": old}))
    check(system, ends, there)


# --- one at a time ----------------------------------------------------------------------------------------------------


def two_racks() -> System:
    """h1 and h2 in rack a, h3 in rack b; vm1 on h1, a fellow on each host."""
    switches = {
        "h1": SwitchSpec(dpid=1, segment="a"),
        "h2": SwitchSpec(dpid=2, segment="a"),
        "ra": SwitchSpec(dpid=3, segment="a"),
        "h3": SwitchSpec(dpid=4, segment="b"),
        "rb": SwitchSpec(dpid=5, segment="b"),
    }
    links = [
        LinkSpec(kind="trunk", a="h1:up", b="ra:d1"),
        LinkSpec(kind="trunk", a="h2:up", b="ra:d2"),
        LinkSpec(kind="trunk", a="h3:up", b="rb:d3"),
        LinkSpec(kind="core", a="ra:core", b="rb:core"),
    ]
    nodes = {
        name: NodeSpec(running=True, interfaces={"eth0": InterfaceSpec(ips=[ip], at=at, networks=["net"])})
        for name, ip, at in (
            ("vm1", "10.0.0.1", "h1:vm1"),
            ("f1", "10.0.0.2", "h1:f1"),
            ("f2", "10.0.0.3", "h2:f2"),
            ("f3", "10.0.0.4", "h3:f3"),
        )
    }
    tenants = {"t": TenantSpec(networks={"net": NetworkSpec()}, nodes=nodes)}
    return applied(Intent(fabric=FabricSpec(switches=switches, links=links), tenants=tenants))


def vm1(system: System) -> Interface:
    node = system.model.node("t/vm1")
    assert node is not None
    return node.interfaces[0]


def plug(system: System, switch: str, port: str, *, up: bool = True, gone: bool = False) -> None:
    ports = dict(system.ports[switch])
    ports[port] = PortState(ports[port].number if port in ports else 99, up)
    if gone:
        del ports[port]
    system.effect(switch, Effects(ports=ports))


def move(system: System, to: str) -> None:
    system.request(lambda work: moves.move(work, "t", "vm1", {"eth0": to}))


def test_a_port_that_comes_up_is_a_sign() -> None:
    system = two_racks()
    move(system, "h2:new")
    plug(system, "h2", "new", up=False)
    assert vm1(system).place == Place("h1", "vm1") and vm1(system).target == Place("h2", "new")
    plug(system, "h2", "new")
    assert vm1(system).place == Place("h2", "new") and vm1(system).left == Place("h1", "vm1")


def test_a_port_that_goes_is_a_sign() -> None:
    system = two_racks()
    move(system, "h3:new")
    plug(system, "h1", "vm1", up=False)
    assert vm1(system).place == Place("h1", "vm1")
    plug(system, "h1", "vm1", gone=True)
    assert vm1(system).place == Place("h3", "new")


def test_a_port_that_is_down_is_a_sign_where_the_other_is_there() -> None:
    system = two_racks()
    move(system, "h3:new")
    plug(system, "h3", "new", up=False)
    assert vm1(system).place == Place("h1", "vm1")
    plug(system, "h1", "vm1", up=False)
    assert vm1(system).place == Place("h3", "new")


def test_a_frame_is_a_sign() -> None:
    system = two_racks()
    plug(system, "h2", "new")
    move(system, "h2:new")
    number = vm1(system).number
    system.effect("h2", Effects(heard=PacketIn(0x766E << 48 | 3 << 40 | number, 1, b"")))
    assert vm1(system).place == Place("h2", "new")
    # Others of the same switch, late ones and strange ones are none.
    revision = system.revision
    for cookie in (0x766E << 48 | 3 << 40 | number, 0x766E << 48 | 1 << 40 | number, 7):
        system.effect("h2", Effects(heard=PacketIn(cookie, 1, b"")))
    assert system.revision == revision


def test_what_still_comes_to_the_old_place_is_sent_after_it() -> None:
    """The old host's neighbour still sends there, as it does until it has heard."""
    system = two_racks()
    move(system, "h2:new")
    old = {"ra": system.tables["ra"]}
    plug(system, "h2", "new")
    fabric, port = simulator(system), system.ports["h1"]["up"].number
    interface = vm1(system)
    grant = system.model.grant("a", system.model.network("t/net").number)  # type: ignore[union-attr]
    assert grant is not None and interface.left == Place("h1", "vm1")
    from ryu_vnet.verify import frames

    late = frames.raw(frames.Link(0x02_00_00_00_00_99, interface.mac), 0x88B5, b"late")
    trace = fabric.inject("h1", port, frames.tagged(late, grant.tag))
    assert [(got.switch, got.frame) for got in trace.deliveries] == [("h2", late)], trace.text()
    # While the neighbour does not know either, it does not go round.
    trace = simulator(system, {**system.tables, **old}).inject("h1", port, frames.tagged(late, grant.tag))
    assert trace.deliveries == () and len(trace.crossings) == 1, trace.text()


def test_after_some_seconds_the_old_place_is_forgotten() -> None:
    system = two_racks()
    now = [0.0]
    system._clock = lambda: now[0]
    move(system, "h2:new")
    plug(system, "h2", "new")
    plug_everything(system)
    for seconds in (0.0, 0.5, moves.LINGER_SECONDS):
        assert vm1(system).left is not None
        now[0] += seconds
        system.delivery._awaiting.clear()
        system.tick()
    assert vm1(system).left is None


def test_a_move_back_before_the_first_has_ended() -> None:
    system = two_racks()
    move(system, "h2:new")
    move(system, "h1:vm1")
    assert vm1(system).target is None and vm1(system).place == Place("h1", "vm1")
    move(system, "h2:new")
    plug(system, "h2", "new")
    move(system, "h1:vm1")
    assert vm1(system).target == Place("h1", "vm1") and vm1(system).left is None
    system.request(lambda work: moves.arrive(work, "t", "vm1"))
    assert vm1(system).place == Place("h1", "vm1") and vm1(system).left == Place("h2", "new")


def test_a_move_to_where_it_is_and_arriving_without_a_move_change_nothing() -> None:
    system = two_racks()
    revision = system.revision
    move(system, "h1:vm1")
    system.request(lambda work: moves.arrive(work, "t", "vm1"))
    system.request(lambda work: moves.stay(work, "t", "vm1"))
    assert system.revision == revision


@pytest.mark.parametrize("act", [requests.stop, requests.delete_node])
def test_stopped_or_deleted_in_mid_move(act: object) -> None:
    system = two_racks()
    move(system, "h3:new")
    system.request(lambda work: act(work, "t", "vm1"))  # type: ignore[operator]
    plug(system, "h3", "new")
    plug(system, "h1", "vm1", gone=True)
    node = system.model.node("t/vm1")
    assert node is None or (not node.running and node.interfaces[0].target is None)


@pytest.mark.parametrize(
    ("kind", "to", "named"),
    [
        (Invalid, {}, "is to move nowhere"),
        (Invalid, {"eth0": "h2"}, "write it as switch:port"),
        (Invalid, {"eth0": "h9:x"}, "unknown switch 'h9'"),
        (Invalid, {"eth0": "h2:f2"}, "used twice, also by node t/f2"),
        (Invalid, {"eth0": "h2:up"}, "used by a link"),
        (NotFound, {"eth7": "h2:x"}, "eth0"),
    ],
)
def test_moves_that_cannot_be(kind: type[VnetError], to: dict[str, str], named: str) -> None:
    system = two_racks()
    revision = system.revision
    with pytest.raises(kind) as refused:
        system.request(lambda work: moves.move(work, "t", "vm1", to))
    assert named in str(refused.value) and system.revision == revision


def test_who_does_not_run_does_not_move() -> None:
    system = two_racks()

    def edit(work: Work) -> None:
        requests.stop(work, "t", "vm1")

    system.request(edit)
    with pytest.raises(Conflict, match="does not run"):
        move(system, "h2:new")


def test_a_port_that_somebody_moves_to_is_nobody_elses() -> None:
    system = two_racks()
    move(system, "h2:new")
    with pytest.raises(Invalid, match="used twice, also by node t/vm1"):
        system.request(lambda work: requests.start(work, "t", "f3", {"eth0": "h2:new"}))
    found = system.model.at(Place("h2", "new"))
    assert found is not None and isinstance(found.node, Node) and found.node.name == "vm1"
