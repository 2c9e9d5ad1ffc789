"""What is exported and applied to an empty controller gives the same; where it comes from, it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from drawn import applied, intents, new_system
from figure_system import FIGURE, empty_system, figure, figure_system, served, web_service
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import client_of

from ryu_vnet.cli import exported, main
from ryu_vnet.cli.intent_file import IntentFile
from ryu_vnet.client import LONGEST_PAGE
from ryu_vnet.fabric.documents import fabric_document
from ryu_vnet.managers import requests
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.system import System
from ryu_vnet.model.outside import Floating, Forward
from ryu_vnet.model.routing import Router
from ryu_vnet.model.sites import Site
from ryu_vnet.model.values import Network, Node, Tenant, Value
from ryu_vnet.schema import Intent, InterfaceSpec, NodeSpec


def told(system: System) -> tuple[Any, list[Value]]:
    """Fabric and model without what is granted: numbers, tags, and who has chosen a MAC address."""
    fabric = fabric_document(system.fabric)
    fabric["segments"] = sorted(fabric["segments"])
    for switch in fabric["switches"]:
        del switch["number"]
    return fabric, [_bare(v) for key in system.model.keys("") if (v := system.model.get(key)) and _is_told(v)]


def _is_told(value: Value) -> bool:
    return isinstance(value, Tenant | Network | Node | Site | Router | Floating | Forward)


def _bare(value: Value) -> Value:
    if isinstance(value, Network):
        return replace(value, number=0)
    if isinstance(value, Node):
        bare = (replace(one, number=0, chosen=False, site_number=0) for one in value.interfaces)
        return replace(value, interfaces=tuple(bare))
    return replace(value, number=0) if isinstance(value, Site) else value


ATTRIBUTES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(str.isprintable)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True) | st.sampled_from(
    ["on", "null", "1.10", "1e3", "0x1f", "2001-01-01", "y", "0o7", "1_000"]
)


@st.composite
def odd_nodes(draw: st.DrawFn) -> dict[str, NodeSpec]:
    """Nodes with attributes and names that YAML would like to take for something else."""
    return {
        name: NodeSpec(
            unit=draw(st.none() | ATTRIBUTES),
            function=draw(st.none() | ATTRIBUTES),
            labels=draw(st.dictionaries(NAMES, ATTRIBUTES, max_size=3)),
            size=draw(st.integers(0, 9)),
            apart=draw(st.lists(NAMES, max_size=2)),
            interfaces={
                interface: InterfaceSpec(ips=draw(st.sampled_from([[], ["::/0"], ["10.0.0.0/8", "fd00::1"]])))
                for interface in draw(st.lists(NAMES, max_size=2, unique=True))
            },
        )
        for name in draw(st.lists(NAMES, max_size=4, unique=True))
    }


def read_again(text: str, folder: Path) -> IntentFile:
    """What is exported, as a file that was read again."""
    path = folder / "exported.yaml"
    path.write_text(text, encoding="utf-8")
    return IntentFile.read(str(path))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(several=True), odd_nodes())
def test_applied_to_an_empty_controller_it_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, intent: Intent, odd: dict[str, NodeSpec]
) -> None:
    system, other = applied(intent), new_system()

    def edit(work: Work) -> None:
        requests.put_tenant(work, "odd")
        for name, spec in odd.items():
            requests.put_node(work, "odd", name, spec)

    system.request(edit)
    client, empty = client_of(system), client_of(other)
    text = "\n".join(exported.lines(client, (), fabric=True))
    file = read_again(text, tmp_path_factory.mktemp("export"))
    empty.apply(file.intent)
    assert told(other) == told(system)
    assert "\n".join(exported.lines(empty, (), fabric=True)) == text
    for same in (file.intent, exported.intent(client, (), fabric=True)):
        planned = client.plan(same, prune="all")["plan"]
        assert not planned["changed"], planned


@pytest.mark.parametrize("name", ["internet", "sites"])
def test_what_leads_outside_is_exported_too(name: str, tmp_path: Path) -> None:
    intent = Intent.model_validate(yaml.safe_load((FIGURE.parent / f"{name}.yaml").read_text()))
    system, other = applied(intent), new_system()
    client, empty = client_of(system), client_of(other)
    text = "\n".join(exported.lines(client, (), fabric=True))
    again = read_again(text, tmp_path).intent
    for same in (again, exported.intent(client, (), fabric=True)):
        planned = client.plan(same, prune="all")["plan"]
        assert not planned["changed"], planned
    empty.apply(again)
    assert told(other) == told(system)
    assert "\n".join(exported.lines(empty, (), fabric=True)) == text
    assert ("sites:" in text and "tunnels:" in text) == (name == "sites")


@given(st.text() | st.from_regex(r"[0-9a-fA-FxobeEnyYtruOF.:_+~-]{1,9}", fullmatch=True))
def test_any_text_is_read_as_it_was_written(text: str) -> None:
    for written in (f"a: {exported._scalar(text)}", f"{{a: [{exported._scalar(text)}]}}"):
        read = yaml.load(written, Loader=yaml.CSafeLoader)["a"]
        assert (read if isinstance(read, str) else read[0]) == text


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with served(lambda: web_service(figure_system(tmp_path))) as address:
        yield address


def vnet(url: str, *arguments: str) -> str:
    result = CliRunner().invoke(main, ["--url", url, *arguments])
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def test_the_figure_is_exported_as_it_is_written(url: str) -> None:
    lines = vnet(url, "export").splitlines()
    for line in FIGURE.read_text().splitlines():
        assert not line or line.startswith("#") or line in lines or "mtu: 1500" in line, line
    assert yaml.safe_load("\n".join(lines)).keys() == figure().keys()


def test_tenants_that_are_named_come_without_the_fabric(url: str) -> None:
    assert yaml.safe_load(vnet(url, "export", "red", "blue")).keys() == {"tenants"}
    assert [*yaml.safe_load(vnet(url, "export", "red", "blue"))["tenants"]] == ["blue", "red"]
    assert yaml.safe_load(vnet(url, "export", "red", "--fabric")).keys() == {"fabric", "tenants"}
    assert [*yaml.safe_load(vnet(url, "export", "--no-fabric"))] == ["tenants"]
    refused = CliRunner().invoke(main, ["--url", url, "export", "purple"])
    assert refused.exit_code == 1 and "purple" in refused.stderr and "tenants:" not in refused.stdout


def test_a_file_is_there_whole_or_not_at_all(url: str, tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    assert vnet(url, "export", "-o", str(path)) == ""
    assert path.read_text() == vnet(url, "export")
    refused = CliRunner().invoke(main, ["--url", url, "export", "red", "purple", "-o", str(path)])
    assert refused.exit_code == 1
    assert path.read_text() == vnet(url, "export") and [*tmp_path.glob("all.yaml*")] == [path]
    nowhere = CliRunner().invoke(main, ["--url", url, "export", "-o", str(tmp_path / "no" / "all.yaml")])
    assert nowhere.exit_code == 1 and "No such file" in nowhere.stderr


def test_as_json_it_is_an_intent_too(url: str, tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    path.write_text(vnet(url, "export", "--json"))
    assert json.loads(path.read_text()).keys() == {"fabric", "tenants"}
    assert vnet(url, "plan", "-f", str(path), "--prune=all") == "Nothing would change.\n"


def test_nothing_is_exported_as_nothing(tmp_path: Path) -> None:
    with served(lambda: web_service(empty_system(tmp_path))) as url:
        assert vnet(url, "export") == "fabric: {}\ntenants: {}\n"
        (tmp_path / "all.yaml").write_text(vnet(url, "export"))
        assert vnet(url, "plan", "-f", str(tmp_path / "all.yaml"), "--prune=all") == "Nothing would change.\n"


def test_what_has_more_than_a_page_is_exported_whole() -> None:
    nodes = {f"vm{number}": {} for number in range(LONGEST_PAGE + 1)}
    system = new_system()
    intent = Intent.model_validate({"tenants": {"big": {"nodes": nodes}, "empty": {}}})
    system.request(lambda work: requests.apply(work, intent))
    found = yaml.safe_load("\n".join(exported.lines(client_of(system), (), fabric=False)))
    assert found["tenants"] == {"big": {"networks": {}, "nodes": nodes}, "empty": {"networks": {}, "nodes": {}}}
