"""`vnet plan` and `vnet apply`: what they say, what they ask, and how they end."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from figure_system import FIGURE, empty_system, figure, figure_system, served, web_service

from ryu_vnet.cli import main
from ryu_vnet.client import Client

Run = Callable[..., Result]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with served(lambda: web_service(figure_system(tmp_path))) as address:
        yield address


@pytest.fixture
def vnet(url: str) -> Run:
    return lambda *arguments: CliRunner().invoke(main, ["--url", url, "--wait", "0", *arguments])


def written(folder: Path, intent: dict[str, Any]) -> str:
    path = folder / "intent.yaml"
    path.write_text(yaml.safe_dump(intent))
    return str(path)


def changed() -> dict[str, Any]:
    """The figure with something new, something else, and something less."""
    intent = figure()
    red, blue = intent["tenants"]["red"], intent["tenants"]["blue"]
    red["networks"]["W"] = {"traffic": [{"protocol": "tcp", "port": 80}]}
    red["nodes"]["vm1.1"]["interfaces"]["eth0"] = {
        **red["nodes"]["vm1.1"]["interfaces"]["eth0"],
        "networks": ["W", "X"],
    }
    del red["nodes"]["vm1.1"]["interfaces"]["eth0"]["network"]
    blue["nodes"]["vm3.1"]["running"] = False
    del blue["nodes"]["vm3.2"]
    intent["fabric"]["mtu"] = 1400
    return intent


def test_a_plan_says_what_would_change_and_changes_nothing(vnet: Run, tmp_path: Path) -> None:
    before = vnet("export").stdout
    result = vnet("plan", "-f", written(tmp_path, changed()))
    assert result.exit_code == 0 and result.stderr == ""
    assert result.stdout.splitlines() == [
        "~ MTU of the nodes: 1500 -> 1400",
        "+ network red/W",
        "~ node blue/vm3.1",
        "    running: true -> false",
        "~ node red/vm1.1",
        "    eth0.networks: X -> W, X",
        "- blue/vm3.1 stops",
        "+ red/vm1.1 eth0 joins red/W",
        "+ tag 4 of segment A for red/W+X",
        "+ tag 5 of segment A for red/W",
        *[line for line in result.stdout.splitlines() if line.startswith("~ rows of ")],
        f"1 network to add; the MTU, 2 nodes to change; nothing to remove; {result.stdout.rpartition('; ')[2].strip()}",
    ]
    assert "~ rows of host1: +" in result.stdout and "rows on" in result.stdout
    assert vnet("export").stdout == before


def test_where_nothing_would_change(vnet: Run) -> None:
    result = vnet("plan", "-f", str(FIGURE), "--exit-code")
    assert result.exit_code == 0 and result.stdout == "Nothing would change.\n"
    assert json.loads(vnet("plan", "-f", str(FIGURE), "--json").stdout)["plan"]["changed"] is False


def test_the_exit_code_says_it_where_it_is_asked_to(vnet: Run, tmp_path: Path) -> None:
    path = written(tmp_path, changed())
    assert vnet("plan", "-f", path).exit_code == 0
    assert vnet("plan", "-f", path, "--exit-code").exit_code == 6
    assert vnet("plan", "-f", path, "--exit-code", "--json").exit_code == 6


def test_how_a_fabric_is_written_down_may_be_all_that_changes(vnet: Run, tmp_path: Path) -> None:
    intent = figure()
    intent["fabric"]["links"].reverse()
    result = vnet("plan", "-f", written(tmp_path, intent))
    assert result.stdout == "nothing to add; nothing to change; nothing to remove; no rows\n"


def test_a_whole_fabric_comes_and_goes(tmp_path: Path) -> None:
    with served(lambda: web_service(empty_system(tmp_path))) as url:

        def vnet(*arguments: str) -> str:
            return CliRunner().invoke(main, ["--url", url, "--wait", "0", *arguments]).stdout

        planned = vnet("plan", "-f", str(FIGURE), "--limit", "1000")
        lines = planned.splitlines()
        assert "+ switch host1" in lines and "+ segment A" in lines and "+ tenant red" in lines
        assert "+ link trunk edgeA:edgeA-host1 - host1:host1-edgeA" in lines
        assert "+ label 18 for blue/Z" in lines
        added = "3 segments, 8 switches, 7 links, 3 tenants, 3 networks, 7 nodes to add"
        assert lines[-1].startswith(f"{added}; nothing to change; nothing to remove; ")
        vnet("apply", "-f", str(FIGURE))
        rows = sum(int(line.split(": +")[1].split()[0]) for line in lines if line.startswith("~ rows of "))
        there = json.loads(vnet("status", "--json"))["switches"]
        assert sum(switch["rows"] + switch["groups"] for switch in there) == rows
        nothing = vnet("plan", "-f", written(tmp_path, {"fabric": {}, "tenants": {}}), "--prune=all", "--limit", "1000")
        assert "- switch host1" in nothing and "- label 18 for blue/Z" in nothing
        assert nothing.splitlines()[-1].startswith("nothing to add; nothing to change; 3 segments, 8 switches")


def test_long_lists_are_cut(vnet: Run, tmp_path: Path) -> None:
    path = written(tmp_path, {"tenants": {"big": {"nodes": {f"vm{number:04}": {} for number in range(1500)}}}})
    lines = vnet("plan", "-f", path).stdout.splitlines()
    assert lines[0] == "+ tenant big" and lines[20:] == [
        "+ node big/vm0019",
        "+ ... and 1,480 more like these",
        "1 tenant, 1,500 nodes to add; nothing to change; nothing to remove; no rows",
    ]
    nodes = json.loads(vnet("plan", "-f", path, "--limit", "1000", "--json").stdout)["plan"]["nodes"]["new"]
    assert nodes["count"] == 1500 and len(nodes["first"]) == 1000


def test_what_would_be_refused_is_refused_with_its_line(vnet: Run, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("tenants:\n  red:\n    nodes:\n      vm1.1:\n        running: true\n")
    assert vnet("plan", "-f", str(path)).exit_code == 0
    path.write_text("tenants:\n  red:\n    nodes:\n      vm9:\n        interfaces: {eth0: {network: W}}\n")
    for command in ("plan", "apply"):
        result = vnet(command, "-f", str(path))
        assert result.exit_code == 1 and f"{path}:5: " in result.stderr and "no network 'W'" in result.stderr


# --- pruning --------------------------------------------------------------------------------------------------------


def test_where_nobody_can_be_asked_nothing_is_removed(vnet: Run, tmp_path: Path) -> None:
    path = written(tmp_path, {"tenants": {"red": {"nodes": {}}}})
    before = vnet("export").stdout
    result = vnet("apply", "-f", path, "--prune")
    assert result.exit_code == 2 and "say --yes" in result.stderr
    assert "- node red/vm1.1\n- node red/vm2.2\n" in result.stderr
    assert vnet("export").stdout == before


def test_yes_is_an_answer(vnet: Run, tmp_path: Path) -> None:
    path = written(tmp_path, {"tenants": {"red": {"nodes": {}}}})
    result = vnet("apply", "-f", path, "--prune", "--yes")
    assert result.exit_code == 4 and result.stderr.startswith("- node red/vm1.1\n- node red/vm2.2\n")
    assert "red/" not in vnet("node", "list", "red").stdout
    again = vnet("apply", "-f", path, "--prune")
    assert again.stdout == "" and "as it was already" in again.stderr


def test_all_is_said_by_name(vnet: Run, tmp_path: Path) -> None:
    path = written(tmp_path, {"tenants": {"red": {}}})
    assert vnet("plan", "-f", path, "--prune").stdout == "Nothing would change.\n"
    assert "- tenant green" in vnet("plan", "-f", path, "--prune=all").stdout
    assert "- tenant green" in vnet("apply", "-f", path, "--prune=all", "-y").stderr
    assert vnet("tenant", "list").stdout.count("red") == 1 and "green" not in vnet("tenant", "list").stdout


@pytest.mark.parametrize(("said", "code"), [("y", 4), ("n", 1), ("", 1)])
def test_on_a_terminal_it_is_asked(url: str, tmp_path: Path, said: str, code: int) -> None:
    path = written(tmp_path, {"tenants": {"red": {"nodes": {}}}})
    ours, theirs = pty.openpty()
    environment = {**os.environ, "VNET_URL": url, "PYTHONPATH": str(FIGURE.parents[1]), "TERM": "dumb"}
    command = f"from ryu_vnet.cli import main; main(['apply', '-f', {path!r}, '--prune', '--wait', '0'])"
    asked = subprocess.Popen(
        [sys.executable, "-c", command], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    with suppress(OSError):  # EIO, at its end
        while part := os.read(ours, 65536):
            seen += part
            if b"Remove these?" in part:
                os.write(ours, f"{said}\n".encode())
    os.close(ours)
    assert asked.wait() == code, seen
    assert b"- node red/vm1.1\r\n- node red/vm2.2\r\n" in seen
    assert ("Nothing was changed" in seen.decode()) == (code == 1)
    assert len(Client(url).nodes("red")) == (0 if code == 4 else 2)


def test_what_takes_long_says_how_far_it_is(url: str, tmp_path: Path) -> None:
    """No switch is connected: the change stays accepted, and realised nowhere."""
    path = written(tmp_path, changed())
    ours, theirs = pty.openpty()
    environment = {**os.environ, "VNET_URL": url, "PYTHONPATH": str(FIGURE.parents[1]), "TERM": "xterm"}
    command = f"from ryu_vnet.cli import main; main(['apply', '-f', {path!r}, '--wait', '4'])"
    applied = subprocess.Popen([sys.executable, "-c", command], env=environment, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    seen = b""
    with suppress(OSError):
        while part := os.read(ours, 65536):
            seen += part
    os.close(ours)
    said = applied.communicate()[0]
    assert applied.returncode == 4 and said == b""
    assert b"is accepted, and realised on 0 of " in seen
    assert b"accepted, and not realised after 4 s" in seen
