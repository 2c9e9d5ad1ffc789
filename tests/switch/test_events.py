"""What happened, as those hear it who listen to a whole controller: several at once, one of them too slow, through a
SIGKILL and a restart."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from controller_process import READY_SECONDS, ControllerProcess
from data_centre import PATIENCE_SECONDS, DataCentre
from dummy_fabric import wait_until

from ryu_vnet.api.events import MOST_BEHIND
from ryu_vnet.client import Client
from ryu_vnet.errors import Conflict, VnetError

LISTENERS = 4
ROUNDS = 40
"""How many tenants are made before and after the controller is killed."""
MANY = 900
"""Requests of which a listener who takes none of it cannot be told all: two events each."""
BUFFER = 4096
"""Bytes that a listener's socket takes who does not read."""
LARGEST_READ = 1 << 16

Json = dict[str, Any]


class Listener:
    """Somebody who follows events, in a thread of his own, from the first one on."""

    def __init__(self, url: str) -> None:
        self.heard: list[Json] = []
        self._client = Client(url)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        for event in self._client.follow_events(after=0):
            self.heard.append(event)

    @property
    def numbers(self) -> list[int]:
        return [event["sequence"] for event in self.heard]


def test_events_of_real_switches(framework: str, tmp_path: Path) -> None:
    """A request, its realisation by switches, a switch that goes and comes, and what somebody changes there."""
    with DataCentre(framework, tmp_path) as centre:
        centre.bring_up()
        stopped = centre.client.stop("blue/vm1.2", wait=PATIENCE_SECONDS)
        with pytest.raises(Conflict):
            centre.client.delete_tenant("blue")
        centre.switch_off("host2")
        centre.switch_on("host2")
        centre.wait_in_step("host2")
        centre.ovs.ofctl("-O", "OpenFlow14", "del-flows", "host3", "table=30")
        centre.ovs.vsctl("del-port", "core1", "core1-edgeA")

        def told(kind: str, subject: str) -> list[Json]:
            return centre.client.events(kind=kind, subject=subject)

        centre.wait(lambda: told("drift", "host3") and told("fabric", "core1"), "what others did is told")
        *_, request = told("request", "blue/vm1.2")
        assert request["details"]["path"] == "/v1/tenants/blue/nodes/vm1.2/stop"
        assert request["text"] == "changed node blue/vm1.2: running yes -> no" and "@" in request["who"]
        assert request["details"]["revision"] == stopped.revision
        [realised] = told("realised", "blue/vm1.2")
        assert realised["details"]["request"] == request["sequence"] and 0 < realised["details"]["seconds"] < 60
        refused = told("request", "blue")[-1]
        assert refused["details"]["refused"] == "Conflict" and refused["details"]["path"] == "/v1/tenants/blue"
        states = [event["details"]["state"] for event in told("switch", "host2")]
        assert states[-4:] == ["in step", "disconnected", "connected", "in step"]
        assert told("drift", "host3")[0]["details"]["removed"] >= 1
        assert told("fabric", "core1")[0]["details"]["now"] in ("down", "missing")
        shown = centre.controller.vnet("events", "--subject", "blue/vm1.2")
        assert "running yes -> no" in shown.stdout and "on every switch concerned" in shown.stdout


def test_listeners_hear_everything_once_through_a_kill(framework: str, tmp_path: Path) -> None:
    with ControllerProcess(framework, tmp_path) as controller, silent_listener(controller) as silent:
        listeners = [Listener(controller.url) for _ in range(LISTENERS)]
        asked = make_tenants(controller, "before")
        # Killed while requests are being made: some of them it may not have answered.
        asking = threading.Thread(target=ask_until_it_dies, args=(controller, asked))
        asking.start()
        wait_until(lambda: any("vain" in event["subject"] for event in listeners[0].heard), "some are told", 60.0)
        controller.kill()
        asking.join()
        controller.start()
        asked += make_tenants(controller, "after")

        last = controller.client.events(newest=True, limit=1)[0]["sequence"]
        # He who reads nothing keeps nobody from hearing; and there is nothing more to come.
        wait_until(lambda: all(one.numbers[-1:] >= [last] for one in listeners), "all have heard all", 60.0)
        every = controller.client.events()
        for listener in listeners:
            assert listener.numbers == [*range(1, len(listener.numbers) + 1)]
            assert listener.heard[: len(every)] == every
        told = [event["subject"] for event in every if event["kind"] == "request"]
        assert len(told) == len(set(told)) and set(asked) <= set(told)
        silent.close()


def make_tenants(controller: ControllerProcess, name: str) -> list[str]:
    names = [f"{name}{number}" for number in range(ROUNDS)]
    for tenant in names:
        controller.client.put_tenant(tenant)
    return names


def ask_until_it_dies(controller: ControllerProcess, asked: list[str]) -> None:
    """Make tenants one after the other, and note those that were acknowledged."""
    number = 0
    with Client(controller.url) as client:
        while True:
            try:
                client.put_tenant(f"vain{number}")
            except VnetError:
                return
            asked.append(f"vain{number}")
            number += 1


@contextmanager
def silent_listener(controller: ControllerProcess) -> Iterator[socket.socket]:
    """Somebody who asks for the stream and takes next to nothing of it."""
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        peer.connect(("127.0.0.1", controller.api_port))
        peer.sendall(b"GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        yield peer


def test_a_slow_listener_is_told_so_and_cut_off(framework: str, tmp_path: Path) -> None:
    """He reads nothing while events come by the thousand; what he reads then is whole, and ends with where to resume.
    Others hear all of them meanwhile."""
    with ControllerProcess(framework, tmp_path) as controller, silent_listener(controller) as slow:
        quick = Listener(controller.url)
        client = controller.client
        for number in range(MANY):
            client.put_tenant(f"tenant{number}")
        last = client.events(newest=True, limit=1)[0]["sequence"]
        assert last > 1.5 * MOST_BEHIND
        wait_until(lambda: quick.numbers[-1:] >= [last], "the quick one has heard all", 60.0)
        assert quick.numbers == [*range(1, len(quick.heard) + 1)]

        text = read_to_the_end(slow)
        *heard, lagging = [part for part in text.split("\n\n") if "data: " in part]
        numbers = [json.loads(part.partition("data: ")[2])["sequence"] for part in heard]
        assert numbers == [*range(1, len(numbers) + 1)] and numbers[-1] < last
        assert "event: lagging" in lagging
        assert json.loads(lagging.partition("data: ")[2])["resume_after"] == numbers[-1]
        resumed = client.follow_events(after=numbers[-1])
        assert [next(resumed)["sequence"] for _ in range(3)] == [numbers[-1] + n for n in (1, 2, 3)]


def read_to_the_end(peer: socket.socket) -> str:
    """What the controller has sent in an answer, until it ends that: chunks (RFC 9112, section 7.1) put together."""
    peer.settimeout(PATIENCE_SECONDS)
    data = b""
    while not data.endswith(b"\r\n0\r\n\r\n"):
        piece = peer.recv(LARGEST_READ)
        assert piece, data[-200:]
        data += piece
    _, _, rest = data.partition(b"\r\n\r\n")
    whole = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        whole, rest = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return whole.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stream_ends_whole_when_the_controller_is_stopped(
    framework: str, tmp_path: Path, number: signal.Signals
) -> None:
    with ControllerProcess(framework, tmp_path) as controller, silent_listener(controller) as peer:
        controller.client.put_tenant("red")
        process = controller._process
        assert process is not None
        peer.settimeout(PATIENCE_SECONDS)
        assert peer.recv(1, socket.MSG_PEEK), "the stream has begun"
        process.send_signal(number)
        text = read_to_the_end(peer)
        process.wait(READY_SECONDS)
        # What was noted in the last second as well.
        assert '"made tenant red"' in text and '"kind": "realised"' in text
        controller.start()
        assert [event["kind"] for event in controller.client.events()] == ["request", "realised"]


def test_the_command_follows_through_a_restart(framework: str, tmp_path: Path) -> None:
    with ControllerProcess(framework, tmp_path) as controller:
        controller.client.put_tenant("red")
        command = [sys.executable, "-m", "ryu_vnet", "events", "--follow", "--json", "--kind", "request"]
        environment = {**controller.environment(), "VNET_URL": controller.url, "VNET_CLIENT": "the test"}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as following:
            assert following.stdout is not None
            assert json.loads(following.stdout.readline())["text"] == "made tenant red"
            controller.client.put_tenant("green")
            assert json.loads(following.stdout.readline())["text"] == "made tenant green"
            controller.kill()
            controller.start()
            controller.client.put_tenant("blue")
            assert json.loads(following.stdout.readline())["text"] == "made tenant blue"
            following.send_signal(signal.SIGINT)
            assert following.wait(READY_SECONDS) == 0
