"""The web service: every route, every way to be refused, and the document that describes it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from figure_system import empty_system, figure, figure_system, web_service
from flask.testing import FlaskClient

from ryu_vnet.errors import Exhausted, StoreError
from ryu_vnet.managers.system import System

NODE = "/v1/tenants/red/nodes/vm1.1"
ETH0 = "tenants.red.nodes.vm1.1.interfaces.eth0"


@pytest.fixture
def system(tmp_path: Path) -> System:
    return figure_system(tmp_path)


@pytest.fixture
def web(system: System) -> FlaskClient:
    return web_service(system).test_client()


def test_a_whole_intent_twice_is_one_change(tmp_path: Path) -> None:
    web = web_service(empty_system(tmp_path)).test_client()
    first = web.post("/v1/apply", json=figure())
    assert first.status_code == 202
    assert first.json is not None and first.json["changed"] and not first.json["realised"]
    assert {"switch": "host1", "why": "it is not connected"} in first.json["pending"]
    again = web.post("/v1/apply?wait=1", json=figure())
    assert again.json == {**first.json, "changed": False}
    only_fabric = web.put("/v1/fabric", json=figure()["fabric"])
    assert only_fabric.status_code == 202 and only_fabric.json == again.json


def test_what_a_get_gives_a_put_takes_and_nothing_changes(system: System, web: FlaskClient) -> None:
    before = system.revision
    fabric: Any = web.get("/v1/fabric").json
    assert web.put("/v1/fabric", json=fabric["declared"]).json["changed"] is False
    for tenant in web.get("/v1/tenants").json["tenants"]:
        base = f"/v1/tenants/{tenant['name']}"
        assert web.put(base).json["changed"] is False
        for network in web.get(f"{base}/networks").json["networks"]:
            body = {"tagged": network["tagged"]}
            assert web.put(f"{base}/networks/{network['name']}", json=body).json["changed"] is False
        for node in web.get(f"{base}/nodes").json["nodes"]:
            body = {"running": node["running"], "interfaces": node["interfaces"]}
            assert web.put(f"{base}/nodes/{node['name']}", json=body).json["changed"] is False
    assert system.revision == before


def test_a_tenant_from_birth_to_death(system: System, web: FlaskClient) -> None:
    def done(method: str, path: str, body: Any = None) -> None:
        answer = web.open(path, method=method, json=body)
        assert answer.status_code in (200, 202) and answer.json["changed"] is True, answer.json
        assert answer.json["realised"] is (answer.status_code == 200)
        assert web.open(path, method=method, json=body).status_code in (answer.status_code, 404)

    base = "/v1/tenants/grey"
    done("PUT", base)
    done("PUT", f"{base}/networks/W", {})
    done("PUT", f"{base}/nodes/vm9", {"interfaces": {"eth0": {"mac": "02:00:00:00:09:01", "ips": ["10.0.0.9"]}}})
    done("PUT", f"{base}/networks/W/members/vm9?interface=eth0")
    done("POST", f"{base}/nodes/vm9/start", {"at": {"eth0": "host1:vm9"}})
    assert web.get(f"{base}/nodes/vm9").json == {
        "tenant": "grey",
        "name": "vm9",
        "running": True,
        "interfaces": {
            "eth0": {
                "mac": "02:00:00:00:09:01",
                "ips": ["10.0.0.9"],
                "at": "host1:vm9",
                "site": None,
                "iface_id": None,
                "leases": [],
                "bandwidth": None,
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
    assert web.get(f"{base}/networks/W").json["members"][0]["node"] == "grey/vm9"
    assert web.get(base).json == {
        "name": "grey",
        "network_count": 1,
        "networks": ["W"],
        "node_count": 1,
        "nodes": ["vm9"],
    }
    done("POST", f"{base}/nodes/vm9/stop")
    done("POST", f"{base}/nodes/vm9/start")
    done("DELETE", f"{base}/networks/W/members/vm9")
    done("DELETE", f"{base}/nodes/vm9")
    done("DELETE", f"{base}/networks/W")
    done("DELETE", base)
    assert web.get(base).status_code == 404


def test_an_address_that_is_chosen_is_told_before_the_machine_needs_it(web: FlaskClient) -> None:
    path = "/v1/tenants/red/nodes/vm9"
    made = web.put(path, json={"interfaces": {"eth0": {"network": "X"}}}).json
    assert made["changed"] and made["node"] == web.get(path).json
    assert made["node"]["interfaces"]["eth0"]["mac"] is None and made["node"]["chosen_macs"] == []
    started = web.post(f"{path}/start", json={"at": {"eth0": "host3:vm9"}}).json
    assert started["node"] == web.get(path).json and started["node"]["chosen_macs"] == ["eth0"]
    chosen = started["node"]["interfaces"]["eth0"]["mac"]
    assert chosen.startswith("f2:")
    again = web.post(f"{path}/start").json
    assert again == {**started, "changed": False}
    web.post(f"{path}/stop")
    moved = web.post(f"{path}/start", json={"at": {"eth0": "host1:vm9"}}).json
    assert moved["changed"] and moved["node"]["interfaces"]["eth0"]["mac"] == chosen
    clash = {"interfaces": {"eth0": {"mac": chosen, "at": "host1:vm8", "network": "X"}}}
    refused = web.put("/v1/tenants/red/nodes/vm8", json=clash)
    assert refused.status_code == 422
    assert f"{chosen} occurs twice in network red/X, also at node red/vm9" in refused.json["detail"]


def test_an_intent_without_addresses_comes_back_with_them_and_changes_nothing(tmp_path: Path) -> None:
    intent = figure()
    for tenant in intent["tenants"].values():
        for node in tenant["nodes"].values():
            del node["interfaces"]["eth0"]["mac"]
    web = web_service(empty_system(tmp_path)).test_client()
    first = web.post("/v1/apply", json=intent).json
    assert first["changed"]
    exported: dict[str, Any] = {"fabric": web.get("/v1/fabric").json["declared"], "tenants": {}}
    for tenant in intent["tenants"]:
        base = f"/v1/tenants/{tenant}"
        nodes = web.get(f"{base}/nodes").json["nodes"]
        assert all(node["chosen_macs"] == ["eth0"] for node in nodes)
        exported["tenants"][tenant] = {
            "networks": {n["name"]: {"tagged": n["tagged"]} for n in web.get(f"{base}/networks").json["networks"]},
            "nodes": {n["name"]: {"running": n["running"], "interfaces": n["interfaces"]} for n in nodes},
        }
    macs = [n["interfaces"]["eth0"]["mac"] for part in exported["tenants"].values() for n in part["nodes"].values()]
    assert len({*macs}) == len(macs) == 7
    for known in (exported, intent):
        assert web.post("/v1/apply", json=known).json == {**first, "changed": False}
    assert [node["chosen_macs"] for node in web.get("/v1/tenants/red/nodes").json["nodes"]] == [["eth0"]] * 2


def test_status_switches_flows_revisions(system: System, web: FlaskClient) -> None:
    status = web.get("/v1/status").json
    assert status["framework"] == "ryu" and status["revision"] == system.revision and not status["realised"]
    assert (status["tenants"], status["networks"], status["nodes"], status["running"]) == (3, 3, 7, 7)
    assert [switch["name"] for switch in status["switches"]] == sorted(system.switches)
    assert web.get("/v1/switches").json["switches"] == status["switches"]
    assert web.get("/v1/switches/host1").json == next(s for s in status["switches"] if s["name"] == "host1")
    flows = web.get("/v1/switches/host1/flows").json
    assert flows["counted"] is None and len(flows["rows"]) == len(system.tables["host1"].rows)
    assert web.get("/v1/switches/host1/flows?counters=1").json["counted"] is False
    found = web.get(f"/v1/revisions/{system.revision}?wait=0.1").json
    assert found["realised"] is False and len(found["pending"]) == len(system.switches)
    assert web.get(f"/v1/revisions/{system.revision + 1}").status_code == 404


def test_nothing_counts_as_realised_after_a_restart(web: FlaskClient) -> None:
    """An old revision was acknowledged before the restart or not: nobody knows until the switch is read again."""
    assert web.get("/v1/revisions/1").json["realised"] is False
    assert web.put("/v1/tenants/red").status_code == 202


def test_trace(web: FlaskClient) -> None:
    found = web.get("/v1/trace?from=blue/vm1.2&to=blue/vm3.1").json
    assert found["delivered"] and [hop["switch"] for hop in found["hops"]][-1] == "host3"
    assert not web.get("/v1/trace?from=red/vm1.1&to=blue/vm3.1&kind=arp").json["delivered"]


# --- refusals -------------------------------------------------------------------------------------------------------

INTERFACE = {"mac": "02:00:00:00:09:09", "at": "host1:vm9"}

NODE_FIELDS = "apart, discovery, function, interfaces, labels, prepared, running, size, unit"
REFUSED: list[tuple[str, str, Any, int, str, str]] = [
    # method, path, body, status, what the problem's place is, what its text must name
    ("PUT", NODE, {"runing": True}, 422, "tenants.red.nodes.vm1.1.runing", f"one of {NODE_FIELDS}"),
    ("PUT", "/v1/fabric", {"switches": {"s1": {}}}, 422, "fabric.switches.s1.dpid", "dpid is missing"),
    ("PUT", NODE, {"interfaces": {"eth0": {"mac": 7}}}, 422, f"{ETH0}.mac", "7 is not text"),
    ("PUT", NODE, {"interfaces": {"eth0": {"mac": "0:0"}}}, 422, f"{ETH0}.mac", "'0:0'"),
    ("PUT", NODE, {"interfaces": {"eth0": {**INTERFACE, "ips": ["10.0.0.300"]}}}, 422,
     f"{ETH0}.ips[0]", "10.0.0.300"),
    ("PUT", NODE, {"interfaces": {"eth0": {**INTERFACE, "at": "host9:p"}}}, 422,
     f"{ETH0}.at", "unknown switch 'host9'"),
    ("PUT", NODE, {"interfaces": {"eth0": {**INTERFACE, "at": "host1:vm1.2"}}}, 422,
     f"{ETH0}.at", "host1:vm1.2 is used twice"),
    ("PUT", NODE, {"interfaces": {"eth0": {**INTERFACE, "network": "Q"}}}, 422,
     f"{ETH0}.networks", "one of X"),
    ("PUT", "/v1/fabric", {"mtu": 5}, 422, "fabric.mtu", "greater than or equal to 576"),
    ("PUT", "/v1/fabric", {"switches": {"s1": {"dpid": "xyz"}}}, 422, "fabric.switches.s1.dpid", "0x1f"),
    ("PUT", "/v1/fabric", {"links": [{"kind": "trnk", "a": "s:p", "b": "t:p"}]}, 422,
     "fabric.links[0].kind", "'trunk'"),
    ("POST", "/v1/apply", {"tenant": {}}, 422, "tenant", "one of fabric, policies, tenants"),
    ("POST", "/v1/apply", {"tenants": {"a b": {}}}, 422, "tenants.a b", "'a b' is not a name"),
    ("POST", f"{NODE}/start", {"at": {"eth0": "host1:"}}, 422, "at.eth0", "network device"),
    ("PUT", f"{NODE}?wait=61", {}, 422, "wait", "less than or equal to 60"),
    ("PUT", f"{NODE}?wait=nan", {}, 422, "wait", "nan"),
    ("PUT", f"{NODE}?wiat=6", {}, 422, "wiat", "unknown field 'wiat'"),
    ("GET", "/v1/trace?to=red/vm1.1", None, 422, "from", "missing"),
    ("GET", "/v1/status?all=1", None, 422, "all", "takes none"),
    ("POST", f"{NODE}/stop", {"now": True}, 422, "", "takes no body"),
    ("PUT", "/v1/tenants/grey/networks/X", {}, 404, "", "no tenant 'grey'"),
    ("PUT", "/v1/tenants/red/networks/X/members/vm9", None, 404, "", "one of vm1.1, vm2.2"),
    ("DELETE", "/v1/tenants/red/networks/Q", None, 404, "", "one of X"),
    ("GET", "/v1/switches/host9", None, 404, "", "host1, host2"),
    ("GET", "/v1/nothing", None, 404, "", "/v1/nothing"),
    ("DELETE", "/v1/tenants/red/networks/X", None, 409, "", "red/vm1.1, red/vm2.2"),
    ("DELETE", "/v1/tenants/red", None, 409, "", "2 node(s)"),
    ("PATCH", "/v1/fabric", None, 405, "", "it takes GET"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "where", "named"), REFUSED)
def test_refusals(
    system: System, web: FlaskClient, method: str, path: str, body: Any, status: int, where: str, named: str
) -> None:
    """Each is a problem document that names place, value and what would be right, and changes nothing."""
    before, model = system.revision, {key: system.model.get(key) for key in system.model.keys("")}
    answer = web.open(path, method=method, json=body)
    assert answer.status_code == status, answer.json
    assert answer.content_type == "application/problem+json"
    problem: Any = json.loads(answer.data)
    assert problem["status"] == status and problem["type"].startswith("urn:ryu-vnet:problem:")
    assert named in problem["detail"]
    assert where in [part["where"] for part in problem.get("problems", [{"where": ""}])]
    assert system.revision == before and {key: system.model.get(key) for key in system.model.keys("")} == model


@pytest.mark.parametrize(
    ("data", "kind", "status", "named"),
    [
        (b"{", "application/json", 400, "not JSON"),
        (b"[1]", "application/json", 400, "send a JSON object"),
        (b'{"mtu": 1500, "mtu": 9000}', "application/json", 400, "'mtu' occurs twice"),
        (b"[" * 100_000, "application/json", 400, "JSON|deeply"),
        (b"{}", "text/plain", 415, "application/json"),
        (b"\xff", "application/json", 400, "not JSON"),
    ],
)
def test_bodies_that_are_no_json(
    system: System, web: FlaskClient, data: bytes, kind: str, status: int, named: str
) -> None:
    before = system.revision
    answer = web.put("/v1/fabric", data=data, content_type=kind)
    assert answer.status_code == status and re.search(named, json.loads(answer.data)["detail"])
    assert system.revision == before


def test_a_body_that_is_too_long(web: FlaskClient) -> None:
    web.application.config["MAX_CONTENT_LENGTH"] = 1000
    answer = web.put("/v1/fabric", data=b" " * 1001, content_type="application/json")
    assert answer.status_code == 413 and answer.content_type == "application/problem+json"


def test_exhaustion_says_when_to_try_again(system: System, web: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(error: Exception) -> Any:
        def request(edit: Any) -> Any:
            raise error

        monkeypatch.setattr(system, "request", request)
        return web.put("/v1/tenants/red")

    resting = fail(Exhausted("all 4094 are in use or resting", 10))
    assert resting.status_code == 503 and resting.headers["Retry-After"] == "10"
    full = fail(Exhausted("all 4094 are in use"))
    assert full.status_code == 507 and "Retry-After" not in full.headers
    assert fail(StoreError("the disk is full")).status_code == 500
    bug = fail(RuntimeError("a secret of the inside"))
    assert bug.status_code == 500 and b"secret" not in bug.data and b"Traceback" not in bug.data


def test_the_token(system: System) -> None:
    web = web_service(system, "s3cret").test_client()
    for header in (None, "Bearer wrong", "Bearer", "Basic s3cret", "Bearer s3cret2", "Bearer \u00e9"):
        answer = web.get("/v1/status", headers={"Authorization": header} if header else {})
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].lower().startswith("bearer")
        assert answer.content_type == "application/problem+json" and "s3cret" not in answer.text
    right = {"Authorization": "Bearer s3cret", "Host": "vnet.example:8080"}
    assert web.get("/v1/status", headers=right).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:8080"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "10.0.0.1"}, 403),
        ({"Host": "127.0.0.1", "Origin": "http://evil.example"}, 403),
        ({"Host": "127.0.0.1", "Origin": "null"}, 403),
        ({"Host": "127.0.0.1", "Origin": "http://127.0.0.1:8080"}, 200),
    ],
)
def test_without_a_token_only_loopback_is_served(web: FlaskClient, headers: dict[str, str], status: int) -> None:
    assert web.get("/v1/status", headers=headers).status_code == status


# --- the OpenAPI document -------------------------------------------------------------------------------------------


def test_the_document_lists_every_route(web: FlaskClient) -> None:
    document: Any = web.get("/v1/openapi.json").json
    assert document["openapi"].startswith("3.1") and document["info"]["title"] == "ryu-vnet"
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in web.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    listed = {(path, method) for path, item in document["paths"].items() for method in item}
    assert listed == routes and len(routes) > 20


def test_the_document_is_whole(web: FlaskClient) -> None:
    document: Any = web.get("/v1/openapi.json").json
    schemas = document["components"]["schemas"]
    references = re.findall(r'"\$ref": "([^"]*)"', json.dumps(document))
    assert references and all(ref.removeprefix("#/components/schemas/") in schemas for ref in references)
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for path, item in document["paths"].items():
        for operation in item.values():
            inside = {part["name"] for part in operation.get("parameters", []) if part["in"] == "path"}
            assert inside == set(re.findall(r"{(\w+)}", path))
            assert operation["summary"] and operation["responses"]
            assert "application/problem+json" in operation["responses"]["4XX"]["content"]
