"""Requests: what each does, that asking twice is asking once, and that a wrong one changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from drawn import new_system, plug_everything

from ryu_vnet.errors import Conflict, Invalid, NotFound
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.communication import Effects
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.system import System
from ryu_vnet.model.documents import to_document
from ryu_vnet.model.values import LABELS
from ryu_vnet.schema import Intent, InterfaceSpec, NetworkSpec, NodeSpec, TrafficSpec

TOPOLOGIES = Path(__file__).parents[2] / "topologies"


def figure() -> dict:  # type: ignore[type-arg]
    return yaml.safe_load((TOPOLOGIES / "figure.yaml").read_text())  # type: ignore[no-any-return]


def with_figure() -> System:
    system = new_system()
    system.request(lambda work: requests.apply(work, Intent.model_validate(figure())))
    return system


def contents(system: System) -> object:
    """Everything that a request could have changed."""
    documents = {key: to_document(value) for key in system.model.keys("") if (value := system.model.get(key))}
    return system.revision, system.fabric, documents, dict(system.tables)


@pytest.mark.parametrize("file", sorted(TOPOLOGIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_topology_is_accepted_and_a_second_time_changes_nothing(file: Path) -> None:
    system = new_system()
    intent = Intent.model_validate(yaml.safe_load(file.read_text()))
    first = system.request(lambda work: requests.apply(work, intent))
    before = contents(system)
    again = system.request(lambda work: requests.apply(work, intent))
    assert first.changed and not again.changed
    assert again.revision == first.revision
    assert contents(system) == before


def test_the_figure_gives_z_another_tag_in_each_segment_and_x_no_label() -> None:
    system = with_figure()
    z = system.model.network("blue/Z")
    assert z is not None
    grants = {grant.segment: grant.tag for grant in system.model.grants() if grant.network == z.number}
    assert set(grants) == {"A", "B"} and grants["A"] != grants["B"]
    x = system.model.network("red/X")
    assert x is not None
    assert [grant.segment for grant in system.model.grants() if grant.network == x.number] == ["A"]


def broken(path: str, value: object) -> dict:  # type: ignore[type-arg]
    """The figure with one value replaced; None removes it."""
    document = figure()
    *way, last = path.split(" ")
    part = document
    for step in way:
        part = part[int(step)] if isinstance(part, list) else part[step]
    if value is None:
        del part[last]
    else:
        part[int(last) if isinstance(part, list) else last] = value
    return document


VM12 = "tenants blue nodes vm1.2 interfaces eth0"
VM31 = "tenants blue nodes vm3.1 interfaces eth0"
WRONG = {
    "unknown switch": (f"{VM12} at", "host9:vm1.2", "interfaces.eth0.at", "host9", "host1"),
    "no port": (f"{VM12} at", "host1", "interfaces.eth0.at", "'host1'", "switch:port"),
    "port used twice": (f"{VM12} at", "host1:vm1.1", "interfaces.eth0.at", "host1:vm1.1", "port of its own"),
    "port of a link": (f"{VM12} at", "host1:host1-edgeA", "interfaces.eth0.at", "host1-edgeA", "no link"),
    "a core switch": (f"{VM12} at", "core1:vm1.2", "interfaces.eth0.at", "core1", "labels"),
    "long port": (f"{VM12} at", "host1:a-name-too-long-for-linux", "interfaces.eth0.at", "too-long", "15"),
    "no MAC": (f"{VM12} mac", "02:00:00:00:01", "interfaces.eth0.mac", "02:00:00:00:01", "six pairs"),
    "group MAC": (f"{VM12} mac", "03:00:00:00:01:02", "interfaces.eth0.mac", "03:00", "even"),
    "duplicate MAC": (f"{VM12} mac", "02:00:00:00:03:01", ".mac", "02:00:00:00:03:01", "once in a network"),
    "no IP": (f"{VM12} ips 0", "10.0.0.256", "interfaces.eth0.ips[0]", "10.0.0.256", "10.0.0.11"),
    "host bits": (f"{VM12} ips 0", "10.0.0.1/24", "interfaces.eth0.ips[0]", "10.0.0.1/24", "fd00::/64"),
    "multicast IP": (f"{VM12} ips 0", "224.0.0.1", "interfaces.eth0.ips[0]", "224.0.0.1", "unicast"),
    "unknown network": (f"{VM12} network", "W", "interfaces.eth0.network", "'W'", "Z"),
    "no place": (f"{VM12} at", None, "interfaces.eth0.at", "running", "switch:port"),
    "same dpid": ("fabric switches host2 dpid", 1, "fabric.switches.host2.dpid", "0x1", "datapath-id"),
    "zero dpid": ("fabric switches host2 dpid", 0, "fabric.switches.host2.dpid", "0x0", "1 to"),
    "link to nowhere": ("fabric links 0 b", "edgeX:p", "fabric.links[0].b", "edgeX", "edgeA"),
    "link used twice": ("fabric links 1 b", "edgeA:edgeA-host1", "fabric.links[1].b", "edgeA-host1", "one link"),
    "link to itself": ("fabric links 0 b", "host1:p", "fabric.links[0]", "host1", "two switches"),
    "trunk abroad": ("fabric links 0 b", "edgeB:p", "fabric.links[0]", "segment A to segment B", "kind: core"),
    "segment in two": ("fabric links 0", None, "fabric.links", "segment A", "trunk links"),
    "no edge": ("fabric links 5", None, "tenants.blue.nodes.vm3", "segment B has no edge", "kind core"),
    "no way": ("fabric links 4", None, "tenants.", "no core link connects", "join their edges"),
    "tenant's name": ("tenants red/blue", {}, "tenants.red/blue", "red/blue", "letter or digit"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_intent_names_place_value_and_what_would_be_right(case: str) -> None:
    path, value, where, named, right = WRONG[case]
    if case in ("segment in two", "no edge", "no way"):
        document = figure()
        del document["fabric"]["links"][int(path.split(" ")[-1])]
    else:
        document = broken(path, value)
    for system in (new_system(), with_figure()):
        before = contents(system)
        with pytest.raises(Invalid) as refused:
            system.request(lambda work: requests.apply(work, Intent.model_validate(document)))
        text = "\n".join(str(problem) for problem in refused.value.problems)
        assert any(where in problem.where for problem in refused.value.problems), text
        assert named in text and right in text, text
        assert contents(system) == before


def test_all_problems_are_reported_at_once() -> None:
    document = figure()
    for node in ("vm1.2", "vm3.1", "vm3.2"):
        document["tenants"]["blue"]["nodes"][node]["interfaces"]["eth0"]["mac"] = "nonsense"
    with pytest.raises(Invalid) as refused:
        new_system().request(lambda work: requests.apply(work, Intent.model_validate(document)))
    assert len(refused.value.problems) == 3


def test_attach_detach_start_stop_and_back_give_the_same_tables() -> None:
    system = with_figure()
    before = dict(system.tables)
    system.request(lambda work: requests.stop(work, "blue", "vm3.1"))
    assert dict(system.tables) != before
    system.request(lambda work: requests.start(work, "blue", "vm3.1", {}))
    assert dict(system.tables) == before
    system.request(lambda work: requests.detach(work, "blue", "Z", "vm3.1", None))
    assert dict(system.tables) != before
    system.request(lambda work: requests.attach(work, "blue", "Z", "vm3.1", "eth0"))
    assert dict(system.tables) == before


def test_a_node_starts_where_the_request_says() -> None:
    system = with_figure()
    system.request(lambda work: requests.stop(work, "blue", "vm3.1"))
    system.request(lambda work: requests.start(work, "blue", "vm3.1", {"eth0": "host2:new"}))
    node = system.model.node("blue/vm3.1")
    assert node is not None and str(node.interfaces[0].place) == "host2:new"


def test_what_is_in_the_way_is_named() -> None:
    system = with_figure()
    attempts = [
        (Conflict, lambda work: requests.delete_network(work, "red", "X"), "red/vm1.1"),
        (Conflict, lambda work: requests.delete_tenant(work, "red"), "1 network(s) and 2 node(s)"),
        (NotFound, lambda work: requests.delete_node(work, "red", "vm9"), "vm1.1, vm2.2"),
        (NotFound, lambda work: requests.delete_network(work, "red", "Q"), "'Q'"),
        (NotFound, lambda work: requests.put_network(work, "nobody", "X", NetworkSpec()), "'nobody'"),
        (NotFound, lambda work: requests.attach(work, "red", "X", "vm1.1", "eth7"), "eth0"),
        (NotFound, lambda work: requests.start(work, "red", "vm1.1", {"eth7": "host1:x"}), "eth0"),
        (Invalid, lambda work: requests.start(work, "red", "vm1.1", {"eth0": "host9:x"}), "host9"),
    ]
    before = contents(system)
    for kind, edit, named in attempts:
        with pytest.raises(kind) as refused:
            system.request(edit)
        assert named in str(refused.value)
        assert contents(system) == before


def attached(system: System, *networks: str) -> tuple[str, ...]:
    """The networks of blue's vm3.1, after it was put into these."""
    for name in networks:
        system.request(lambda work, name=name: requests.attach(work, "blue", name, "vm3.1", None))
    node = system.model.node("blue/vm3.1")
    assert node is not None
    return node.interfaces[0].networks


def combined(system: System) -> dict[str, int]:
    """The combinations that are granted, with their numbers."""
    return {combination.ref: combination.number for combination in system.model.combinations()}


def test_an_interface_is_in_several_networks() -> None:
    system = with_figure()
    for name in ("Q", "R"):
        system.request(lambda work, name=name: requests.put_network(work, "blue", name, NetworkSpec()))
    assert attached(system, "Q", "R", "Q") == ("Q", "R", "Z")
    # In the order of their numbers: Z was there first.
    assert [*combined(system)] == ["blue/Z+Q", "blue/Z+Q+R"]
    numbers = {*combined(system).values()}
    assert not numbers & {network.number for network in system.model.networks()} and len(numbers) == 2
    system.request(lambda work: requests.detach(work, "blue", "Q", "vm3.1", None))
    assert [*combined(system)] == ["blue/Z+R"]
    assert {resting.identifier for resting in system.model.resting(LABELS)} == numbers
    system.request(lambda work: requests.delete_node(work, "blue", "vm3.1"))
    assert combined(system) == {}


def test_another_class_is_another_order() -> None:
    system = with_figure()
    system.request(lambda work: requests.put_network(work, "blue", "Q", NetworkSpec()))
    attached(system, "Q")
    assert [*combined(system)] == ["blue/Z+Q"]
    web = NetworkSpec(traffic=[TrafficSpec(protocol="tcp", port="80")])
    system.request(lambda work: requests.put_network(work, "blue", "Q", web))
    assert [*combined(system)] == ["blue/Q+Z"]


def in_all(system: System, specs: list[NetworkSpec]) -> None:
    def edit(work: Work) -> None:
        for index, spec in enumerate(specs):
            requests.put_network(work, "blue", f"n{index}", spec)
            requests.attach(work, "blue", f"n{index}", "vm3.1", None)

    system.request(edit)


# Each range is 30 blocks or so; those of one network meet all of the other's.
RANGES: list[dict[str, Any]] = [{"source_port": "1-65534"}, {"destination_port": "1-65534"}]
CROSSED: list[dict[str, Any]] = [*({"protocol": str(n)} for n in range(100, 108)), *({"dscp": n} for n in range(8))]


@pytest.mark.parametrize(
    ("specs", "named"),
    [
        ([NetworkSpec()] * 32, ["33 networks at once", "at most 32"]),
        ([NetworkSpec(tagged=True)], ["blue/n0, whose nodes may send tags", "blue/Z", "agree on `tagged`"]),
        (
            [NetworkSpec(traffic=[TrafficSpec(protocol="tcp", **part)]) for part in RANGES],
            ["too many kinds of traffic", "1024 rows", "fewer ranges"],
        ),
        (
            [NetworkSpec(traffic=[TrafficSpec(**part)]) for part in CROSSED],
            ["overlap in", "at most 64 ways"],
        ),
    ],
    ids=["too many", "tagged and not", "too many rows", "too many ways"],
)
def test_networks_that_cannot_go_together(specs: list[NetworkSpec], named: list[str]) -> None:
    system = with_figure()
    before = contents(system)
    with pytest.raises(Invalid) as refused:
        in_all(system, specs)
    assert all(words in str(refused.value) for words in named), refused.value
    assert contents(system) == before


@pytest.mark.parametrize(
    ("term", "named"),
    [
        ({}, ["traffic[0]", "says nothing"]),
        ({"protocol": "htp"}, ["traffic[0].protocol", "'htp'", "tcp"]),
        ({"protocol": "256"}, ["'256'"]),
        ({"protocol": "tcp", "port": "0"}, ["traffic[0].port", "'0'", "1 to 65535"]),
        ({"protocol": "tcp", "port": "90-80"}, ["'90-80'"]),
        ({"protocol": "tcp", "port": "80", "source_port": "9"}, ["port beside source_port"]),
        ({"port": "80"}, ["ports without a protocol", "tcp, udp or sctp"]),
        ({"protocol": "icmp", "port": "80"}, ["ports without a protocol"]),
        ({"protocol": "icmp", "ethertype": "ipv6"}, ["icmp does not run over ipv6"]),
        ({"ethertype": "0x88b5", "dscp": 3}, ["0x88b5", "no protocol and no dscp"]),
        ({"ethertype": "0x0806"}, ["ARP", "belong to every class"]),
        ({"ethertype": "0x8847"}, ["MPLS"]),
        ({"ethertype": "40"}, ["0x0028", "no EtherType"]),
    ],
)
def test_classes_that_make_no_sense(term: dict[str, Any], named: list[str]) -> None:
    system = with_figure()
    before = contents(system)
    with pytest.raises(Invalid) as refused:
        in_all(system, [NetworkSpec(traffic=[TrafficSpec(**term)])])
    assert all(words in str(refused.value) for words in named), refused.value
    assert contents(system) == before


def test_a_node_with_several_interfaces_must_say_which_joins() -> None:
    system = with_figure()
    both = {
        "eth0": InterfaceSpec(mac="02:00:00:00:07:00", at="host1:vm7a"),
        "eth1": InterfaceSpec(mac="02:00:00:00:07:01", at="host1:vm7b"),
    }
    system.request(lambda work: requests.put_node(work, "blue", "vm7", NodeSpec(running=True, interfaces=both)))
    with pytest.raises(Invalid, match="eth0, eth1"):
        system.request(lambda work: requests.attach(work, "blue", "Z", "vm7", None))
    system.request(lambda work: requests.attach(work, "blue", "Z", "vm7", "eth1"))
    assert [str(m) for m in system.model.members("blue/Z")][-1] == "blue/vm7 eth1"


def test_a_node_on_a_switch_that_leaves_the_fabric_is_named() -> None:
    system = with_figure()
    document = figure()
    del document["fabric"]["switches"]["host3"], document["fabric"]["links"][2]
    fabric = Intent.model_validate(document).fabric
    assert fabric is not None
    with pytest.raises(Invalid, match="vm3.1.*unknown switch 'host3'"):
        system.request(lambda work: requests.put_fabric(work, fabric))


def test_a_start_is_not_realised_before_its_port_is_there() -> None:
    system = with_figure()
    plug_everything(system)
    system.request(lambda work: requests.stop(work, "blue", "vm3.1"))
    answer = system.request(lambda work: requests.start(work, "blue", "vm3.1", {"eth0": "host3:late"}))
    assert [str(place) for place in system.missing_ports(answer.revision)] == ["host3:late"]
    assert "host3" in system.pending(answer.revision)
    plug_everything(system)
    assert system.missing_ports() == []
    again = system.request(lambda work: requests.start(work, "blue", "vm3.1", {}))
    assert not again.changed and again.revision == answer.revision


def test_a_port_that_a_switch_does_not_have_when_it_comes_is_missing() -> None:
    system = with_figure()
    assert system.missing_ports() == []
    system.effect("host3", Effects(ports={"host3-edgeB": PortState(1, True), "vm3.2": PortState(2, True)}))
    assert [str(place) for place in system.missing_ports(1)] == ["host3:vm3.1"]


@pytest.mark.parametrize(
    "text", ["tcp:host1:6640", "ssl:10.0.0.1", "tcp:10.0.0.1:0", "tcp:10.0.0.1:65536", "unix:db.sock", "10.0.0.1:6640"]
)
def test_a_database_is_where_it_can_listen(text: str) -> None:
    """A host's name too is refused: nothing here resolves it, and Open vSwitch's library would take it for this one."""
    system = with_figure()
    before = contents(system)
    wrong = figure() | {"tenants": {}}
    wrong["fabric"]["switches"]["host1"]["ovsdb"] = text
    with pytest.raises(Invalid, match=rf"switches.host1.ovsdb: '{text}' is not where a database listens"):
        system.request(lambda work: requests.apply(work, Intent.model_validate(wrong)))
    assert contents(system) == before


@pytest.mark.parametrize("text", ["tcp:10.0.0.1:6640", "ssl:[fd00::1]:6640", "unix:/run/openvswitch/db.sock"])
def test_where_a_database_may_listen(text: str) -> None:
    system, right = with_figure(), figure()
    right["fabric"]["switches"]["host1"]["ovsdb"] = text
    system.request(lambda work: requests.apply(work, Intent.model_validate(right)))
    assert system.fabric.switches["host1"].ovsdb == text
