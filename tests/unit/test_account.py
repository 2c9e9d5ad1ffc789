"""`vnet explain` and `vnet fsck`: what each thing is and why it is there, through the web service and the command."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from drawn import all_in_step, plug_everything
from figure_system import empty_system, figure_system, served, web_service
from hypothesis import given, settings
from hypothesis import strategies as st
from legal_rows import random_row
from memory_store import MemoryStore
from test_fsck import FABRIC, INTENT

from ryu_vnet.cli import main
from ryu_vnet.compiler.read_text import read_row
from ryu_vnet.compiler.rows import cookie_of
from ryu_vnet.compiler.text import Style, row_text
from ryu_vnet.errors import Invalid, NotFound
from ryu_vnet.managers import requests
from ryu_vnet.managers.account import (
    Account,
    account_of_label,
    account_of_port,
    account_of_tag,
)
from ryu_vnet.managers.account_addresses import account_of_mac
from ryu_vnet.managers.account_rows import account_of_cookie, account_of_group, account_of_row
from ryu_vnet.managers.system import System
from ryu_vnet.managers.tables import names_of
from ryu_vnet.model.names import format_mac
from ryu_vnet.schema import InterfaceSpec, NodeSpec
from ryu_vnet.store.sqlite import SqliteStore

Vnet = Callable[..., Result]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def system(clock: Clock) -> System:
    system = System(MemoryStore(), lambda name, messages: None, clock)
    system.request(lambda work: requests.apply(work, INTENT))
    plug_everything(system)
    return system


def tag_of(system: System, ref: str, segment: str) -> int:
    found = system.model.network(ref) or system.model.combination(ref)
    assert found is not None
    grant = system.model.grant(segment, found.number)
    assert grant is not None
    return grant.tag


def text(account: Account) -> str:
    return "\n".join([account.answer, account.state, *account.reasons])


# --- identifiers -------------------------------------------------------------------------------------------------


def test_a_tag_names_its_network_and_who_runs_there(system: System) -> None:
    account = account_of_tag(system, f"A:{tag_of(system, 'red/X', 'A')}", 0)
    assert (account.answer, account.known) == ("network red/X", True)
    assert "run or are prepared in segment A: red/a eth0 at h1:a, red/b eth0 at h2:b" in text(account)
    assert "carried in segment A by h1, h2" in text(account)
    both = account_of_tag(system, f"A:{tag_of(system, 'red/X+Y', 'A')}", 0)
    assert both.answer == "networks red/X+Y" and "somebody is in all of red/X, red/Y: red/b" in text(both)


def test_a_tag_that_rests_says_since_when_and_until_when(system: System, clock: Clock) -> None:
    tag = tag_of(system, "blue/Z", "A")
    before = system.revision
    system.switches["h2"].disconnected(before)
    system.request(lambda work: requests.stop(work, "blue", "y"))
    account = account_of_tag(system, f"A:{tag}", clock.now)
    assert account.answer == f"rests, given back of blue/Z at revision {before + 1}"
    assert account.reasons == ["until 10 s after these have shown what they hold: h1, h2"]
    all_in_step(system)
    system.tick()
    clock.now += 4
    assert account_of_tag(system, f"A:{tag}", clock.now).reasons == ["every switch has let go of it; free again in 6 s"]
    clock.now += 6
    system.tick()
    free = account_of_tag(system, f"A:{tag}", clock.now)
    assert (free.answer, free.known) == ("free", False)


def test_what_is_no_tag_is_refused_or_said(system: System) -> None:
    assert not account_of_tag(system, "A:4000", 0).known
    for wrong in ("A:0", "A:4095", "A:x", "7", "A:"):
        with pytest.raises(Invalid):
            account_of_tag(system, wrong, 0)
    with pytest.raises(NotFound, match=r"no segment 'C' \(there are: A, B\)"):
        account_of_tag(system, "C:7", 0)
    links = [link for link in FABRIC.links if link.a != "h3:up"]
    switches = {name: switch for name, switch in FABRIC.switches.items() if name != "h4"}
    alone = FABRIC.model_copy(update={"links": links, "switches": switches})
    system.request(lambda work: requests.delete_node(work, "red", "off"))
    system.request(lambda work: requests.delete_node(work, "blue", "z"))
    system.request(lambda work: requests.put_fabric(work, alone))
    assert "has no trunks" in account_of_tag(system, "B:7", 0).answer


def test_labels_of_networks_and_of_edges(system: System) -> None:
    network = system.model.network("red/Y")
    assert network is not None
    account = account_of_label(system, str(network.number), 0)
    assert "network red/Y" in account.answer and "in segments: A, B, so that its frames carry it" in text(account)
    idle = system.model.network("red/idle")
    assert idle is not None
    assert "segments: none, so that no frame carries it" in text(account_of_label(system, str(idle.number), 0))
    edge = 16 + system.fabric.switches["h1"].number
    assert "the way to edge h1" in account_of_label(system, hex(edge), 0).answer
    assert "reserved" in account_of_label(system, "3", 0).answer
    assert account_of_label(system, "1000000", 0).answer == "free"
    system.request(lambda work: requests.delete_network(work, "red", "idle"))
    assert "as the number of a network it rests" in account_of_label(system, str(idle.number), 0).answer
    with pytest.raises(Invalid, match="'1048576' is no label"):
        account_of_label(system, "1048576", 0)


# --- addresses and ports -----------------------------------------------------------------------------------------


def test_a_mac_says_whose_it_is_and_what_it_tells(system: System) -> None:
    node = system.model.node("red/a")
    assert node is not None
    mac = format_mac(node.interfaces[0].mac)
    system.request(lambda work: requests.start(work, "red", "a", {"eth0": "h2:a"}))
    account = account_of_mac(system, mac)
    assert account.answer == "of red/a eth0"
    assert "runs at h2:a (segment A)" in text(account) and "chosen by the controller" in text(account)
    assert "networks asked for: X" in text(account) and "tells segment A, switch h1" in text(account)
    given = account_of_mac(system, "02:00:00:00:00:0b")
    assert "given; networks asked for: X, Y" in text(given) and "tells" not in text(given)
    outer = account_of_mac(system, f"02:76:6e:00:00:{system.fabric.switches['h3'].number:02x}")
    assert outer.answer == "nobody's" and outer.known and "outer address of switch h3" in text(outer)
    assert not account_of_mac(system, "02:00:00:00:00:99").known
    assert "tells segment number 9, switch number 99" in text(account_of_mac(system, "f2:00:90:06:30:00"))
    assert "tells no place" in text(account_of_mac(system, "f2:00:00:00:00:07"))
    with pytest.raises(Invalid, match="group address"):
        account_of_mac(system, "ff:ff:ff:ff:ff:ff")


def test_a_port_says_what_it_is_for_and_who_waits_for_it(system: System) -> None:
    link = account_of_port(system, "h1:up")
    assert link.answer == "the trunk link to h2:up" and "up" in link.reasons[0]
    node = account_of_port(system, "h2:b")
    assert node.answer == "of red/b eth0" and "OpenFlow port" in node.reasons[0] and "runs at h2:b" in text(node)
    spec = NodeSpec(running=True, interfaces={"eth0": InterfaceSpec(at="h1:later", networks=["X"])})
    revision = system.request(lambda work: requests.put_node(work, "red", "late", spec)).revision
    late = account_of_port(system, "h1:later")
    assert late.reasons[:2] == [
        "h1 has no such port",
        f"awaited by revision {revision}, which is realised once it is there",
    ]
    assert not account_of_port(system, "h1:nothing").known
    with pytest.raises(NotFound, match="no switch 'h9'"):
        account_of_port(system, "h9:up")
    with pytest.raises(Invalid, match="SWITCH:PORT"):
        account_of_port(system, "h1")


# --- rows --------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_text_of_a_row_tells_which_it_is(chance: random.Random) -> None:
    """In the words of ovs-ofctl that this program writes; `tests/switch` has those that ovs-ofctl itself prints."""
    row = random_row(chance)
    read = read_row(f"cookie={cookie_of(row.origin):#x}, {row_text(row, Style.OFCTL)}", {})
    assert (read.table, read.priority) == (row.table, row.priority)
    assert {*read.match} == {*row.match}
    assert read.cookie == cookie_of(row.origin)


def test_every_row_is_found_by_both_of_its_texts(system: System) -> None:
    names = names_of(system)
    for switch, table in system.tables.items():
        for row in table.rows.values():
            accounts = {account_of_row(system, switch, row_text(row, style), names).subject for style in Style}
            assert len(accounts) == 1 and account_of_row(system, switch, row_text(row), names).known


def test_a_row_that_is_not_there_and_text_that_is_none(system: System) -> None:
    names = names_of(system)
    cookie = cookie_of(next(iter(system.tables["h1"].rows.values())).origin)
    account = account_of_row(
        system, "h1", f" cookie={cookie:#x}, duration=2.1s, table=40, priority=100,dl_vlan=99", names
    )
    assert (account.answer, account.known) == ("no row of ours", False)
    assert "its cookie is one of ours" in account.reasons[0] and account.state == "the switch is not known to have it"
    foreign = account_of_row(system, "h1", "cookie=0x1, priority=1 actions=NORMAL", names)
    assert foreign.reasons[0] == "its cookie is not one of ours"
    key, value = next(iter(system.switches["h1"].wanted.rows.items()))
    del key
    off = bytes([40, 0, 0, 100]) + bytes.fromhex("0001000a80000c021063") + bytes(6)
    system.switches["h1"].off[off] = value
    there = account_of_row(system, "h1", "table=40,priority=100,dl_vlan=99", names)
    assert there.state == "it is there, and is being removed"
    for wrong in (
        "table=x",
        "priority=",
        "hello",
        "table=0,in_port=nowhere",
        "tun_gbp_id=5",
        "ct_state=+odd",
        "=",
        "eth_src=zz",
    ):
        with pytest.raises(Invalid):
            account_of_row(system, "h1", wrong, names)
    with pytest.raises(NotFound):
        account_of_row(system, "h9", "table=0", names)


def test_cookies_and_groups(system: System) -> None:
    names = names_of(system)
    for switch, table in system.tables.items():
        for number, group in table.groups.items():
            account = account_of_group(system, switch, hex(number), names)
            assert account.known and account.state == "installed"
            assert names.origin(group.origin) in account.answer and account.reasons
        counted = sum(
            int(account_of_cookie(system, hex(cookie), switch, names).reasons[-1].split()[-4])
            for cookie in {cookie_of(row.origin) for row in table.rows.values()}
        )
        assert counted == len(table.rows)
    assert not account_of_group(system, "h1", "0x123", names).known
    assert not account_of_cookie(system, "0x1234", None, names).known
    assert not account_of_cookie(system, "0x766e020000000fff", None, names).known, "a network that is gone"
    with pytest.raises(Invalid):
        account_of_cookie(system, "x", None, names)


# --- ways in -----------------------------------------------------------------------------------------------------


@pytest.fixture
def vnet(tmp_path: Path) -> Iterator[Vnet]:
    with served(lambda: web_service(figure_system(tmp_path))) as url:
        yield lambda *arguments: CliRunner().invoke(main, ["--url", url, *arguments])


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ("tag A:3", "tag 3 of segment A: network blue/Z"),
        ("label 18", "label 18: network blue/Z"),
        ("mac 02:00:00:00:01:01", "MAC 02:00:00:00:01:01: of red/vm1.1 eth0"),
        ("port host1:vm1.1", "port host1:vm1.1: of red/vm1.1 eth0"),
        ("cookie 0x766e020000000010 --switch host1", "rows that exist for network red/X"),
        ("row host1 table=TAG,priority=100,vlan_vid=0x1003", "tag 3 is network blue/Z; it exists for network blue/Z"),
        ("group host1 GROUP", "copies to "),
    ],
)
def test_everything_is_explained_to_people_and_to_programs(vnet: Vnet, arguments: str, shown: str) -> None:
    group = json.loads(vnet("--json", "flows", "host1").stdout)["groups"][0]["number"]
    arguments = arguments.replace("GROUP", hex(group))
    result = vnet("explain", *arguments.split())
    assert result.exit_code == 0 and shown in result.stdout, result.output
    found = json.loads(vnet("--json", "explain", *arguments.split()).stdout)
    assert found["known"] and found["subject"] in result.stdout


def test_what_cannot_be_explained_is_refused(vnet: Vnet, tmp_path: Path) -> None:
    result = vnet("explain", "tag", "Q:3")
    assert result.exit_code == 1 and "there is no segment 'Q'" in result.stderr
    web = web_service(empty_system(tmp_path / "other")).test_client()
    answer: Any = web.get("/v1/explain?kind=row&name=table=0").json
    assert answer["status"] == 422 and "say of which" in answer["problems"][0]["hint"]
    assert web.get("/v1/explain?kind=spell&name=x").status_code == 422


def test_the_check_says_what_it_found_and_mends(tmp_path: Path) -> None:
    system = figure_system(tmp_path)
    client = web_service(system).test_client()
    sound: Any = client.get("/v1/fsck").json
    assert sound["findings"] == sound["mended"] == [] and sound["switches"] == 0
    assert "host1 was not read: it is not connected" in sound["notes"]
    system.store.commit({"tenant/grey": {"name": "grey"}})
    found: Any = client.get("/v1/fsck?switches=0").json
    assert [finding["kind"] for finding in found["findings"]] == ["document of nobody"] and found["notes"] == []
    mended: Any = client.post("/v1/fsck").json
    assert [finding["where"] for finding in mended["mended"]] == ["tenant/grey"] and mended["findings"] == []
    assert mended["revision"] == found["revision"] + 1 == system.revision


def test_the_command_ends_with_1_where_something_is_wrong(vnet: Vnet, tmp_path: Path) -> None:
    result = vnet("fsck")
    assert result.exit_code == 0 and "nothing is wrong" in result.stdout
    path = tmp_path / "aside.db"
    figure_documents = {
        document.key: document.value for document in figure_system(tmp_path / "b").store.list().documents
    }
    figure_documents["grant/A/0000999"] = {"segment": "A", "network": 999, "tag": 77}
    with SqliteStore(path) as store:
        store.commit(figure_documents)
    command = ["fsck", "--store", str(path)]
    wrong = CliRunner().invoke(main, command)
    assert wrong.exit_code == 1 and "wrong: tag not needed, grant/A/0000999" in wrong.stdout
    assert "why it matters:" in wrong.stdout and "mending: it is given back, and rests" in wrong.stdout
    assert CliRunner().invoke(main, [*command, "--mend"]).exit_code == 0
    assert json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)["findings"] == []
    missing = CliRunner().invoke(main, ["fsck", "--store", str(tmp_path / "none.db")])
    assert missing.exit_code == 1 and "there is no store" in missing.stderr
