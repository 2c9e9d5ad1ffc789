"""Policies through the web service, the Python client and the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from figure_system import FIGURE, figure, figure_system, served, web_service
from flask.testing import FlaskClient

from ryu_vnet.cli import main
from ryu_vnet.client import Client
from ryu_vnet.errors import Conflict, Invalid, NotFound
from ryu_vnet.managers.system import System

WEB = {"match": {"function": "web*"}, "networks": ["X"]}
UNITS = {"match": {"labels": {"env": "prod"}}, "templates": ["unit-{unit}"]}
EVERY_FIELD = {
    "order": 7,
    "match": {
        "tenant": "red",
        "unit": "dev*",
        "function": "[a-z]*",
        "labels": {"env": "prod", "tier": ""},
        "node": "vm?",
        "interface": "eth0",
        "mac": "02:00",
        "ip": "10.0.0.0/8",
        "segment": "A",
        "host": "host*",
        "port": "vm*",
        "network": "Z*",
    },
    "networks": ["X"],
    "templates": ["unit-{unit}"],
    "final": True,
}
NODE = {"unit": "sales", "function": "webserver", "labels": {"env": "prod"}}
INTERFACE = {"at": "host2:web1", "ips": ["10.0.0.50"], "networks": []}


@pytest.fixture
def system(tmp_path: Path) -> System:
    return figure_system(tmp_path)


@pytest.fixture
def web(system: System) -> FlaskClient:
    return web_service(system).test_client()


# --- the web service ------------------------------------------------------------------------------------------------


def test_a_policy_from_birth_to_death(web: FlaskClient) -> None:
    assert web.get("/v1/policies").json == {"next": None, "total": 0, "policies": []}
    made = web.put("/v1/policies/web", json=WEB).json
    assert made["changed"] and web.put("/v1/policies/web", json=WEB).json == {**made, "changed": False}
    whole: Any = web.get("/v1/policies/web").json
    assert whole["name"] == "web" and whole["order"] == 10 and whole["match"]["function"] == "web*"
    several: Any = web.post("/v1/policies", json={"policies": {"units": UNITS, "every": EVERY_FIELD}}).json
    assert several["changed"]
    listed: Any = web.get("/v1/policies").json
    assert [(part["name"], part["order"]) for part in listed["policies"]] == [("every", 7), ("web", 10), ("units", 20)]
    every = dict(listed["policies"][0])
    assert every.pop("name") == "every" and every == EVERY_FIELD
    for part in listed["policies"]:
        name = part.pop("name")
        assert web.put(f"/v1/policies/{name}", json=part).json["changed"] is False
    assert web.delete("/v1/policies/every").json["changed"]
    assert web.delete("/v1/policies/every").status_code == web.get("/v1/policies/every").status_code == 404


def test_policies_in_pages(web: FlaskClient) -> None:
    specs = {f"p{number}": {**WEB, "order": number * 3} for number in range(5)}
    web.post("/v1/policies", json={"policies": specs})
    first: Any = web.get("/v1/policies?limit=2").json
    assert ([part["name"] for part in first["policies"]], first["next"], first["total"]) == (["p0", "p1"], "3", 5)
    rest: Any = web.get("/v1/policies?limit=3&after=3").json
    assert ([part["name"] for part in rest["policies"]], rest["next"]) == (["p2", "p3", "p4"], None)
    refused = web.get("/v1/policies?after=p1")
    assert refused.status_code == 422 and "'p1' is no order" in refused.json["detail"]  # type: ignore[index]


def test_what_policies_do_is_explained(web: FlaskClient) -> None:
    last = {"match": {"tenant": "red"}, "templates": ["fn-{function}"], "order": 50}
    specs = {"web": {**WEB, "final": True, "order": 20}, "units": {**UNITS, "order": 5}, "last": last}
    web.post("/v1/policies", json={"policies": specs})
    web.put("/v1/tenants/red/nodes/web1", json={**NODE, "interfaces": {"eth0": {**INTERFACE, "networks": ["X"]}}})
    node: Any = web.get("/v1/tenants/red/nodes/web1").json
    assert node["interfaces"]["eth0"]["networks"] == ["X"] and node["policy_networks"] == {"eth0": ["unit-sales"]}
    network: Any = web.get("/v1/tenants/red/networks/unit-sales").json
    assert network["made_by"] == "unit-{unit}" and [member["node"] for member in network["members"]] == ["red/web1"]
    assert web.get("/v1/tenants/red/networks/X").json["made_by"] is None  # type: ignore[index]
    found: Any = web.get("/v1/tenants/red/nodes/web1/policies").json
    assert found["node"] == "red/web1"
    (eth0,) = found["interfaces"]
    assert (eth0["networks"], eth0["asked"]) == (["X", "unit-sales"], ["X"])
    assert eth0["given_by"] == {"unit-sales": "units"}
    assert [(step["policy"], step["matches"], step["gives"], step["why"], step["ends"]) for step in eth0["steps"]] == [
        ("units", True, ["unit-sales"], "", False),
        ("web", True, ["X"], "", True),
        ("last", False, [], "not asked: 'web' is final and matched", False),
    ]
    assert eth0["steps"][0]["by_template"] == ["unit-sales"] and eth0["steps"][1]["by_template"] == []
    other: Any = web.get("/v1/tenants/red/nodes/vm1.1/policies").json
    assert [step["why"] for step in other["interfaces"][0]["steps"]] == [
        "it has no label env, so not 'prod'",
        "it has no function, so not 'web*'",
        "",
    ]
    assert other["interfaces"][0]["steps"][2]["withheld"] == ["'fn-{function}' yields nothing: it has no function"]
    assert web.get("/v1/tenants/red/nodes/vm9/policies").status_code == 404


REFUSED: list[tuple[str, str, Any, int, str, str]] = [
    # method, path, body, status, what the problem's place is, what its text must name
    ("PUT", "/v1/policies/web", {**WEB, "network": ["X"]}, 422, "policies.web.network", "one of final, match, "),
    ("PUT", "/v1/policies/web", {"match": {"fuction": "web"}}, 422, "policies.web.match.fuction", "one of function, "),
    ("PUT", "/v1/policies/web", {**WEB, "order": -1}, 422, "policies.web.order", "greater than or equal to 0"),
    ("PUT", "/v1/policies/web", {"match": {"mac": "zz"}, "networks": ["X"]}, 422, "policies.web.match.mac", "'zz'"),
    ("PUT", "/v1/policies/we b", WEB, 422, "policies.we b", "'we b' is not a name"),
    ("PUT", "/v1/policies/web", {}, 422, "policies.web", "yields nothing"),
    ("PUT", "/v1/policies/web", {"match": {"tenant": "red"}, "networks": ["Q"]}, 422, "policies.web.networks[0]",
     "policy 'web' puts red/vm1.1 eth0 and 1 more in network 'Q', which tenant red does not have (create it: vnet"),
    ("PUT", "/v1/policies/web", {"templates": ["{segment}", "{host}"]}, 422, "policies.web.templates[0]", "same name"),
    ("POST", "/v1/policies", {"policies": {"a": {"templates": ["{unt}"]}, "b": {"match": {"ip": "10"}}}}, 422,
     "policies.a.templates[0]", "unknown placeholder {unt}"),
    ("POST", "/v1/policies", {"web": WEB}, 422, "web", "unknown field 'web'"),
    ("POST", "/v1/apply", {"policies": {"web": {"networks": [7]}}}, 422, "policies.web.networks[0]", "7 is not text"),
    ("POST", "/v1/apply", {"policies": {"web": {"matches": {}}}}, 422, "policies.web.matches", "one of final, match,"),
    ("DELETE", "/v1/policies/web", None, 404, "", "there is no policy 'web' (there is none)"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "where", "named"), REFUSED)
def test_refusals(
    system: System, web: FlaskClient, method: str, path: str, body: Any, status: int, where: str, named: str
) -> None:
    before = system.revision, {*map(repr, system.model.values())}
    answer: Any = web.open(path, method=method, json=body)
    assert answer.status_code == status, answer.json
    assert answer.content_type == "application/problem+json" and named in answer.json["detail"], answer.json["detail"]
    assert where in [part["where"] for part in answer.json.get("problems", [{"where": ""}])], answer.json
    assert (system.revision, {*map(repr, system.model.values())}) == before


def test_nobody_meddles_with_what_policies_do(web: FlaskClient) -> None:
    web.post("/v1/policies", json={"policies": {"web": WEB, "units": UNITS}})
    web.put("/v1/tenants/red/nodes/web1", json={**NODE, "interfaces": {"eth0": INTERFACE}})
    red = "/v1/tenants/red/networks"
    for method, path, named in (
        ("DELETE", f"{red}/X/members/web1", "stays in network red/X: policy 'web' gives it"),
        ("DELETE", f"{red}/unit-sales/members/web1", "stays in network red/unit-sales: policy 'units' gives it"),
        ("PUT", f"{red}/unit-sales/members/vm1.1", "made by the template 'unit-{unit}' of policy 'units'"),
        ("DELETE", f"{red}/unit-sales", "made by the template 'unit-{unit}' of policy 'units'"),
    ):
        answer: Any = web.open(path, method=method)
        assert answer.status_code == 409 and named in answer.json["detail"], answer.json


def test_an_intent_has_all_policies_or_says_nothing_of_them(web: FlaskClient) -> None:
    assert web.post("/v1/apply", json={**figure(), "policies": {"web": WEB, "units": UNITS}}).json["changed"]  # type: ignore[index]
    assert web.post("/v1/apply", json=figure()).json["changed"] is False  # type: ignore[index]
    assert web.get("/v1/policies").json["total"] == 2  # type: ignore[index]
    web.post("/v1/apply", json={"policies": {"units": UNITS}})
    assert [part["name"] for part in web.get("/v1/policies").json["policies"]] == ["units"]  # type: ignore[index]


# --- the client -----------------------------------------------------------------------------------------------------


def test_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(lambda: web_service(figure_system(tmp_path))) as url, Client(url) as client:
        assert client.put_policy("web", WEB).changed and not client.put_policy("web", WEB).changed
        assert client.put_policies({"units": UNITS, "first": {**UNITS, "order": 1}}).changed
        names = ["first", "web", "units"]
        assert [policy["name"] for policy in client.policies()] == names
        assert [policy["name"] for policy in client.policies(limit=1, after=1)] == ["web"]
        monkeypatch.setattr("ryu_vnet.connection.LONGEST_PAGE", 1)
        assert [policy["name"] for policy in client.policies()] == names
        assert client.policy("web") == client.policies()[1]
        assert client.explain_policies("red/vm1.1")["interfaces"][0]["steps"][1]["policy"] == "web"
        with pytest.raises(Invalid, match=r"'first', 'last' have the same order 1"):
            client.put_policy("last", {**UNITS, "order": 1})
        with pytest.raises(NotFound, match="one of first, web, units"):
            client.policy("last")
        client.put_node("red/web1", {**NODE, "interfaces": {"eth0": INTERFACE}})
        with pytest.raises(Conflict, match="stays in network red/X"):
            client.detach("red/web1", "red/X")
        assert client.delete_policy("web").changed and client.detach("red/web1", "red/X").changed is False
        assert client.apply({"policies": {}}).changed and client.policies() == []


# --- the command line -----------------------------------------------------------------------------------------------

FILE = """\
policies:
  web:
    match: {function: web*}
    networks: [X]
  units:
    match: {tenant: "[r]ed", labels: {env: prod}}
    templates: ["unit-{unit}"]
    final: true
"""

Run = Callable[..., Result]


@pytest.fixture
def vnet(tmp_path: Path) -> Iterator[Run]:
    with served(lambda: web_service(figure_system(tmp_path))) as url:

        def run(*arguments: str, text: str | None = None) -> Result:
            return CliRunner().invoke(main, ["--url", url, "--wait", "0", *arguments], input=text)

        yield run


def test_the_commands(vnet: Run, tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(FILE)
    assert vnet("policy", "list").stdout == "none\n"
    first, again = (vnet("policy", "put", "-f", str(path)) for _ in range(2))
    assert (first.exit_code, again.exit_code) == (0, 0) and "2 policies are there (revision" in first.stdout
    assert "as it was already" in again.stdout
    one = vnet("policy", "put", "-f", "-", text="policies: {units: {match: {function: none}, networks: [Q], order: 5}}")
    assert one.exit_code == 0 and one.stdout.startswith("policy units is there")
    assert vnet("policy", "put", "-f", str(path)).exit_code == 0
    listed = vnet("policy", "list").stdout
    for text in ("web", "function=web*", "tenant=[r]ed, label env=prod", "unit-{unit}", "yes"):
        assert text in listed
    assert [part["name"] for part in json.loads(vnet("policy", "list", "--json").stdout)] == ["units", "web"]
    some = vnet("policy", "list", "--limit", "1")
    assert "go on with --after 5" in some.stderr and "web" not in some.stdout
    assert json.loads(vnet("policy", "list", "--after", "5", "--json").stdout)[0]["name"] == "web"
    assert "function=web*" in vnet("policy", "show", "web").stdout
    assert json.loads(vnet("policy", "show", "web", "--json").stdout)["networks"] == ["X"]
    gone = vnet("policy", "delete", "web")
    assert gone.exit_code == 0 and gone.stdout.startswith("policy web is gone")
    assert vnet("policy", "delete", "web").exit_code == vnet("policy", "show", "web").exit_code == 1


def test_who_did_it_is_told(vnet: Run) -> None:
    vnet("policy", "put", "-f", "-", text=FILE)
    options = ("--unit", "sales", "--function", "webserver", "--label", "env=prod", "--at", "host2:web1")
    vnet("node", "create", "red/web1", *options)
    lines = [" ".join(line.split()) for line in vnet("policy", "explain", "red/web1").stdout.splitlines()]
    assert lines[0] == "red/web1 eth0 is in X (policy web), unit-sales (policy units)"
    assert "10 web X it matches" in lines
    assert "20 units unit-sales (by template) it matches; it is final: no later one is asked" in lines
    assert "X (policy), unit-sales (policy)" in vnet("node", "show", "red/web1").stdout
    assert "made by the template 'unit-{unit}' of a policy" in vnet("network", "show", "red/unit-sales").stdout
    assert "made by" not in vnet("network", "show", "red/X").stdout
    other = vnet("policy", "explain", "blue/vm1.2").stdout
    assert "blue/vm1.2 eth0 is in Z (asked for)" in other and "tenant is 'blue', not '[r]ed'" in other
    vnet("node", "create", "red/bare")
    assert vnet("policy", "explain", "red/bare").stdout == "red/bare has no interface\n"
    assert json.loads(vnet("policy", "explain", "red/web1", "--json").stdout)["node"] == "red/web1"


FILES = {
    "what the file alone shows": (
        "policies:\n  web:\n    match:\n      mac: '52:5'\n      function: ''\n    networks: [X]\n  b: {}\n",
        [
            "4: policies.web.match.mac: '52:5' is not the beginning of a MAC address",
            "5: policies.web.match.function: an empty pattern matches nothing",
        ],
    ),
    "what contradicts": (
        "policies:\n  a: {order: 3, templates: ['{unit}']}\n  b: {order: 3, networks: [X]}\n",
        ["3: policies.b.order: 'a', 'b' have the same order 3"],
    ),
    "what only the controller can know": (
        "policies:\n  a:\n    networks:\n      - X\n      - Q\n",
        [
            "4: policies.a.networks[0]: policy 'a' puts blue/vm1.2 eth0 and",
            "4: policies.a.networks[0]: policy 'a' puts green/",
            "5: policies.a.networks[1]: policy 'a' puts blue/vm1.2 eth0 and",
            "5: policies.a.networks[1]: policy 'a' puts green/",
            "5: policies.a.networks[1]: policy 'a' puts red/vm1.1 eth0 and 1 more in network 'Q', which tenant red",
        ],
    ),
    "a whole intent": ("policies: {}\ntenants: {}\n", ["2: tenants: this is no policy (`vnet apply -f` takes whole"]),
    "none": ("policies:\n", ["1: policies: the file holds no policies"]),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_wrong_in_a_file_is_shown_with_its_line(vnet: Run, tmp_path: Path, name: str) -> None:
    text, expected = FILES[name]
    path = tmp_path / "policies.yaml"
    path.write_text(text)
    result = vnet("policy", "put", "-f", str(path))
    assert result.exit_code == 1 and result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line != "Nothing was changed."]
    assert len(lines) == len(expected), result.stderr
    for line, wanted in zip(lines, expected, strict=True):
        assert line.startswith(f"vnet: {path}:{wanted}"), line


def test_apply_takes_policies_too(vnet: Run) -> None:
    vnet("apply", "-f", "-", text=FIGURE.read_text() + FILE)
    assert [part["name"] for part in json.loads(vnet("policy", "list", "--json").stdout)] == ["web", "units"]
    wrong = vnet("apply", "-f", "-", text="policies:\n  web:\n    match: {tenant: red}\n    networks: [Q]\n")
    assert wrong.exit_code == 1 and "<stdin>:4: policies.web.networks[0]: policy 'web' puts red/vm1.1" in wrong.stderr
