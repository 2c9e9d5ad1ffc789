"""Large intents through the real controller: in one transaction, and while they arrive others are answered."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from controller_process import ControllerProcess

from ryu_vnet.client import Client

NODES = 20_000
PATIENCE_SECONDS = 120.0
"""For an answer: only in order that a test ends."""


def body_of(nodes: int) -> bytes:
    """One tenant of that many nodes, all in one network."""
    network = {"interfaces": {"eth0": {"network": "X"}}}
    tenant = {"networks": {"X": {}}, "nodes": {f"vm{number}": network for number in range(nodes)}}
    return json.dumps({"tenants": {"big": tenant}}).encode()


def test_a_request_that_comes_slowly_holds_up_nobody(framework: str, tmp_path: Path) -> None:
    body = body_of(2000)
    with ControllerProcess(framework, tmp_path) as controller:
        with socket.create_connection(("127.0.0.1", controller.api_port), PATIENCE_SECONDS) as slow:
            head = f"POST /v1/apply HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
            slow.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body[: len(body) // 2])
            # Others that come later are done before.
            controller.client.put_tenant("red")
            controller.client.put_network("red/X")
            assert [tenant["name"] for tenant in controller.client.tenants()] == ["red"]
            slow.sendall(body[len(body) // 2 :])
            answer = b""
            while part := slow.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        assert controller.client.tenant("big")["node_count"] == 2000


def test_twenty_thousand_nodes_are_one_transaction(framework: str, tmp_path: Path) -> None:
    body = body_of(NODES)
    path = tmp_path / "big.json"
    path.write_bytes(body)
    with ControllerProcess(framework, tmp_path) as controller:
        sizes: list[tuple[int, int]] = []
        planned = controller.client.plan(json.loads(body), sent=lambda size, whole: sizes.append((size, whole)))
        assert planned["plan"]["nodes"]["new"]["count"] == NODES
        assert sizes[-1] == (len(body), len(body)) and len(sizes) > 2 and sizes == sorted(sizes)
        assert controller.client.tenants() == []
        applied = controller.vnet("apply", "-f", str(path))
        assert applied.returncode == 0, applied.stderr
        assert "(revision 1, realised)" in applied.stdout
        assert controller.client.tenant("big")["node_count"] == NODES
        again = controller.vnet("plan", "-f", str(path), "--prune=all")
        assert again.stdout == "Nothing would change.\n"
        out = tmp_path / "out.yaml"
        assert controller.vnet("export", "-o", str(out)).returncode == 0
        assert sum(line.startswith("      vm") for line in out.read_text().splitlines()) == NODES


def test_a_plan_in_the_middle_of_changes_leaves_no_trace(framework: str, tmp_path: Path) -> None:
    with ControllerProcess(framework, tmp_path) as controller, Client(controller.url) as other:
        controller.client.put_tenant("red")
        before = controller.client.status()["revision"]
        intent = {"tenants": {"red": {"networks": {"X": {}, "Y": {}}}}}
        planned = controller.client.plan(intent)
        other.put_network("red/Y")
        assert planned["revision"] == before
        assert controller.client.apply(intent).revision == before + 2
        assert [network["number"] for network in other.networks("red")] == [17, 16]
