"""How many connections a gateway tracks for a network: told to a real daemon by its own socket, and kept by it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dummy_fabric import wait_until
from figure_system import web_service
from gateway_pair import GatewayPair

from ryu_vnet.errors import Unreachable
from ryu_vnet.managers.limits import ZoneCount, read_limits
from ryu_vnet.managers.status import switch_statuses
from ryu_vnet.model.outside import SHARED_ZONE
from ryu_vnet.unixctl import Commands, sockets_of, tell_limits


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[GatewayPair]:
    with GatewayPair(tmp_path) as pair:
        pair.settle()
        yield pair


def tell(pair: GatewayPair, name: str) -> dict[int, ZoneCount]:
    """What the application does again and again for a gateway. Returns what its daemon has then."""
    tracked = pair.system.tracked
    known = tell_limits(f"unix:{pair.bridges.ovs[name].folder}", tracked.wanted(name), tracked.left(name))
    tracked.said(name, known)
    return known


def test_one_tenant_does_not_exhaust_the_gateway(pair: GatewayPair) -> None:
    pair.route_by("red", "gw1", connections=3)
    red, blue = pair.zone("red"), pair.zone("blue")
    assert tell(pair, "gw1") == {red: ZoneCount(3, 0), blue: ZoneCount(65_536, 0)}
    pair.send("red", 1, *range(1000, 1020))
    pair.send("blue", 1, *range(1000, 1020))
    wait_until(lambda: pair.connections("gw1").get(blue) == 20, "the other tenant's connections")
    # Neither is any more known in the zone that they share: what is over the limit is not translated, and dropped.
    assert pair.connections("gw1") == {red: 3, blue: 20, SHARED_ZONE: 23}
    assert tell(pair, "gw1") == {red: ZoneCount(3, 3), blue: ZoneCount(65_536, 20)}
    pair.system.tick()
    (event,) = [event for event in pair.system.events.after(0) if event.details.get("exhausted")]
    assert (event.kind, event.subject) == ("gateway", "red/web")
    shown = web_service(pair.system).test_client().get("/metrics").text
    for line in (
        'vnet_network_connections{network="blue/web",switch="gw1"} 20.0',
        'vnet_network_connections{network="red/web",switch="gw1"} 3.0',
        'vnet_network_connections_limit{network="red/web",switch="gw1"} 3.0',
        'vnet_network_exhausted_total{network="red/web",of="connections"} 1.0',
        "vnet_gateways_unlimited 0.0",
    ):
        assert line in shown, shown


def test_what_is_there_is_not_set_again_and_what_nobody_needs_goes(pair: GatewayPair) -> None:
    red, blue = pair.zone("red"), pair.zone("blue")
    pair.bridges.ovs["gw1"].appctl("dpctl/ct-set-limits", "zone=4711,limit=9")
    tell(pair, "gw1")
    pair.send("red", 1, 1001)
    wait_until(lambda: pair.connections("gw1").get(red) == 1, "a connection")
    # Set again, it would count from zero.
    assert tell(pair, "gw1")[red] == ZoneCount(65_536, 1)
    pair.route_by("red", "gw2")
    assert tell(pair, "gw2") == {red: ZoneCount(65_536, 0)}
    assert tell(pair, "gw1") == {blue: ZoneCount(65_536, 0)}
    # Somebody else's stays.
    said = pair.bridges.ovs["gw1"].appctl("dpctl/ct-get-limits")
    assert read_limits(said) == {blue: ZoneCount(65_536, 0), 4711: ZoneCount(9, 0)}


def test_a_daemon_that_restarts_is_told_again(pair: GatewayPair) -> None:
    told = tell(pair, "gw1")
    ovs = pair.bridges.ovs["gw1"]
    ovs.appctl("dpctl/ct-del-limits", "zone=" + ",".join(map(str, told)))
    assert tell(pair, "gw1") == told


def test_where_it_is_not_known_how_to_ask_that_is_said(pair: GatewayPair) -> None:
    for _ in range(2):
        pair.system.tracked.failed("gw1", "no control socket is known")
    pair.system.tick()
    events = [event for event in pair.system.events.after(0) if "not limited" in event.text]
    assert [(event.kind, event.subject) for event in events] == [("gateway", "gw1")]
    (status,) = [status for status in switch_statuses(pair.system) if status.name == "gw1"]
    assert status.settings.warnings == ["connections of networks are not limited here: no control socket is known"]
    tell(pair, "gw1")
    assert pair.system.tracked.why_not == {} and pair.system.tracked.counts()


def test_a_network_without_a_free_port_is_told_of_once(pair: GatewayPair) -> None:
    """Of two ports, the third connection to one place gets none."""
    pair.route_by("red", "gw1", ports="20000-20001")
    pair.send("red", 1, 1001, 1002, 1003, 1004)
    pair.follow(lambda: pair.system.tracked.exhausted)
    pair.system.tick()
    (event,) = [event for event in pair.system.events.after(0) if event.details.get("exhausted")]
    assert (event.subject, event.details["exhausted"]) == ("red/web", "ports")
    pair.send("blue", 1, *range(1000, 1020))
    wait_until(lambda: pair.connections("gw1").get(pair.zone("blue")) == 20, "the other tenant's connections")


def test_what_a_daemon_refuses_is_said(pair: GatewayPair) -> None:
    (path,) = sockets_of(f"unix:{pair.bridges.ovs['gw1'].folder}")
    with Commands(path, 5.0) as daemon:
        with pytest.raises(Unreachable, match="refuses nope: .*not a valid command"):
            daemon.do("nope")
        assert "default limit=0" in daemon.do("dpctl/ct-get-limits")


def test_where_there_is_no_daemon_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="there is no daemon's socket in"):
        tell_limits(f"unix:{tmp_path}", {1: 2}, set())
    # One that ended without a word has left its socket behind.
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "ovs-vswitchd.1.ctl"))
    with pytest.raises(Unreachable, match="does not answer"):
        tell_limits(f"unix:{tmp_path}", {1: 2}, set())


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([], "too long|timed out"),
        ([b'{"id":1,"res'], "too long|timed out"),
        ([b'{"id":1,"result":"', b"x}" * (1 << 22)], "more than"),
        ([json.dumps({"id": 7, "result": "", "error": None}).encode()], "something else"),
        ([b"[1, 2]"], "something else"),
        ([b"}"], "where a message must begin"),
    ],
    ids=["silent", "half", "endless", "other", "list", "nonsense"],
)
def test_one_that_lies_or_hangs_is_given_up(tmp_path: Path, answers: list[bytes], why: str) -> None:
    path = tmp_path / "ovs-vswitchd.1.ctl"
    with _serving(path, answers), Commands(path, 1.0) as daemon, pytest.raises(Unreachable, match=why):
        daemon.do("dpctl/ct-get-limits")


class _serving:
    """A daemon that takes one request and says what it says."""

    def __init__(self, path: Path, answers: list[bytes]) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._answers = answers
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(5.0)
            connection.recv(4096)
            _ignoring(lambda: [connection.sendall(answer) for answer in self._answers])
            self._over.wait(10.0)


def _ignoring(job: Callable[[], object]) -> None:
    try:
        job()
    except OSError:
        return
