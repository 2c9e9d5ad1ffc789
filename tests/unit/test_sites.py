"""Remote sites: requests and their refusals, what follows for machines there, documents, rows at the gateway."""

from __future__ import annotations

from copy import deepcopy
from ipaddress import ip_address
from typing import Any

import pytest
from drawn import new_system, plug_everything
from memory_store import MemoryStore

from ryu_vnet.compiler.text import Style, row_text
from ryu_vnet.errors import Conflict, Invalid, NotFound, VnetError
from ryu_vnet.fabric.documents import fabric_document, fabric_from
from ryu_vnet.fabric.tunnels import Tunnel
from ryu_vnet.managers import moves, pruning, requests
from ryu_vnet.managers.allocation import Allocator
from ryu_vnet.managers.explain import Meanings, Names
from ryu_vnet.managers.fsck.checks import faults_of
from ryu_vnet.managers.fsck.finding import Case
from ryu_vnet.managers.pruning import Prune
from ryu_vnet.managers.sites import delete_site, move_site, put_site
from ryu_vnet.managers.system import System
from ryu_vnet.model.documents import from_document, to_document
from ryu_vnet.model.sites import Protocol, Site
from ryu_vnet.model.state import Draft
from ryu_vnet.model.values import Place, key_of
from ryu_vnet.schema import Intent, NetworkSpec, NodeSpec, SiteSpec

Json = dict[str, Any]

TUNNELS = {
    "vxlan0": {"protocol": "vxlan", "address": "192.0.2.10"},
    "gre0": {"protocol": "gre", "address": "192.0.2.10"},
}
PARIS: Json = {"network": "web", "remote": "198.51.100.10", "key": 5000}
BASE: Json = {
    "fabric": {
        "switches": {
            "host1": {"dpid": 1, "segment": "A"},
            "rack": {"dpid": 2, "segment": "A"},
            "gw1": {"dpid": 3, "segment": "G", "tunnels": TUNNELS},
            "gw2": {"dpid": 4, "segment": "H", "tunnels": {"vx": {"protocol": "vxlan", "address": "192.0.2.20"}}},
            "core": {"dpid": 5},
        },
        "links": [
            {"kind": "trunk", "a": "host1:up", "b": "rack:down"},
            {"kind": "core", "a": "rack:core", "b": "core:rack"},
            {"kind": "core", "a": "gw1:core", "b": "core:gw1"},
            {"kind": "core", "a": "gw2:core", "b": "core:gw2"},
        ],
    },
    "tenants": {
        "red": {
            "networks": {"web": {}, "db": {}},
            "sites": {"paris": PARIS},
            "nodes": {
                "vm1": {
                    "running": True,
                    "interfaces": {"eth0": {"mac": "02:00:00:00:00:01", "at": "host1:vm1", "network": "web"}},
                },
                "p1": {
                    "running": True,
                    "interfaces": {"eth0": {"mac": "02:00:00:00:00:11", "site": "paris", "network": "web"}},
                },
                "p2": {
                    "running": True,
                    "interfaces": {"eth0": {"mac": "02:00:00:00:00:12", "site": "paris", "network": "web"}},
                },
            },
        },
        "blue": {"networks": {"web": {}}},
    },
}


def started() -> System:
    system = new_system()
    apply(system, BASE)
    plug_everything(system)
    return system


def apply(system: System, document: Json) -> None:
    intent = Intent.model_validate(document)
    system.request(lambda work: requests.apply(work, intent))


def put(system: System, name: str, tenant: str = "red", **parts: Any) -> None:
    spec = SiteSpec.model_validate({**PARIS, **parts})
    system.request(lambda work: put_site(work.draft, work.fabric, work.allocator, tenant, name, spec))


def move(system: System, switch: str) -> None:
    system.request(lambda work: move_site(work.draft, work.fabric, "red", "paris", switch))


def rows(system: System, switch: str, *words: str) -> list[str]:
    texts = [row_text(row, Style.MEANING) for row in system.tables[switch].rows.values()]
    return sorted(text for text in texts if all(word in text for word in words))


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_site_is_granted_a_gateway_and_who_is_there_shares_its_port() -> None:
    system = started()
    site = system.model.site("red/paris")
    assert site is not None
    assert (site.switch, site.port, site.protocol) == ("gw1", "vxlan0", Protocol.VXLAN)
    for name in ("p1", "p2"):
        (interface,) = system.model.node(f"red/{name}").interfaces  # type: ignore[union-attr]
        assert interface.place == Place("gw1", "vxlan0")
        assert interface.site_number == site.number
    assert system.model.at(Place("gw1", "vxlan0")) is None
    assert "gw1" not in system.model.taken()


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        ({"network": "none"}, Invalid, "no network 'none'"),
        ({"key": 1 << 24}, Invalid, "is no key of vxlan (1 to 16777215)"),
        ({"protocol": "gre", "key": 1 << 32}, Invalid, "is no key of gre"),
        ({"remote": "192.0.2.10"}, Invalid, "our own tunnel port gw1:vxlan0"),
        ({"remote": "here"}, Invalid, "is not an IP address"),
        ({"remote": "224.0.0.1"}, Invalid, "is nobody's address"),
        ({"remote": "2001:db8::1"}, Invalid, "no switch has a vxlan tunnel over IPv6"),
        ({"gateways": ["rack"]}, Invalid, "'rack' has no vxlan tunnel over IPv4 (one of gw1, gw2)"),
        ({"gateways": ["gw2"], "protocol": "gre"}, Invalid, "'gw2' has no gre tunnel"),
        ({"gateways": ["gw1", "gw1"]}, Invalid, "named twice"),
        ({"mtu": 1600}, Invalid, "more than the tunnel port gw1:vxlan0 takes"),
        ({"mtu": 600}, Invalid, "550 bytes of IP would be left"),
        ({}, Conflict, "vxlan key 5000 of 198.51.100.10 at gw1 is site red/paris's"),
        ({"tenant": "blue"}, Conflict, "is another tenant's"),
        ({"tenant": "green"}, NotFound, "no tenant 'green'"),
    ],
)
def test_a_site_is_refused(parts: Json, error: type[VnetError], words: str) -> None:
    system = started()
    before = {*map(str, system.model.values())}
    with pytest.raises(error) as raised:
        put(system, "rome", **parts)
    assert words in str(raised.value)
    assert {*map(str, system.model.values())} == before


def test_two_sites_may_differ_by_key_by_end_by_protocol_or_by_gateways() -> None:
    system = started()
    put(system, "rome", key=5001)
    put(system, "oslo", remote="198.51.100.11")
    put(system, "cairo", protocol="gre")
    put(system, "paris", gateways=["gw1"])
    put(system, "lima", tenant="blue", gateways=["gw2"])
    assert [site.ref for site in system.model.sites()] == [
        "blue/lima",
        *(f"red/{n}" for n in ("cairo", "oslo", "paris", "rome")),
    ]


@pytest.mark.parametrize(
    ("interface", "words"),
    [
        ({"site": "rome", "network": "web"}, "no site 'rome' (paris)"),
        ({"site": "paris", "at": "host1:x", "network": "web"}, "both a place"),
        ({"site": "paris", "network": "db"}, "to which red/web alone extends"),
        ({"site": "paris", "networks": ["db", "web"]}, "and would be in db"),
        ({"at": "gw1:vxlan0", "network": "web"}, "port gw1:vxlan0 leads to remote sites"),
        ({"site": "paris", "mac": "02:00:00:00:00:11", "network": "web"}, "occurs twice in network red/web"),
    ],
)
def test_a_machine_at_a_site_is_refused(interface: Json, words: str) -> None:
    system = started()
    spec = NodeSpec.model_validate({"running": True, "interfaces": {"eth0": interface}})
    with pytest.raises(Invalid) as raised:
        system.request(lambda work: requests.put_node(work, "red", "p3", spec))
    assert words in str(raised.value)


def test_a_machine_at_a_site_is_not_ours_to_move() -> None:
    system = started()
    with pytest.raises(Invalid, match="not ours to move"):
        system.request(lambda work: requests.start(work, "red", "p1", {"eth0": "host1:x"}))
    with pytest.raises(Invalid, match="not ours to move"):
        system.request(lambda work: moves.move(work, "red", "p1", {"eth0": "host1:x"}))
    spec = NodeSpec.model_validate({"running": True, "interfaces": {"eth0": {"at": "host1:x", "network": "web"}}})
    system.request(lambda work: requests.put_node(work, "red", "p1", spec))
    (interface,) = system.model.node("red/p1").interfaces  # type: ignore[union-attr]
    assert (interface.site, interface.site_number, str(interface.place)) == (None, 0, "host1:x")


def test_a_site_with_machines_and_a_network_with_a_site_stay() -> None:
    system = started()
    with pytest.raises(Conflict, match=r"2 node\(s\) are at site red/paris \(red/p1, red/p2\)"):
        system.request(lambda work: delete_site(work.draft, "red", "paris"))
    for name in ("p1", "p2", "vm1"):
        system.request(lambda work, name=name: requests.delete_node(work, "red", name))  # type: ignore[misc]
    with pytest.raises(Conflict, match="still extends to site red/paris"):
        system.request(lambda work: requests.delete_network(work, "red", "web"))
    system.request(lambda work: delete_site(work.draft, "red", "paris"))
    system.request(lambda work: requests.delete_network(work, "red", "web"))
    assert rows(system, "gw1", "site") == []


def test_a_site_and_who_is_there_change_gateways_together() -> None:
    system = started()
    move(system, "gw2")
    assert [str(node.interfaces[0].place) for node in system.model.nodes("red")] == ["gw2:vx", "gw2:vx", "host1:vm1"]
    assert rows(system, "gw1", "tun_id=5000") == []
    assert len(rows(system, "gw2", "tun_id=5000")) == 1
    with pytest.raises(Invalid, match="'rack' cannot carry site red/paris"):
        move(system, "rack")
    put(system, "paris", key=5002)
    site = system.model.site("red/paris")
    assert site is not None and (site.switch, site.key) == ("gw2", 5002)


def test_another_fabric_takes_sites_elsewhere_or_is_refused() -> None:
    system, other = started(), deepcopy(BASE["fabric"])
    del other["switches"]["gw1"]["tunnels"]["vxlan0"]
    apply(system, {"fabric": other})
    assert system.model.site("red/paris").switch == "gw2"  # type: ignore[union-attr]
    del other["switches"]["gw2"]["tunnels"]
    with pytest.raises(Invalid, match="no switch has a vxlan tunnel over IPv4"):
        apply(system, {"fabric": other})


@pytest.mark.parametrize(
    ("switch", "tunnels", "words"),
    [
        ("core", TUNNELS, "core switch core knows no networks"),
        ("gw1", {"a": TUNNELS["gre0"], "b": TUNNELS["gre0"]}, "gw1 has two tunnel ports of gre"),
        ("gw1", {"core": TUNNELS["gre0"]}, "port gw1:core is used by a link"),
        ("gw1", {"a": {**TUNNELS["gre0"], "mtu": 600}}, "558 bytes of IP would be left"),
        ("gw1", {"a": {"protocol": "gre", "address": "x"}}, "is not an IP address"),
    ],
)
def test_tunnels_are_refused(switch: str, tunnels: Json, words: str) -> None:
    fabric = deepcopy(BASE["fabric"])
    fabric["switches"][switch]["tunnels"] = tunnels
    with pytest.raises(Invalid) as raised:
        apply(new_system(), {"fabric": fabric})
    assert words in str(raised.value)


# --- documents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("remote", ["198.51.100.10", "2001:db8::1"])
def test_a_site_is_read_as_it_was_written(remote: str) -> None:
    site = Site("red", "paris", "web", 7, Protocol.GRE, ip_address(remote), 9, "gw1", "gre0", ("gw1", "gw2"), 1420)
    assert from_document(key_of(site), to_document(site)) == site


def test_all_is_there_again_after_a_restart() -> None:
    system = started()
    again = System(system._store, lambda name, messages: None, lambda: 0.0)
    assert isinstance(system._store, MemoryStore)
    assert {*map(str, again.model.values())} == {*map(str, system.model.values())}
    assert fabric_from(fabric_document(system.fabric)) == again.fabric
    assert again.fabric.tunnels[Place("gw1", "vxlan0")] == Tunnel("vxlan0", Protocol.VXLAN, ip_address("192.0.2.10"))


@pytest.mark.parametrize(
    ("protocol", "remote", "left"),
    [
        ("vxlan", "192.0.2.1", 1450),
        ("gre", "192.0.2.1", 1458),
        ("vxlan", "2001:db8::1", 1430),
        ("gre", "2001:db8::1", 1438),
    ],
)
def test_what_is_left_for_machines(protocol: str, remote: str, left: int) -> None:
    site = Site("red", "paris", "web", 7, Protocol(protocol), ip_address(remote), 9, "gw1", "x")
    assert site.inner_mtu(1500) == left
    assert (
        Site("red", "p", "web", 7, Protocol(protocol), ip_address(remote), 9, "gw1", "x", (), 1420).inner_mtu(1500)
        == left - 80
    )


# --- rows -------------------------------------------------------------------------------------------------------------


def test_the_rows_of_a_site() -> None:
    system = started()
    number = system.model.site("red/paris").number  # type: ignore[union-attr]
    port = system.ports["gw1"]["vxlan0"].number
    assert rows(system, "gw1", "tun_id=5000", "goto_table:SOURCE") == [
        f"table=PORT,priority=100,in_port={port},tun_id=5000,tun_src=198.51.100.10,"
        f"actions=set_field:access->from,set_field:{number}->site,"
        "set_field:0.0.0.0->tun_src,set_field:198.51.100.10->tun_dst,goto_table:SOURCE"
    ]
    assert rows(system, "gw1", "table=EGRESS", f"adjacency=interface:{number}") == [
        f"table=EGRESS,priority=100,adjacency=interface:{number},actions=check_pkt_larger(1464)->large[0],goto_table:REMOTE",
        f"table=EGRESS,priority=200,adjacency=interface:{number},site={number},actions=drop",
    ]
    assert rows(system, "gw1", "table=REMOTE") == [
        f"table=REMOTE,priority=100,adjacency=interface:{number},actions=set_field:5000->tun_id,"
        f"set_field:0.0.0.0->tun_src,set_field:198.51.100.10->tun_dst,load:0x0->in_port[],output:{port}",
        f"table=REMOTE,priority=200,adjacency=interface:{number},large=1,actions=drop",
    ]


def test_over_ipv6_what_a_received_tunnel_left_of_ipv4_is_taken_out() -> None:
    document = deepcopy(BASE)
    document["fabric"]["switches"]["gw1"]["tunnels"]["vxlan0"]["address"] = "2001:db8::10"
    document["tenants"]["red"]["sites"]["paris"]["remote"] = "2001:db8:1::1"
    system = new_system()
    apply(system, document)
    plug_everything(system)
    (sent,) = rows(system, "gw1", "table=REMOTE", "output")
    assert (
        "->tun_src,set_field:0.0.0.0->tun_dst,set_field:::->tun_ipv6_src,set_field:2001:db8:1::1->tun_ipv6_dst" in sent
    )
    assert rows(system, "gw1", "tun_ipv6_src=2001:db8:1::1")
    assert rows(system, "gw1", "check_pkt_larger(1444)")


def test_who_is_at_a_site_is_told_by_it_and_hears_by_its_one_copy() -> None:
    system = started()
    site = system.model.site("red/paris")
    assert site is not None
    for name, mac in (("p1", "02:00:00:00:00:11"), ("p2", "02:00:00:00:00:12")):
        number = system.model.node(f"red/{name}").interfaces[0].number  # type: ignore[union-attr]
        sources = rows(system, "gw1", "table=SOURCE", f"eth_src={mac}")
        assert sources and all(f"site={site.number}" in row for row in sources)
        assert rows(system, "gw1", "table=FORWARD", f"eth_dst={mac}", f"interface:{site.number}")
        assert rows(system, "gw1", f"interface:{number}") == []
        assert rows(system, "rack", "table=FORWARD", f"eth_dst={mac}", "segment:")
    (group,) = [
        group for group in system.tables["gw1"].groups.values() if len(group.buckets) == 1 and group.number >> 20 == 1
    ]
    assert f"{group.buckets[0][0].value & 0xFFFFFFF}" == f"{site.number}"  # type: ignore[union-attr]


def test_a_site_hears_though_no_machine_is_declared_there() -> None:
    system = new_system()
    document = deepcopy(BASE)
    document["tenants"]["red"]["nodes"] = {"vm1": document["tenants"]["red"]["nodes"]["vm1"]}
    apply(system, document)
    plug_everything(system)
    network = system.model.network("red/web")
    assert network is not None
    assert {*system.extent(network).heard} == {"A", "G"}
    assert rows(system, "gw1", "table=FORWARD", "group:")


def test_a_tunnel_port_that_is_not_there_is_waited_for() -> None:
    system = started()
    ports = dict(system.ports["gw1"])
    del ports["vxlan0"]
    system._on_ports("gw1", ports)
    assert rows(system, "gw1", "table=REMOTE") == []
    assert rows(system, "gw1", "site=") == []


def test_rows_are_told_in_words() -> None:
    system = started()
    names = Names(system.model, system.fabric)
    table = system.tables["gw1"]
    meanings = Meanings(names, "gw1", system.ports["gw1"], table.groups)
    said = " | ".join(meanings.row(row) for row in table.rows.values() if row.table in (0, 10, 80, 92))
    for text in (
        "(vxlan0), vxlan 198.51.100.10 key 5000, is from site red/paris",
        "from red/p1 eth0, which is at site red/paris",
        "what came from site red/paris does not go back to it",
        "to site red/paris: is it larger than the 1450 bytes of IP that go through?",
        "what is too large for site red/paris goes nowhere",
        "to site red/paris: out of port",
    ):
        assert text in said


# --- the check of the state -------------------------------------------------------------------------------------------


def findings(system: System, *changes: Any) -> list[str]:
    draft = Draft(system.model)
    for value in changes:
        draft.put(value)
    case = Case(draft, system.fabric, Allocator(draft, 1), {*system.fabric.switches}, {})
    return [fault.finding.kind for fault in faults_of(case) if fault.finding.kind != "not admitted"]


def test_the_check_of_the_state_knows_sites() -> None:
    from dataclasses import replace

    system = started()
    site, node = system.model.site("red/paris"), system.model.node("red/p1")
    assert site is not None and node is not None
    assert findings(system) == []
    (interface,) = node.interfaces
    other = system.model.node("red/vm1").interfaces[0].number  # type: ignore[union-attr]
    assert "site number twice" in findings(system, replace(site, number=other))
    assert "no network" in findings(system, replace(site, network="gone"))
    assert "no tunnel" in findings(system, replace(site, switch="rack"))
    assert findings(system, replace(node, interfaces=(replace(interface, site="gone"),))) == ["no site"]
    assert findings(system, replace(node, interfaces=(replace(interface, site_number=99),))) == [
        "not where its site is"
    ]


def test_networks_of_policies_reach_no_site() -> None:
    """A site is in the one network that it extends, whatever policies say of machines there."""
    system = started()
    system.request(lambda work: requests.put_network(work, "red", "more", NetworkSpec()))
    with pytest.raises(Invalid, match="and would be in more"):
        system.request(lambda work: requests.attach(work, "red", "more", "p1", None))


# --- what is at odds with sites ---------------------------------------------------------------------------------------


def test_nobody_moves_to_a_tunnel_port_and_no_tunnel_comes_where_somebody_moves_to() -> None:
    system = started()
    with pytest.raises(Invalid, match="port gw1:vxlan0 leads to remote sites"):
        system.request(lambda work: moves.move(work, "red", "vm1", {"eth0": "gw1:vxlan0"}) and None)
    system.request(lambda work: moves.move(work, "red", "vm1", {"eth0": "gw2:new"}) and None)
    known = deepcopy(BASE)
    known["fabric"]["switches"]["gw2"]["tunnels"]["new"] = {"protocol": "gre", "address": "192.0.2.20"}
    with pytest.raises(Invalid, match="port gw2:new leads to remote sites"):
        apply(system, {"fabric": known["fabric"]})


def test_a_site_goes_to_a_gateway_whose_tunnel_takes_less_than_it_was_given() -> None:
    known = deepcopy(BASE)
    known["fabric"]["switches"]["gw1"]["tunnels"]["vxlan0"]["mtu"] = 1600
    known["tenants"]["red"]["sites"]["paris"] = {**PARIS, "mtu": 1550}
    system = new_system()
    apply(system, known)
    plug_everything(system)
    move(system, "gw2")
    site = system.model.site("red/paris")
    assert site is not None and site.switch == "gw2" and site.inner_mtu(1500) == 1450
    with pytest.raises(Invalid, match="1601 bytes are more than"):
        put(system, "other", remote="198.51.100.11", mtu=1601, gateways=["gw1"])


def prune(system: System, how: Prune, **tenants: Json) -> None:
    intent = Intent.model_validate({"tenants": tenants})
    system.request(lambda work: pruning.apply(work, intent, how))


def test_sites_that_are_not_named_are_removed_behind_who_is_there_and_before_their_network() -> None:
    system = started()
    prune(system, Prune.NAMED, red={"networks": {"web": {}}})
    assert system.model.site("red/paris") is not None
    with pytest.raises(Conflict, match=r"2 node\(s\) are at site red/paris"):
        prune(system, Prune.NAMED, red={"sites": {}})
    prune(system, Prune.NAMED, red={"nodes": {}, "sites": {}})
    assert system.model.sites() == [] and system.model.network("red/web") is not None
    system = started()
    prune(system, Prune.ALL)
    assert [*system.model.tenants()] == [] and system.model.sites() == []


def test_a_tenant_that_machines_are_learned_for_is_not_pruned() -> None:
    known = deepcopy(BASE)
    known["fabric"]["switches"]["host1"]["learn"] = {"l0": {"tenant": "blue"}}
    known["tenants"]["blue"] = {}
    system = new_system()
    apply(system, known)
    with pytest.raises(Conflict, match="machines of tenant blue are learned on 1 port"):
        prune(system, Prune.ALL, red={})
    assert system.model.tenant("blue") is not None
