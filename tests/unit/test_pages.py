"""Lists in pages: each entry once, in order, whatever comes and goes meanwhile; and what such a page costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from figure_system import empty_system, figure_system, served, web_service
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from ryu_vnet.client import Client
from ryu_vnet.managers import requests
from ryu_vnet.managers.drift import Drift
from ryu_vnet.managers.system import System
from ryu_vnet.managers.tables import place_of
from ryu_vnet.model.state import Draft, Model
from ryu_vnet.model.values import Node, key_of
from ryu_vnet.schema import Intent

MANY = 1203
"""More than one answer may have."""


@pytest.fixture
def system(tmp_path: Path) -> System:
    return figure_system(tmp_path)


@pytest.fixture
def web(system: System) -> FlaskClient:
    return web_service(system).test_client()


def pages(web: FlaskClient, path: str, limit: int) -> Iterator[Any]:
    after = None
    while True:
        query = {"limit": limit} if after is None else {"limit": limit, "after": after}
        page: Any = web.get(path, query_string=query).json
        yield page
        after = page["next"]
        if after is None:
            return


def crowd(count: int) -> Intent:
    """One tenant with a network in which many nodes are, with two interfaces each in it, and as many networks."""
    nodes = {
        f"vm{number}": {"interfaces": {name: {"network": "N0"} for name in ("eth0", "eth1")}} for number in range(count)
    }
    networks: dict[str, Any] = {f"N{number}": {} for number in range(count)}
    return Intent.model_validate({"tenants": {"big": {"networks": networks, "nodes": nodes}}})


# --- the web service ------------------------------------------------------------------------------------------------

LISTS = [
    ("/v1/tenants", "tenants", "name"),
    ("/v1/tenants/blue/networks", "networks", "name"),
    ("/v1/tenants/blue/nodes", "nodes", "name"),
    ("/v1/tenants/blue/networks/Z/members", "members", "node"),
    ("/v1/switches", "switches", "name"),
    ("/v1/switches/host1/ports", "ports", "name"),
]


@pytest.mark.parametrize(("path", "kind", "name"), LISTS)
@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_the_pages_of_a_list_are_the_list(web: FlaskClient, path: str, kind: str, name: str, limit: int) -> None:
    (whole,) = pages(web, path, 1000)
    found = [*pages(web, path, limit)]
    assert [entry for page in found for entry in page[kind]] == whole[kind] != []
    assert all(len(page[kind]) == limit for page in found[:-1]) and 0 < len(found[-1][kind]) <= limit
    assert {page.get("total") for page in found} == {None if kind == "members" else len(whole[kind])}
    names = [entry[name] for entry in whole[kind]]
    assert names == sorted(names)
    last: Any = web.get(path, query_string={"after": found[-1][kind][-1][name].rpartition("/")[2]}).json
    assert (last[kind], last["next"]) == ([], None)


@pytest.mark.parametrize("switch", ["host1", "edgeA", "core1"])
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_the_pages_of_a_table_are_rows_and_then_groups(
    system: System, web: FlaskClient, switch: str, limit: int
) -> None:
    wanted = system.switches[switch].wanted
    found = [*pages(web, f"/v1/switches/{switch}/flows", limit)]
    rows, groups = ([part for page in found for part in page[kind]] for kind in ("rows", "groups"))
    assert len(rows) == len(wanted.rows) and [group["number"] for group in groups] == sorted(wanted.groups)
    assert [row["priority"] for row in rows] == [-place_of(key)[1] for key in sorted(wanted.rows, key=place_of)]
    assert len({(row["stage"], row["priority"], row["match"]) for row in rows}) == len(rows)
    assert all(len(page["rows"]) + len(page["groups"]) == limit for page in found[:-1])
    assert {page["total"] for page in found} == {len(wanted)}


def test_drifts_go_on_after_the_last_one(system: System, web: FlaskClient) -> None:
    system._clock = lambda: 5.0
    key = next(iter(system.switches["host1"].wanted.rows))
    drifts = [Drift(switch, key, None, None, "audit") for switch in ("host1", "host2", "host1") * 3]
    for drift in drifts:
        system._on_drift(drift)
    found = [*pages(web, "/v1/drift", 2)]
    assert [part["switch"] for page in found for part in page["drifts"]] == [drift.switch for drift in drifts]
    assert [len(page["drifts"]) for page in found] == [2, 2, 2, 2, 1] and {page["total"] for page in found} == {9}
    of_one: Any = web.get("/v1/drift", query_string={"switch": "host2", "limit": 1}).json
    system.drifts.popleft()
    rest: Any = web.get("/v1/drift", query_string={"switch": "host2", "after": of_one["next"]}).json
    assert (len(of_one["drifts"]), len(rest["drifts"]), rest["next"]) == (1, 2, None)


@pytest.mark.parametrize(
    ("path", "query", "where", "named"),
    [
        ("/v1/tenants", "limit=0", "limit", "greater than or equal to 1"),
        ("/v1/tenants", "limit=1001", "limit", "less than or equal to 1000"),
        ("/v1/tenants/red/nodes", "limit=many", "limit", "integer"),
        ("/v1/tenants/red/nodes", "limit=-1", "limit", "greater"),
        ("/v1/tenants/red/networks", "offset=5", "offset", "unknown field 'offset'"),
        ("/v1/switches", "limit=1.5", "limit", "integer"),
        ("/v1/drift", "after=yesterday", "after", "'yesterday'"),
        ("/v1/drift", "after=nan", "after", "'nan'"),
        ("/v1/switches/host1/flows", "after=host1", "after", "'host1'"),
        ("/v1/switches/host1/flows", "after=row-xy", "after", "what `next` of the answer before says"),
        ("/v1/switches/host1/flows", "after=row-00", "after", "'row-00'"),
        ("/v1/switches/host1/flows", "after=group-", "after", "'group-'"),
    ],
)
def test_what_is_no_page_is_refused(web: FlaskClient, path: str, query: str, where: str, named: str) -> None:
    answer = web.get(f"{path}?{query}")
    assert answer.status_code == 422 and answer.content_type == "application/problem+json"
    problem: Any = json.loads(answer.data)
    assert [part["where"] for part in problem["problems"]] == [where] and named in problem["detail"]


@pytest.mark.parametrize(
    "path", ["/v1/tenants/grey/nodes", "/v1/switches/host9/ports", "/v1/tenants/red/networks/Q/members"]
)
def test_of_what_is_not_there_there_is_no_list(web: FlaskClient, path: str) -> None:
    assert web.get(path).status_code == 404


def test_an_answer_does_not_grow_with_what_there_is(tmp_path: Path) -> None:
    system = empty_system(tmp_path)
    system.request(lambda work: requests.apply(work, crowd(120)))
    web = web_service(system).test_client()
    for kind in ("nodes", "networks"):
        page: Any = web.get(f"/v1/tenants/big/{kind}").json
        assert len(page[kind]) == 100 and page["total"] == 120 and page["next"] == page[kind][-1]["name"]
    (tenant,) = web.get("/v1/tenants").json["tenants"]
    assert tenant == web.get("/v1/tenants/big").json
    assert (
        (tenant["node_count"], len(tenant["nodes"])) == (tenant["network_count"], len(tenant["networks"])) == (120, 100)
    )
    network: Any = web.get("/v1/tenants/big/networks/N0").json
    assert len(network["members"]) == 100 and network["member_nodes"] == 120
    first: Any = web.get("/v1/tenants/big/networks/N0/members").json
    assert first["members"] == network["members"] and first["next"] == network["members_next"]
    odd = [*pages(web, "/v1/tenants/big/networks/N0/members", 7)]
    told = [(part["node"], part["interface"]) for page in odd for part in page["members"]]
    assert told == sorted((f"big/vm{number}", name) for number in range(120) for name in ("eth0", "eth1"))


def test_the_document_says_how_lists_are_read(web: FlaskClient) -> None:
    document: Any = web.get("/v1/openapi.json").json
    assert "`?after=`" in document["info"]["description"]
    for path, _, _ in LISTS:
        parts = path.replace("blue", "{tenant}").replace("/Z", "/{network}").replace("host1", "{switch}")
        operation = document["paths"][parts]["get"]
        (limit,) = [part["schema"] for part in operation["parameters"] if part["name"] == "limit"]
        assert (limit["default"], limit["minimum"], limit["maximum"]) == (100, 1, 1000)
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert "next" in document["components"]["schemas"][schema]["required"]


# --- while it changes -----------------------------------------------------------------------------------------------

NAMES = st.text("ab.Z9-_", min_size=1, max_size=3)


@given(
    st.sets(NAMES, min_size=1),
    st.lists(st.tuples(NAMES, st.booleans()), max_size=30),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_what_is_there_all_the_time_comes_once(
    names: set[str], changes: list[tuple[str, bool]], most: int, between: int
) -> None:
    """Nodes come and go between the pages; a draft on top of the model says the same as the model."""

    def node(name: str) -> Node:
        return Node("t", name, False, ())

    model = Model([*map(node, names), Node("u", "a", False, ()), Node("t-", "a", False, ())])
    always, ever, told, after = {*names}, {*names}, list[str](), ""
    queue = iter(changes)
    while True:
        keys = model.following("node/t", after, most)
        assert Draft(model).following("node/t", after, most) == keys
        told += keys
        if len(keys) < most:
            break
        after = keys[-1]
        for name, add in [part for part, _ in zip(queue, range(between), strict=False)]:
            model.keep({key_of(node(name)): node(name) if add else None})
            (ever.add if add else always.discard)(name)
    assert all(one < other for one, other in pairwise(told))
    assert {key_of(node(name)) for name in always} <= {*told} <= {key_of(node(name)) for name in ever}
    there = model.keys("node/t/")
    assert model.following("node/t", "", 1000) == there
    assert model.count("node/t") == Draft(model).count("node/t") == len(there)


def test_a_page_looks_at_no_more_than_it_has() -> None:
    looked = 0

    class Counting(set[str]):
        def __iter__(self) -> Iterator[str]:
            nonlocal looked
            looked += 1
            return super().__iter__()

    nodes = [Node("t", f"vm{number:05}", False, ()) for number in range(5000)]
    model = Model(nodes)
    folder = model._all.folders["node"]
    folder["node/t"] = Counting(folder["node/t"])
    after = ""
    for number in range(50):
        keys = model.following("node/t", after, 100)
        assert keys == [key_of(node) for node in nodes[100 * number : 100 * number + 100]]
        after = keys[-1]
        model.keep({key_of(nodes[0]): None if number % 2 else nodes[0]})
    assert looked == 1


# --- the client -----------------------------------------------------------------------------------------------------


def test_the_client_reads_all_pages(tmp_path: Path) -> None:
    def make() -> Any:
        system = empty_system(tmp_path)
        system.request(lambda work: requests.apply(work, crowd(MANY)))
        return web_service(system)

    with served(make) as url, Client(url) as client:
        names = sorted(f"vm{number}" for number in range(MANY))
        assert [node["name"] for node in client.nodes("big")] == names
        assert [node["name"] for node in client.nodes("big", limit=1100, after=names[3])] == names[4:1104]
        assert [node["name"] for node in client.nodes("big", limit=5)] == names[:5]
        (tenant,) = client.tenants()
        assert tenant["nodes"] == names and tenant["networks"] == [part["name"] for part in client.networks("big")]
        assert client.tenant("big") == tenant
        network = client.network("big/N0")
        told = [(part["node"], part["interface"]) for part in network["members"]]
        assert told == [(f"big/{name}", interface) for name in names for interface in ("eth0", "eth1")]
        assert client.networks("big", limit=1) == [network]
        assert len(client.networks("big", limit=1, whole=False)[0]["members"]) == 100


def test_the_client_reads_all_of_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(lambda: web_service(figure_system(tmp_path))) as url, Client(url) as client:
        whole = client.flows("edgeA")
        monkeypatch.setattr("ryu_vnet.client.LONGEST_PAGE", 5)
        monkeypatch.setattr("ryu_vnet.connection.LONGEST_PAGE", 5)
        assert client.flows("edgeA") == whole and len(whole["rows"]) + len(whole["groups"]) == whole["total"] > 40
        switches = client.switches()
        assert len(switches) == 8 and client.switches(limit=3, after=switches[3]["name"]) == switches[4:7]
        assert client.ports("host1")[0]["used_by"] == "the trunk link to edgeA:edgeA-host1"
