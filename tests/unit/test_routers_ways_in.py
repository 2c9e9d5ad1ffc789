"""Routers between networks, and gateways that are moved, by the web service, the client and the command line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result
from figure_system import served, web_service
from flask.testing import FlaskClient
from in_process import client_of
from internet_system import internet, internet_system
from memory_store import MemoryStore

from ryu_vnet.cli import exported, main
from ryu_vnet.client import Client
from ryu_vnet.errors import Conflict, Invalid, NotFound
from ryu_vnet.managers import outside
from ryu_vnet.managers.standby import START_SECONDS, move_gateway
from ryu_vnet.managers.system import System
from ryu_vnet.openflow.wire import Version
from ryu_vnet.schema import ForwardSpec

Run = Callable[..., Result]
SQL = {"protocol": "tcp", "port": "5432"}
WEB_TO_DB = {"from": "web", "to": "db", "allow": [SQL]}


@pytest.fixture
def system() -> System:
    return internet_system()


@pytest.fixture
def web(system: System) -> FlaskClient:
    return web_service(system).test_client()


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    with client_of(system) as client:
        yield client


@pytest.fixture
def vnet() -> Iterator[Run]:
    with served(lambda: web_service(internet_system())) as url:
        yield lambda *arguments, code=(0, 4): _run(url, arguments, code)


def _run(url: str, arguments: tuple[str, ...], code: tuple[int, ...]) -> Result:
    result = CliRunner().invoke(main, ["--url", url, "--wait", "0", *arguments])
    assert result.exit_code in code, result.output
    return result


def way(found: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    (pair,) = (pair for pair in found["pairs"] if (pair["source"], pair["target"]) == (source, target))
    return dict(pair)


# --- what there is ----------------------------------------------------------------------------------------------------


def test_a_router_shows_what_may_begin_each_way(client: Client) -> None:
    found = client.router("red/core")
    assert found == client.routers("red")[0] and [*client.each_router("red")] == [found]
    assert (found["networks"], found["restricted"]) == (["red/web", "red/db"], True)
    assert found["pairs"] == [
        {
            "source": "red/web", "target": "red/db", "allows": ["tcp/5432"], "passes": ["tcp/5432"], "asked": True,
            "why": "",
        },
        {
            "source": "red/db", "target": "red/web", "allows": [], "passes": [], "asked": True,
            "why": "its rules let nothing begin",
        },
    ]  # fmt: skip
    assert found["declared"] == {"networks": ["web", "db"], "rules": [WEB_TO_DB]}
    assert not client.put_router("red/core", **found["declared"]).changed
    network = client.network("red/web")
    assert (network["routers"], network["partners"]) == (["core"], ["red/db"])
    assert client.network("blue/web")["routers"] == client.network("blue/web")["partners"] == []


def test_routers_from_birth_to_death(client: Client) -> None:
    assert client.put_router("green/r", ["plain", "alone"]).changed
    assert not client.put_router("green/r", ["plain", "alone"]).changed
    found = client.router("green/r")
    assert not found["restricted"] and way(found, "green/plain", "green/alone")["allows"] == ["everything"]
    # One has IPv6 alone, the other IPv4.
    assert "have no version of IP in common" in way(found, "green/plain", "green/alone")["why"]
    assert way(found, "green/plain", "green/alone")["passes"] == []
    client.put_network("green/mute", subnets=[{"prefix": "10.7.0.0/24", "gateway": None}])
    client.put_network("green/bare")
    client.put_router("green/r", ["alone", "mute", "bare"])
    found = client.router("green/r")
    one_way = way(found, "green/alone", "green/mute")
    assert one_way["passes"] == ["everything"]
    assert one_way["why"] == "no answer comes back: green/mute has no subnet with a router"
    assert way(found, "green/mute", "green/alone")["why"] == "green/mute has no subnet with a router"
    assert way(found, "green/alone", "green/bare")["why"] == "green/bare has no subnet"
    assert [one["name"] for one in client.routers("green", limit=1)] == ["r"]
    client.put_router("green/a", ["plain", "alone"])
    assert [one["name"] for one in client.routers("green", limit=1)] == ["a"]
    assert [one["name"] for one in client.routers("green", after="a")] == ["r"]
    assert client.delete_router("green/r").changed and client.delete_router("green/a").changed
    with pytest.raises(NotFound, match=r"tenant green has no router 'r' \(it has none\)"):
        client.router("green/r")
    with pytest.raises(NotFound, match=r"tenant green has no router 'r' \(it has none\)"):
        client.delete_router("green/r")
    with pytest.raises(NotFound, match=r"tenant red has no router 'x' \(core\)"):
        client.router("red/x")


def test_between_tenants_both_must_ask_and_nobody_learns_more(client: Client) -> None:
    """What blue has is not for red to know: a network that is there looks as one that is not."""
    client.put_network("blue/db", subnets=["10.8.0.0/24"])
    asked = [{"from": "web", "to": "blue/db", "allow": [{"protocol": "tcp", "port": 80}, {"protocol": "icmp"}]}]
    client.put_router("red/to-blue", ["web", "blue/db"], asked)
    client.put_router("red/to-nobody", ["web", "blue/nothing"])
    there, not_there = client.router("red/to-blue"), client.router("red/to-nobody")
    for found, other in ((there, "blue/db"), (not_there, "blue/nothing")):
        for source, target in (("red/web", other), (other, "red/web")):
            pair = way(found, source, target)
            assert (pair["passes"], pair["asked"], pair["why"]) == ([], False, "tenant blue has not asked for it")
    assert client.network("red/web")["partners"] == ["red/db"]
    assert client.network("blue/db")["routers"] == client.network("blue/db")["partners"] == []
    assert client.routers("blue") == []
    client.put_router("blue/r", ["db", "red/web"], [{"from": "red/web", "to": "db", "allow": [{"protocol": "tcp"}]}])
    pair = way(client.router("red/to-blue"), "red/web", "blue/db")
    assert (pair["allows"], pair["passes"], pair["asked"], pair["why"]) == (["icmp", "tcp/80"], ["tcp/80"], True, "")
    assert way(client.router("blue/r"), "red/web", "blue/db")["allows"] == ["tcp"]
    assert client.network("blue/db")["partners"] == ["red/web"]
    client.put_router("blue/r", ["db", "red/web"], [{"from": "red/web", "to": "db", "allow": [{"protocol": "udp"}]}])
    assert way(client.router("red/to-blue"), "red/web", "blue/db")["why"] == "the rules of tenant blue do not let it"


def test_two_networks_of_others_are_not_a_routers_affair(client: Client) -> None:
    client.put_router("red/r", ["web", "blue/a", "green/b"])
    pairs = client.router("red/r")["pairs"]
    assert {(pair["source"], pair["target"]) for pair in pairs} == {
        ("red/web", "blue/a"), ("red/web", "green/b"), ("blue/a", "red/web"), ("green/b", "red/web"),
    }  # fmt: skip


REFUSED: list[tuple[str, str, Any, int, str, str]] = [
    # method, path below the tenant, body, status, where the problem is, what it must name
    ("PUT", "routers/r", {"networks": ["web"]}, 422, "routers.r.networks", "1 network(s) need no router"),
    ("PUT", "routers/r", {"networks": ["web", "nix"]}, 422, "routers.r.networks[1]", "has no network 'nix'"),
    ("PUT", "routers/r", {"networks": ["blue/a", "green/b"]}, 422, "routers.r.networks", "none of them is of tenant"),
    ("PUT", "routers/-", {"networks": ["web", "db"]}, 422, "routers.-", "'-' is not a name"),
    ("PUT", "routers/r", {}, 422, "routers.r.networks", "networks is missing"),
    ("PUT", "routers/r", {"networks": ["web", "db"], "rules": [{"from": "web", "to": "web"}]}, 422,
     "routers.r.rules[0]", "to itself nothing is routed"),
    ("PUT", "routers/r", {"networks": ["web", "db"], "rules": [{"from": "web", "to": "blue/x"}]}, 422,
     "routers.r.rules[0].to", "is not among its networks"),
    ("PUT", "routers/r", {"networks": ["web", "db"], "rules": [{"from": "web"}]}, 422, "routers.r.rules[0].to",
     "to is missing"),
    ("PUT", "routers/r", {"networks": ["web", "db"], "rules": [{"from": "web", "to": "db", "let": []}]}, 422,
     "routers.r.rules[0].let", "unknown field 'let' (one of allow, from, to)"),
    ("PUT", "routers/r", {"networks": ["web", "db"], "rules": [{**WEB_TO_DB, "allow": [{"port": 80}]}]}, 422,
     "routers.r.rules[0].allow[0].port", "port 80 of no protocol"),
    ("PUT", "routers/r", {"networks": ["web", "db"], "rules": [{**WEB_TO_DB, "allow": [{"protocol": "icmp",
     "port": 8}]}]}, 422, "routers.r.rules[0].allow[0].port", "icmp has no ports"),
    ("PUT", "routers/r", {"networks": ["web", "db"], "rules": [{**WEB_TO_DB, "allow": [{"protocol": "tpc"}]}]}, 422,
     "routers.r.rules[0].allow[0].protocol", "'tpc' is not an IP protocol"),
    ("DELETE", "routers/r", None, 404, "", "tenant red has no router 'r' (core)"),
    ("DELETE", "networks/db", None, 409, "", "detach them first"),
    ("GET", "routers/r", None, 404, "", "tenant red has no router 'r' (core)"),
    ("POST", "networks/web/gateway", {"to": "gw9"}, 422, "", "'gw9' is no gateway of network red/web"),
    ("POST", "networks/web/gateway", {}, 422, "", "to is missing"),
    ("POST", "networks/db/gateway", {"to": "gw2"}, 409, "", "has no way out, and no gateway"),
    ("POST", "networks/nix/gateway", {"to": "gw2"}, 404, "", "no network 'nix'"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "where", "named"), REFUSED)
def test_refusals(
    system: System, web: FlaskClient, method: str, path: str, body: Any, status: int, where: str, named: str
) -> None:
    before = system.revision, {*map(repr, system.model.values())}
    answer: Any = web.open(f"/v1/tenants/red/{path}", method=method, json=body)
    assert answer.status_code == status, answer.json
    assert named in answer.json["detail"], answer.json["detail"]
    places = [part["where"].removeprefix("tenants.red.") for part in answer.json.get("problems", [{"where": ""}])]
    assert not where or where in places, answer.json
    assert (system.revision, {*map(repr, system.model.values())}) == before


def test_what_a_router_names_stays(client: Client) -> None:
    client.delete_node("red/db1")
    with pytest.raises(Conflict, match="network red/db is routed by red/core: take it out of there first"):
        client.delete_network("red/db")
    client.put_tenant("grey")
    client.put_network("grey/a", subnets=["10.0.0.0/24"])
    client.put_router("grey/r", ["a", "red/web"])
    client.delete_router("grey/r")
    client.delete_network("grey/a")
    assert client.delete_tenant("grey").changed


def test_networks_with_the_same_addresses_are_not_routed(client: Client) -> None:
    client.put_network("red/same", subnets=["10.0.0.0/25"])
    with pytest.raises(Conflict, match="which overlap"):
        client.put_router("red/r", ["web", "same"])


def test_whoever_is_routed_with_the_same_network_learns_nothing_of_the_other(client: Client) -> None:
    """Green has the subnet that red/web has, which red/db is routed with."""
    client.put_router("green/r", ["alone", "red/db"])
    with pytest.raises(Conflict, match="two of the networks that red/db would be routed with") as refused:
        client.put_router("red/r", ["db", "green/alone"])
    assert "red/web" not in str(refused.value) and "10.0.0" not in str(refused.value)


# --- events, whole intents --------------------------------------------------------------------------------------------


def test_requests_are_told_in_words(client: Client) -> None:
    client.put_router("red/r", ["web", "db"])
    client.put_router("red/r", ["web", "db"], [WEB_TO_DB])
    client.delete_router("red/r")
    made, changed, deleted = (one["text"] for one in client.events(kind="request", subject="red/r"))
    assert made == "made router red/r"
    assert changed == "changed router red/r: may pass everything -> web -> db: tcp/5432"
    assert deleted == "deleted router red/r"


def test_what_is_exported_gives_the_same_and_changes_nothing(client: Client) -> None:
    client.put_router("red/open", ["web", "blue/db"], [{"from": "blue/db", "to": "web"}])
    text = "\n".join(exported.lines(client, (), fabric=True))
    whole = exported.intent(client, (), fabric=True)
    assert "core: {networks: [web, db], rules: [{from: web, to: db, allow: [{protocol: tcp, port: 5432}]}]}" in text, (
        text
    )
    assert whole["tenants"]["red"]["routers"]["open"]["rules"] == [{"from": "blue/db", "to": "web"}]
    planned = client.plan(whole, prune="all")["plan"]
    assert not planned["changed"], planned
    empty = System(MemoryStore(), lambda name, messages: None, time.monotonic)
    with client_of(empty) as other:
        other.apply(whole)
        assert "\n".join(exported.lines(other, (), fabric=True)) == text
        assert not other.plan(whole, prune="all")["plan"]["changed"]
        assert [one["declared"] for one in other.routers("red")] == [one["declared"] for one in client.routers("red")]


def test_a_plan_says_what_would_be_routed(client: Client) -> None:
    intent = internet()
    red = intent["tenants"]["red"]
    red["routers"] = {"core": {"networks": ["web", "db"]}, "new": {"networks": ["db", "blue/web"]}}
    found = client.plan(intent)["plan"]["routers"]
    assert found["new"]["first"] == ["red/new"] and found["gone"]["count"] == 0
    (changed,) = found["changed"]["first"]
    assert changed == {
        "name": "red/core",
        "fields": [{"field": "may pass", "old": "web -> db: tcp/5432", "new": "everything"}],
        "more_fields": 0,
    }


def test_pruning_takes_routers(client: Client) -> None:
    client.put_router("red/r", ["web", "db"])
    named = {"tenants": {"red": {"routers": internet()["tenants"]["red"]["routers"]}}}
    planned = client.plan(named, prune="named")
    assert planned["plan"]["routers"]["gone"]["first"] == ["red/r"]
    assert client.apply(named, prune="named", removal=planned["removal"]).changed
    assert [one["name"] for one in client.routers("red")] == ["core"]
    gone: dict[str, Any] = {"tenants": {"red": {"networks": {}, "nodes": {}, "floating": {}, "forwards": []}}}
    with pytest.raises(Invalid, match="router core would still name it"):
        client.apply(gone, prune="named")
    gone["tenants"]["red"]["routers"] = {}
    assert client.apply(gone, prune="named").changed
    assert client.routers("red") == client.networks("red") == []
    assert client.apply({"tenants": {}}, prune="all").changed and client.tenants() == []


# --- gateways that are moved ------------------------------------------------------------------------------------------


def test_a_network_is_moved_to_another_gateway_with_all_that_share_its_addresses(
    client: Client, system: System
) -> None:
    answer = client.move_gateway("red/web", "gw2")
    assert answer.changed
    told = {name: answer.raw[name] for name in ("gateway", "left", "moved", "together")}
    assert told == {"gateway": "gw2", "left": "gw1", "moved": ["blue/web", "red/web"], "together": ["blue/web"]}
    gateways = {one.ref: one.switch for one in system.model.gateways()}
    assert gateways == {"blue/web": "gw2", "green/plain": "gw1", "red/web": "gw2"}
    assert [one["network"] for one in client.gateway("gw2")["networks"]] == ["blue/web", "red/web"]
    again = client.move_gateway("red/web", "gw2")
    assert not again.changed and again.raw["moved"] == [] and again.raw["left"] == "gw2"
    system.tick()
    (event,) = client.events(kind="gateway")
    assert event["text"] == "red/web is moved from gw1 to gw2, and with it 1 that share its addresses"
    assert (event["subject"], event["details"]["networks"]) == ("gw2", ["blue/web", "red/web"])
    assert client.events(kind="request")[-1]["text"] == "changed 2 gateways"
    assert client.move_gateway("green/plain", "gw2").raw["moved"] == ["green/plain"]
    system.tick()
    assert client.events(kind="gateway")[-1]["text"] == "green/plain is moved from gw1 to gw2"
    asked = client.events(kind="request")[-1]
    assert asked["text"] == "changed gateway green/plain: switch gw1 -> gw2"
    assert [one["took_over"] for one in client.gateways()] == [0, 0]


def test_what_is_moved_is_announced(client: Client, system: System) -> None:
    """Every address that went along, as often as those of a gateway that has taken over."""
    announced: list[str] = []
    system.standby._announce = lambda gateway: announced.append(f"{gateway.ref} on {gateway.switch}")  # type: ignore
    client.move_gateway("red/web", "gw2")
    system.delivery.pending = lambda *args: []  # type: ignore
    for _ in range(5):
        system.standby.go_on()
    assert sorted(announced) == ["blue/web on gw2"] * 3 + ["red/web on gw2"] * 3


def _as(address: str) -> dict[str, str]:
    return {"network": "internet", "address": address}


def test_networks_that_share_an_address_by_forwarded_ports_go_along(client: Client, system: System) -> None:
    """203.0.113.60 is what no source becomes; two networks have ports of it."""
    client.put_network(
        "green/four", subnets=["10.3.0.0/24"], outside={"network": "internet", "address": "203.0.113.77"}
    )
    client.put_forward("green", "four", 9000, "10.3.0.9", address="203.0.113.60")
    assert client.move_gateway("green/four", "gw2").raw["together"] == ["blue/web", "red/web"]
    client.put_network(
        "green/five", subnets=["10.4.0.0/24"], outside={"network": "internet", "address": "203.0.113.78"}
    )
    with pytest.raises(Conflict, match="the address is at gw2, and network green/five goes out by gw1"):
        client.put_forward("green", "five", 9001, "10.4.0.9", address="203.0.113.60")
    assert system.model.gateway("green/five") is not None


def test_a_network_is_not_moved_to_a_gateway_that_cannot_be_one(system: System) -> None:
    def unfit(name: str, outside: str) -> str:
        return f"its port to {outside} is down"

    with pytest.raises(Conflict, match="gw2 cannot be a gateway to internet now: its port to internet is down"):
        system.request(lambda work: move_gateway(work, "red", "web", "gw2", unfit) and None)
    with pytest.raises(NotFound, match="tenant red has no network 'nix'"):
        system.request(lambda work: move_gateway(work, "red", "nix", "gw2") and None)
    gateway = system.model.gateway("red/web")
    assert gateway is not None and gateway.switch == "gw1"


def test_gateways_say_how_often_they_took_over_and_why_they_cannot_now() -> None:
    store, now = MemoryStore(), [0.0]
    internet_system(store)
    system = System(store, lambda name, messages: None, lambda: now[0])
    system.switch_connected("gw2", Version.OF14)
    for now[0] in (0.0, START_SECONDS + 1):
        system.standby.look()
    with client_of(system) as client:
        one, two = client.gateways()
        assert (one["took_over"], one["failed"], two["took_over"], two["failed"]) == (0, 1, 1, 0)
        assert (one["fit"], one["why"]) == (False, "to internet: it is not connected") and two["fit"]
        with pytest.raises(Conflict, match="gw1 cannot be a gateway to internet now: it is not connected"):
            client.move_gateway("red/web", "gw1")
    with served(lambda: web_service(system)) as url:
        for arguments in (("gateway", "list"), ("gateway", "show", "gw1"), ("fabric",)):
            told = _run(url, arguments, (0,)).stdout
            assert "gw1 cannot be a gateway now to internet: it is not connected" in told


# --- the command line -------------------------------------------------------------------------------------------------


def test_routers_by_command(vnet: Run) -> None:
    def rules() -> Any:
        return json.loads(vnet("router", "show", "red/r", "--json").stdout)["declared"]["rules"]

    vnet("router", "create", "red/r", "web", "db", "--allow", "web:db:tcp/5432", "--allow", "web:db:icmp")
    assert rules() == [{"from": "web", "to": "db", "allow": [{"protocol": "icmp", "port": None}, SQL]}]
    vnet("router", "set", "red/r", "--allow", "db:web", "--forbid", "web:db:icmp")
    assert rules() == [WEB_TO_DB, {"from": "db", "to": "web", "allow": []}]
    assert "as it was already" in vnet("router", "set", "red/r", "--allow", "db:web").output
    vnet("router", "set", "red/r", "--forbid", "db:web", "--add", "blue/x", "--allow", "blue/x:web:udp/53")
    assert rules() == [WEB_TO_DB, {"from": "blue/x", "to": "web", "allow": [{"protocol": "udp", "port": "53"}]}]
    shown = vnet("router", "show", "red/r").stdout
    assert "tenant blue has not asked for it" in shown and "udp/53" in shown and "tcp/5432" in shown
    vnet("router", "set", "red/r", "--remove", "blue/x")
    assert rules() == [WEB_TO_DB]
    vnet("router", "set", "red/r", "--allow-all")
    assert rules() == []
    assert "everything" in vnet("router", "list", "red").stdout
    vnet("router", "create", "red/r", "web", "db", "--allow", "web:db:everything")
    assert rules() == [{"from": "web", "to": "db", "allow": []}]
    assert "routed by core, r with red/db" in vnet("network", "show", "red/web").stdout
    assert [one["name"] for one in json.loads(vnet("router", "list", "--json").stdout)] == ["core", "r"]
    part = vnet("router", "list", "--limit", "1")
    assert "go on with --after red/core" in part.stderr and "red/r" not in part.stdout
    assert "red/r" in vnet("router", "list", "--after", "red/core").stdout
    vnet("router", "remove", "red/r")
    assert "red/r" not in vnet("router", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        ("router create red/r web db --allow web", 2, "'web' is not FROM:TO[:WHAT]"),
        ("router create red/r web db --allow web:db:tcp/", 2, "'tcp/' is not PROTOCOL or PROTOCOL/PORT"),
        ("router create red/r web db --allow web:db:tcp/x", 1, "'x' is not a port"),
        ("router create red/r web", 1, "1 network(s) need no router"),
        ("router create red/r", 2, "Missing argument"),
        ("router set red/r --allow web:db", 1, "tenant red has no router 'r' (core)"),
        ("router set red/core --forbid web:db:icmp", 2, "does not allow web:db:icmp; there it allows tcp/5432"),
        ("router set red/core --forbid db:web", 2, "there it allows nothing"),
        ("router set red/core --forbid web:db", 2, "without one everything may pass"),
        ("router set red/core --remove db", 2, "without one everything may pass"),
        ("router set red/core --remove x", 2, "does not name x; it has web, db"),
        ("router set red/core --allow-all --allow web:db", 2, "--allow-all goes with no --allow"),
        ("router remove red/r", 1, "tenant red has no router 'r'"),
        ("explain router red", 1, "'red' is not a router"),
        ("explain router moon/r", 1, "there is no tenant 'moon'"),
        ("gateway move red/web --to host1", 1, "'host1' is no gateway of network red/web (one of gw1, gw2)"),
        ("trace red/web1 red/web2 --tcp 80 --kind arp", 2, "one of them"),
        ("trace red/web1 red/web2 --source-port 80", 2, "is that of --tcp or --udp"),
    ],
)
def test_refusals_by_command(vnet: Run, arguments: str, code: int, named: str) -> None:
    result = vnet(*arguments.split(), code=(code,))
    assert named in " ".join(result.stderr.split()), result.stderr


def test_gateways_by_command(vnet: Run) -> None:
    moved = vnet("gateway", "move", "red/web", "--to", "gw2").output
    assert "network red/web goes out by gw2, no more by gw1" in moved
    assert "with it, as they share its outside addresses: blue/web" in moved
    assert "goes out by gw2, as it was already" in vnet("gateway", "move", "red/web", "--to", "gw2").output
    told = json.loads(vnet("gateway", "move", "red/web", "--to", "gw1", "--json").stdout)
    assert (told["left"], told["together"]) == ("gw2", ["blue/web"])
    assert "took over" in vnet("gateway", "list").stdout


def test_explaining_by_command(vnet: Run) -> None:
    told = vnet("explain", "router", "red/core").stdout
    for text in (
        "routes between red/web, red/db",
        "its rules: web -> db: tcp/5432",
        "from red/web to red/db may begin: tcp/5432; what answers it comes back",
        "from red/db to red/web nothing may begin (its rules let nothing begin)",
        "what red/web sends is routed on host1 (",
    ):
        assert text in told, told


def test_tracing_by_command(vnet: Run) -> None:
    told = vnet("trace", "red/web1", "red/db1", "--tcp", "5432").stdout
    assert "from red/web to red/db, tcp to port 5432 may begin, by router red/core" in told
    assert "the answer, by host3 > edgeB > core > edgeA > host1: delivered to red/web1 eth0" in told
    assert "comes back" not in told
    whole = vnet("trace", "red/web1", "red/db1", "--tcp", "5432", "--answer").stdout
    assert "tcp from port 5432 that acknowledges comes back, as router red/core lets it be asked for" in whole
    assert "what no rule lets pass is refused" in vnet("trace", "red/web1", "red/db1", code=(5,)).stdout


def test_names_are_completed() -> None:
    with served(lambda: web_service(internet_system())) as url:

        def offered(arguments: str, typed: str) -> list[str]:
            shell = ShellComplete(main, {}, "vnet", "_VNET_COMPLETE")
            return [item.value for item in shell.get_completions(["--url", url, *arguments.split()], typed)]

        assert offered("router show", "red/") == ["red/core"]
        assert offered("router create red/r", "") == ["db", "web"]
        assert offered("router create red/r web", "blue/") == ["blue/web"]
        assert offered("explain router", "red/") == ["red/core"]
        assert offered("gateway move red/web --to", "") == ["gw1", "gw2"]
        assert offered("gateway move", "red/") == ["red/db", "red/web"]


def test_a_forwarded_port_stays_where_its_address_is(system: System) -> None:
    """The first gateway of a network is where its forwarded addresses are, so both stay together."""
    spec = ForwardSpec(network="web", port=8023, inside="10.0.0.12", address="203.0.113.60")
    system.request(lambda work: outside.put_forward(work.draft, work.fabric, "blue", spec, "") and None)
    assert {one.ref for one in system.model.let_in("blue/web")} == {"blue/web"}
