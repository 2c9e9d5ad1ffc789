"""The command line against a real HTTP server: output, errors on stderr, exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from figure_system import FIGURE, empty_system, figure_system, served, web_service

from ryu_vnet.cli import main
from ryu_vnet.cli.session import SCREENFUL
from ryu_vnet.client import Client
from ryu_vnet.errors import Conflict, Invalid, NotFound, Unreachable
from ryu_vnet.managers import requests
from ryu_vnet.schema import Intent

Run = Callable[..., Result]


@pytest.fixture
def figure_url(tmp_path: Path) -> Iterator[str]:
    with served(lambda: web_service(figure_system(tmp_path))) as url:
        yield url


@pytest.fixture
def vnet(figure_url: str) -> Run:
    return runner(figure_url)


def runner(url: str) -> Run:
    def run(*arguments: str, wait: str = "0", text: str | None = None) -> Result:
        return CliRunner().invoke(main, ["--url", url, "--wait", wait, *arguments], input=text)

    return run


def commands(group: click.Group, name: str = "vnet") -> Iterator[tuple[str, click.Command]]:
    yield name, group
    for part, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {part}")
        else:
            yield f"{name} {part}", command


@pytest.mark.parametrize("path", [name for name, _ in commands(main)])
def test_every_help_text_has_an_example_of_its_command(path: str) -> None:
    result = CliRunner().invoke(main, [*path.split()[1:], "--help"])
    assert result.exit_code == 0
    examples = result.stdout.partition("Examples:\n")[2]
    assert f"  {path} " in examples or f"  {path}\n" in examples
    assert path == "vnet" or "--json" in result.stdout or isinstance(dict(commands(main))[path], click.Group)


def test_the_help_says_what_exit_codes_mean() -> None:
    text = CliRunner().invoke(main, ["--help"]).stdout.partition("Exit codes:")[2]
    assert [line.split()[0] for line in text.splitlines() if line[2:3].isdigit()] == [*"0123456"]


def test_help_imports_nothing_that_is_slow() -> None:
    code = "import sys; from ryu_vnet.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.splitlines()[-1].split())
    ours = {name for name in loaded if name.startswith("ryu_vnet.") and not name.startswith("ryu_vnet.cli")}
    assert ours == {"ryu_vnet.errors"}
    assert not loaded & {"requests", "rich", "yaml", "pydantic", "flask", "networkx"}


# --- looking --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ("tenant list", ["blue", "green", "red"]),
        ("network list", ["blue/Z", "green/Y", "red/X"]),
        ("network list red", ["red/X"]),
        ("network show blue/Z", ["host1:vm1.2", "host3:vm3.2"]),
        ("node list", ["red/vm1.1", "02:00:00:00:01:01", "10.0.0.11, fd00::11", "host1:vm1.1"]),
        ("node show red/vm1.1", ["red/vm1.1", "running"]),
        ("fabric", ["edgeA", "host1:host1-edgeA", "core1", "MTU of the nodes: 1500"]),
        ("flows host1", ["PORT", "belongs to red/vm1.1 eth0", "interface red/vm1.1 eth0", "pending"]),
        ("flows edgeA --table forward", ["in blue/Z, broadcast and multicast go to"]),
        ("flows edgeA --origin blue/Z --long", ["->network", "pop_vlan"]),
    ],
)
def test_looking(vnet: Run, arguments: str, shown: list[str]) -> None:
    result = vnet(*arguments.split())
    assert result.exit_code == 0, result.stderr
    for text in shown:
        assert text in result.stdout
    as_json = vnet("--json", *arguments.split())
    assert as_json.exit_code == 0 and json.loads(as_json.stdout) is not None


def test_flows_can_be_narrowed(vnet: Run) -> None:
    assert "PORT" not in vnet("flows", "edgeA", "--table", "FORWARD").stdout
    narrowed = json.loads(vnet("flows", "edgeA", "--origin", "blue/Z", "--json").stdout)
    assert {row["origin"] for row in narrowed["rows"]} == {"network blue/Z"}
    counted = vnet("flows", "edgeA", "--counters")
    assert counted.exit_code == 0 and "did not send its counters: it is not connected" in counted.stderr


def test_lists_in_part(vnet: Run) -> None:
    def listed(*arguments: str) -> list[str]:
        result = vnet(*arguments, "--json")
        assert result.exit_code == 0 and result.stderr == ""
        return [f"{part.get('tenant', '')}/{part['name']}".lstrip("/") for part in json.loads(result.stdout)]

    for kind in ("tenant", "network", "node"):
        whole = listed(kind, "list")
        assert len(whole) >= 3 and listed(kind, "list", "--limit", "0") == whole
        for place, name in enumerate(whole):
            assert listed(kind, "list", "--after", name) == whole[place + 1 :]
            assert listed(kind, "list", "--after", name, "--limit", "1") == whole[place + 1 : place + 2]
    assert listed("node", "list", "--after", "blue") == [ref for ref in listed("node", "list") if ref > "blue/~"]
    blue = listed("node", "list", "blue")
    assert listed("node", "list", "blue", "--after", blue[0].partition("/")[2]) == blue[1:]
    assert listed("node", "list", "blue", "--after", blue[0]) == blue[1:]
    some = vnet("node", "list", "blue", "--limit", "2")
    assert blue[1] in some.stdout and blue[2] not in some.stdout
    assert some.stderr == f"These are 2, and there are more: go on with --after {blue[1]}, or --limit 0 for all.\n"
    all_of_them = vnet("node", "list", "blue", "--limit", str(len(blue)))
    assert blue[-1] in all_of_them.stdout and all_of_them.stderr == ""
    assert vnet("node", "list", "grey").exit_code == 1 and vnet("node", "list", "--limit", "-1").exit_code == 2


def test_flows_in_part(vnet: Run) -> None:
    def flows(*arguments: str) -> Any:
        return json.loads(vnet("flows", "edgeA", "--json", *arguments).stdout)

    whole = flows()
    assert flows("--limit", "7") == {**whole, "rows": whole["rows"][:7], "groups": []}
    count = len(whole["rows"])
    assert flows("--limit", str(count + 1)) == {**whole, "groups": whole["groups"][:1]}
    some = vnet("flows", "edgeA", "--limit", "7")
    assert some.stderr == "These are 7, and there are more: narrow them with --table or --origin, or --limit 0.\n"
    assert vnet("flows", "edgeA", "--table", "PORT", "--limit", "100").stderr == ""


def test_a_terminal_is_given_a_screenful(tmp_path: Path) -> None:
    names = [f"t{number:03}" for number in range(SCREENFUL + 5)]

    def make() -> Any:
        system = empty_system(tmp_path)
        intent = Intent.model_validate({"tenants": {name: {} for name in names}})
        system.request(lambda work: requests.apply(work, intent))
        return web_service(system)

    code = "from ryu_vnet.cli import main; main(['tenant', 'list'])"
    with served(make) as url:
        ours, theirs = pty.openpty()
        environment = {**os.environ, "VNET_URL": url, "PYTHONPATH": str(FIGURE.parents[1]), "TERM": "dumb"}
        piped = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        shown = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=theirs, stderr=subprocess.PIPE)
        os.close(theirs)
        seen = b""
        with suppress(OSError):  # EIO, at its end
            while part := os.read(ours, 65536):
                seen += part
        os.close(ours)
        said = shown.communicate()[1].decode()
    assert re.findall(r"^ (t\d+)", piped.stdout, re.MULTILINE) == names
    assert re.findall(r"^ (t\d+)", seen.decode(), re.MULTILINE) == names[:SCREENFUL]
    assert said == f"These are {SCREENFUL}, and there are more: go on with --after t099, or --limit 0 for all.\n"


def test_status_says_where_and_why(vnet: Run) -> None:
    result = vnet("status")
    assert result.exit_code == 4
    assert "not realised everywhere" in result.stdout and "host1: it is not connected" in result.stdout


def test_trace_hop_by_hop(vnet: Run) -> None:
    result = vnet("trace", "blue/vm1.2", "blue/vm3.1")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    hops = [line.split()[0] for line in lines if ", in by port " in line]
    assert hops == ["host1", "edgeA", "core1", "core2", "edgeB", "host3"]
    assert sum("  -> trunk " in line for line in lines) == 2 and sum("  -> core " in line for line in lines) == 3
    assert any("is blue/Z in segment A" in line for line in lines)
    assert lines[-2] == "delivered to blue/vm3.1 eth0"
    assert lines[-1].startswith("the answer, by host3 > edgeB > core2 > core1 > edgeA > host1: delivered to blue/vm1.2")


def test_trace_of_what_is_not_delivered(vnet: Run) -> None:
    result = vnet("trace", "red/vm1.1", "blue/vm3.1")
    assert result.exit_code == 5
    assert "not delivered to blue/vm3.1 eth0; edgeA in FORWARD: nobody in red/X" in result.stdout
    assert json.loads(vnet("--json", "trace", "red/vm1.1", "blue/vm3.1").stdout)["delivered"] is False


# --- changing -------------------------------------------------------------------------------------------------------


def test_a_change_that_is_not_realised_says_so(vnet: Run) -> None:
    result = vnet("stop", "red/vm1.1", wait="0.2")
    assert result.exit_code == 4
    assert "red/vm1.1 is stopped" in result.stderr and "not realised after 0.2 s" in result.stderr
    assert "host1: it is not connected" in result.stderr and "vnet status" in result.stderr
    as_json = vnet("stop", "red/vm1.1", "--json")
    answer = json.loads(as_json.stdout)
    assert as_json.exit_code == 4 and answer["changed"] is False and answer["realised"] is False


def test_a_change_that_is_realised(tmp_path: Path) -> None:
    """In a controller without switches nothing is ever pending."""
    with served(lambda: web_service(empty_system(tmp_path))) as url:
        vnet = runner(url)
        first = vnet("tenant", "create", "red", wait="5")
        assert first.exit_code == 0 and first.stdout == "tenant red is there (revision 1, realised)\n"
        again = vnet("tenant", "create", "red")
        assert again.stdout == "tenant red is there, as it was already (revision 1, realised)\n"
        assert vnet("status").exit_code == 0
        assert vnet("network", "list").stdout == "none\n"
        assert json.loads(vnet("tenant", "delete", "red", "--json").stdout)["realised"] is True


def test_a_node_from_birth_to_death(vnet: Run) -> None:
    def done(*arguments: str, code: int = 0) -> None:
        result = vnet(*arguments)
        assert result.exit_code == code, result.stderr

    def node() -> Any:
        return json.loads(vnet("node", "show", "grey/vm9", "--json").stdout)

    done("tenant", "create", "grey")
    done("network", "create", "grey/W", "--tagged")
    done("node", "create", "grey/vm9", "--mac", "02:00:00:00:09:01", "--ip", "10.0.0.9")
    done("node", "create", "grey/vm9", "--mac", "02:00:00:00:09:01", "--ip", "10.0.0.9")
    different = vnet("node", "create", "grey/vm9", "--mac", "02:00:00:00:09:02")
    assert different.exit_code == 1 and "vnet node set" in different.stderr
    done("attach", "grey/vm9", "grey/W")
    done("start", "grey/vm9", "--at", "host1:vm9", code=4)
    assert node() == {
        "tenant": "grey",
        "name": "vm9",
        "running": True,
        "interfaces": {
            "eth0": {
                "mac": "02:00:00:00:09:01",
                "ips": ["10.0.0.9"],
                "at": "host1:vm9",
                "site": None,
                "bandwidth": None,
                "iface_id": None,
                "leases": [],
                "networks": ["W"],
            }
        },
        "chosen_macs": [],
        "policy_networks": {},
        "moving": {},
        "prepared": False,
        "failed": False,
        "held": False,
        "discovery": "start",
        "discovered": [],
        "unit": None,
        "function": None,
        "labels": {},
        "size": 1,
        "apart": [],
    }
    done("restart", "grey/vm9", "--at", "eth0=host2:vm9", code=4)
    assert node()["running"] and node()["interfaces"]["eth0"]["at"] == "host2:vm9"
    done("node", "set", "grey/vm9", "--ip", "10.0.0.10", "--ip", "fd00::10", code=4)
    assert node()["interfaces"]["eth0"]["ips"] == ["10.0.0.10", "fd00::10"] and node()["running"]
    done("node", "set", "grey/vm9", "--no-ip", code=4)
    assert node()["interfaces"]["eth0"]["ips"] == []
    done("stop", "grey/vm9", code=4)
    done("node", "set", "grey/vm9", "--interface", "eth1", "--mac", "02:00:00:00:09:03")
    assert sorted(node()["interfaces"]) == ["eth0", "eth1"]
    done("node", "set", "grey/vm9", "--interface", "eth1", "--remove")
    done("detach", "grey/vm9", "grey/W")
    assert node()["interfaces"]["eth0"]["networks"] == []
    done("node", "delete", "grey/vm9")
    done("network", "delete", "grey/W")
    done("tenant", "delete", "grey")
    assert vnet("node", "show", "grey/vm9").exit_code == 1


def test_an_address_that_is_chosen_is_told(vnet: Run) -> None:
    made = vnet("node", "create", "red/vm9", "--ip", "10.0.0.9", "--network", "X")
    assert "red/vm9 eth0 has no MAC address yet: the controller chooses one when it first has a place" in made.stdout
    again = vnet("node", "create", "red/vm9", "--ip", "10.0.0.9", "--network", "X")
    assert (made.exit_code, again.exit_code) == (0, 0) and "as it was already" in again.stdout
    for _ in range(2):
        started = vnet("start", "red/vm9", "--at", "host1:vm9")
        assert started.exit_code == 4
        mac = json.loads(vnet("node", "show", "red/vm9", "--json").stdout)["interfaces"]["eth0"]["mac"]
        assert f"red/vm9 eth0 is to have MAC address {mac}: the controller chose it\n" == started.stdout
    shown = vnet("node", "show", "red/vm9").stdout
    assert f"{mac}: the controller chose it" in shown and shown.count(mac) == 2
    assert "chose" not in vnet("node", "show", "red/vm1.1").stdout
    assert json.loads(vnet("restart", "red/vm9", "--json").stdout)["node"]["chosen_macs"] == ["eth0"]
    vnet("node", "set", "red/vm9", "--interface", "eth1", "--at", "host2:vm9")
    node = json.loads(vnet("node", "show", "red/vm9", "--json").stdout)
    assert node["interfaces"]["eth0"]["mac"] == mac and node["chosen_macs"] == ["eth0", "eth1"]
    same = ("node", "create", "red/vm8", "--interface", "eth0")
    assert [vnet(*same).exit_code, vnet(*same).exit_code] == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        ("attach red/vm1.1 blue/Z", 1, "node red/vm1.1 belongs to tenant red, network blue/Z to blue"),
        ("attach vm1.1 red/X", 1, "'vm1.1' is not a reference (write it as tenant/name: red/vm1.1)"),
        ("attach red/vm9 red/X", 1, "tenant red has no node 'vm9' (one of vm1.1, vm2.2)"),
        ("network delete red/X", 1, "detach them first"),
        ("flows host9", 1, "there is no switch 'host9'"),
        ("start red/vm1.1 --at host1:", 1, "at.eth0: '' is not a port name (the name of a network device"),
        ("node create red/vm9 --mac 2:0:0", 1, "'2:0:0' is not a MAC address (six pairs of hex digits"),
        ("node create red/vm9 --mac 02:00:00:00:02:02 --network X", 1, "also at node red/vm2.2 (each MAC once in a"),
        ("node set red/vm1.1 --interface eth7 --ip 10.0.0.9", 1, "a running node needs a place for each interface"),
        ("node set red/vm1.1", 2, "nothing is to be set"),
        ("node set red/vm1.1 --interface eth7 --remove", 2, "it has eth0"),
        ("network show", 2, "Missing argument"),
        ("status --wait -1", 2, "--wait"),
        ("tenant show ..", 2, "No such command"),
        ("tenant delete ..", 1, "'..' is not a name"),
        ("tenant delete red/X", 1, "'red/X' is not a name"),
        ("trace red/vm1.1", 1, "nobody is named"),
        ("apply -f /nowhere/intent.yaml", 1, "/nowhere/intent.yaml: cannot be read: No such file"),
        ("status --url http://127.0.0.1:1", 3, "is it running? Start it with `vnet controller`"),
        ("status --url nonsense", 1, "'nonsense' is no address of a controller"),
    ],
)
def test_refusals_go_to_stderr_and_change_nothing(
    vnet: Run, figure_url: str, arguments: str, code: int, named: str
) -> None:
    with Client(figure_url) as client:
        before = client.status()["revision"]
        result = vnet(*arguments.split())
        assert (result.exit_code, result.stdout) == (code, ""), result.output
        assert named in result.stderr
        assert client.status()["revision"] == before


def test_refusals_for_programs(vnet: Run) -> None:
    result = vnet("start", "red/vm1.1", "--at", "host1:", "--json")
    problem = json.loads(result.stderr)
    assert result.exit_code == 1 and result.stdout == ""
    assert problem["error"] == "Invalid" and problem["problems"][0]["where"] == "at.eth0"


def test_the_token_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(lambda: web_service(empty_system(tmp_path), "s3cret")) as url:
        vnet = runner(url)
        refused = vnet("status")
        assert refused.exit_code == 1 and "--token or VNET_TOKEN" in refused.stderr
        assert vnet("status", "--token", "s3cret").exit_code == 0
        monkeypatch.setenv("VNET_TOKEN", "s3cret")
        assert vnet("status").exit_code == 0


# --- intent files ---------------------------------------------------------------------------------------------------


def test_apply_is_idempotent(tmp_path: Path) -> None:
    with served(lambda: web_service(empty_system(tmp_path))) as url:
        vnet = runner(url)
        first = vnet("apply", "-f", str(FIGURE), "--json")
        again = vnet("apply", "-f", "-", "--json", text=FIGURE.read_text())
        assert first.exit_code == again.exit_code == 4
        assert json.loads(first.stdout)["changed"] is True and json.loads(again.stdout)["changed"] is False
        assert json.loads(vnet("network", "list", "--json").stdout)[0]["name"] == "Z"


FILES = {
    "a name that YAML takes for a number": (
        "tenants:\n  red:\n    nodes:\n      1.10:\n        running: false\n",
        ['4: tenants.red.nodes.1.10: 1.10 is not text to YAML (write it in quotes: "1.10")'],
    ),
    "a value that YAML takes for a number": (
        "tenants:\n  red:\n    nodes:\n      vm1.1:\n        interfaces:\n          eth0:\n"
        "            mac: 12:34:56:00:01:01\n",
        ["7: tenants.red.nodes.vm1.1.interfaces.eth0.mac: 12:34:56:00:01:01 is not text to YAML (write it in quotes"],
    ),
    "one key twice": (
        "tenants:\n  red:\n    networks:\n      X: {}\n      Y: {}\n      X: {}\n",
        ["6: tenants.red.networks.X: X occurs twice, first in line 4 (each name once)"],
    ),
    "no YAML": ("tenants:\n  red: [\n", ["3: while parsing a flow node"]),
    "no mapping": ("- red\n", ["1: the file holds no intent"]),
    "nothing": ("", ["1: the file holds no intent"]),
    "itself inside": ("tenants: &a\n  red: *a\n", ["1: tenants.red: it contains itself"]),
    "several, of several kinds, in the order of their lines": (
        "tenants:\n  red:\n    nodes:\n      vm1.1:\n        runing: true\n        interfaces:\n"
        "          eth0: {ips: 10.0.0.1}\n          eth1:\n            mac: 5\n",
        [
            "5: tenants.red.nodes.vm1.1.runing: unknown field 'runing' "
            "(one of apart, discovery, function, interfaces, labels, prepared, running, size, unit)",
            '7: tenants.red.nodes.vm1.1.interfaces.eth0.ips: "10.0.0.1" is not possible',
            '9: tenants.red.nodes.vm1.1.interfaces.eth1.mac: 5 is not text to YAML (write it in quotes: "5")',
        ],
    ),
    "a field that is missing": (
        "fabric:\n  mtu: 1500\n  switches:\n    s1: {segment: A}\n",
        ["4: fabric.switches.s1.dpid: dpid is missing"],
    ),
    "what only the controller can know": (
        "tenants:\n  red:\n    nodes:\n      vm2.2:\n        running: true\n        interfaces:\n          eth0:\n"
        '            mac: "02:00:00:00:02:02"\n            at: host9:p\n      vm7:\n        interfaces:\n'
        '          eth0: {mac: "02:00:00:00:07:07", at: "host1:vm1.1"}\n',
        [
            "9: tenants.red.nodes.vm2.2.interfaces.eth0.at: unknown switch 'host9' (one of core1",
            "12: tenants.red.nodes.vm7.interfaces.eth0.at: port host1:vm1.1 is used twice, also by node red/vm1.1",
        ],
    ),
    "links by their place in the list": (
        "fabric:\n  switches:\n    s1: {dpid: 0x1, segment: A}\n  links:\n    - {kind: trunk, a: 's1:p', b: 's2:p'}\n"
        "    - kind: core\n      a: s1:p\n      b: s3:p\n",
        [
            "5: fabric.links[0].b: unknown switch 's2' (one of s1)",
            "7: fabric.links[1].a: port s1:p is used twice, first by links[0]",
            "8: fabric.links[1].b: unknown switch 's3'",
        ],
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_wrong_in_a_file_is_shown_with_its_line(vnet: Run, figure_url: str, tmp_path: Path, name: str) -> None:
    text, expected = FILES[name]
    path = tmp_path / "intent.yaml"
    path.write_text(text)
    with Client(figure_url) as client:
        before = client.status()["revision"]
        result = vnet("apply", "-f", str(path))
        assert client.status()["revision"] == before
    assert result.exit_code == 1 and result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line != "Nothing was changed."]
    assert len(lines) == len(expected), result.stderr
    for line, wanted in zip(lines, expected, strict=True):
        assert line.startswith(f"vnet: {path}:{wanted}")


def test_a_problem_that_is_not_in_the_file(vnet: Run, tmp_path: Path) -> None:
    path = tmp_path / "fabric.json"
    path.write_text('{"fabric":\t{"switches": {"s1": {"dpid": 1, "segment": "A"}}}}')
    result = vnet("apply", "-f", str(path))
    assert result.exit_code == 1
    assert f"{path}: tenants.red.nodes.vm1.1.interfaces.eth0.at: unknown switch 'host1' (it is not in this file" in (
        result.stderr
    )


# --- the client -----------------------------------------------------------------------------------------------------


def test_the_client_raises_our_errors(figure_url: str) -> None:
    with Client(figure_url) as client:
        with pytest.raises(NotFound, match="no network 'Q'"):
            client.network("red/Q")
        with pytest.raises(Conflict, match="detach them first"):
            client.delete_network("red/X")
        with pytest.raises(Invalid) as refused:
            client.put_node("red/vm9", {"interfaces": {"eth0": {"mac": "x"}, "eth1": {"mac": "y"}}})
        assert [part.where.rpartition(".interfaces.")[2] for part in refused.value.problems] == ["eth0.mac", "eth1.mac"]
        with pytest.raises(Invalid, match="a node joins networks of its own tenant alone"):
            client.attach("red/vm1.1", "blue/Z")
        answer = client.put_fabric(client.fabric()["declared"])
        assert not answer.changed and not answer.realised and answer.pending[0].why == "it is not connected"
        assert client.switch("host1") in client.switches()
    with pytest.raises(Unreachable, match="is it running"):
        Client("http://127.0.0.1:1").status()


def test_the_client_waits_as_long_as_it_is_told(figure_url: str) -> None:
    with Client(figure_url) as client:
        started = time.monotonic()
        assert client.put_tenant("red", wait=0.3).realised is False
        assert time.monotonic() - started >= 0.2


def test_what_is_no_controller_is_said_to_be_none() -> None:
    from flask import Flask

    with served(lambda: Flask("another")) as url, pytest.raises(Unreachable, match="is no ryu-vnet controller"):
        Client(url).status()


def test_rates_are_set_one_by_one_and_taken_away(vnet: Run) -> None:
    assert vnet("node", "set", "red/vm1.1", "--send-rate", "100M").exit_code == 4
    assert vnet("node", "set", "red/vm1.1", "--receive-rate", "1G").exit_code == 4
    shown = json.loads(vnet("node", "show", "red/vm1.1", "--json").stdout)
    assert shown["interfaces"]["eth0"]["bandwidth"] == {"send": "100M", "receive": "1G"}
    assert vnet("node", "set", "red/vm1.1", "--send-rate", "none").exit_code == 4
    shown = json.loads(vnet("node", "show", "red/vm1.1", "--json").stdout)
    assert shown["interfaces"]["eth0"]["bandwidth"] == {"send": None, "receive": "1G"}
    refused = vnet("node", "set", "red/vm1.1", "--send-rate", "fast")
    assert refused.exit_code == 1 and "'fast'" in refused.stderr
