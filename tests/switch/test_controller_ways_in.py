"""How the controller starts, or says why it does not; and the ways in: TLS and token, the command line."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path

import pytest
from controller_process import ControllerProcess
from data_centre import FIGURE, DataCentre

from ryu_vnet.client import Client
from ryu_vnet.errors import Invalid, Unreachable
from ryu_vnet.settings import read_settings
from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link

TOKEN = "a-token-of-the-test"
HELLOS = [
    frames.raw(Link(0x02_00_00_00_01_01, 0x02_00_00_00_02_02), 0x88B5, bytes([number]) * 46).to_bytes()
    for number in range(5)
]
"""From vm1.1 to vm2.2."""


def make_certificate(folder: Path, name: str = "api") -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-out", str(certificate), "-keyout", str(key)], check=True, capture_output=True)
    return certificate, key


def test_a_second_controller_on_the_same_store_or_ports_does_not_start(framework: str, tmp_path: Path) -> None:
    with ControllerProcess(framework, tmp_path) as controller:
        assert_refused(controller.run_to_its_end(), f"the store {controller.store} is in use by process")
        refused = controller.run_to_its_end(VNET_STORE=str(tmp_path / "other.db"))
        assert_refused(refused, f"VNET_API_PORT: cannot listen on 127.0.0.1, port {controller.api_port}")
        assert_refused(refused, f"VNET_OPENFLOW_PORT: cannot listen on 127.0.0.1, port {controller.openflow_port}")
        assert controller.client.status()["realised"]
    # Killed, it leaves nothing behind that would keep the next one from starting.
    with ControllerProcess(framework, tmp_path) as next_one:
        assert next_one.client.status()["realised"]


def test_settings_that_cannot_be_are_refused(framework: str, tmp_path: Path) -> None:
    nothing = str(tmp_path / "nothing.pem")
    controller = ControllerProcess(framework, tmp_path)
    open_to_all = controller.run_to_its_end(VNET_API_HOST="0.0.0.0")
    assert_refused(open_to_all, "api_host 0.0.0.0 can be reached from outside: that needs api_cert")
    no_certificate = controller.run_to_its_end(VNET_API_CERT=nothing, VNET_API_KEY=nothing)
    assert_refused(no_certificate, f"VNET_API_CERT: cannot use {nothing}")
    assert not controller.store.exists()


def test_a_certificate_with_the_key_of_another_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, _ = make_certificate(tmp_path)
    _, key = make_certificate(tmp_path, "other")
    monkeypatch.setenv("VNET_API_CERT", str(certificate))
    monkeypatch.setenv("VNET_API_KEY", str(key))
    with pytest.raises(Invalid, match="VNET_API_CERT: cannot use"):
        read_settings()


def assert_refused(ended: subprocess.CompletedProcess[str], message: str) -> None:
    """It ended with an exit code that says so, and one line that says why."""
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    (line,) = re.findall(r"^ryu-vnet cannot start: (.*)$", ended.stderr, re.MULTILINE)
    assert message in line


def test_the_web_service_over_tls_with_a_token(framework: str, tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    settings = {"VNET_API_CERT": str(cert), "VNET_API_KEY": str(key), "VNET_API_TOKEN": TOKEN}
    with (
        ControllerProcess(framework, tmp_path, {**settings, "VNET_API_HOST": "0.0.0.0"}) as controller,
        socket.create_connection(("127.0.0.1", controller.api_port)),  # who says nothing holds up nobody
    ):
        assert controller.client.put_tenant("red").changed
        for token in (None, "wrong", TOKEN[:-1]):
            with pytest.raises(Invalid, match="token"), Client(controller.url, token, str(cert)) as stranger:
                stranger.status()
        plain = controller.url.replace("https", "http")
        with pytest.raises(Unreachable), Client(plain, TOKEN) as unencrypted:
            unencrypted.status()
        with pytest.raises(Unreachable, match="not trusted"), Client(controller.url, TOKEN) as distrustful:
            distrustful.status()
        assert [tenant["name"] for tenant in controller.client.tenants()] == ["red"]


def test_the_command_line(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        vnet = centre.controller.vnet
        centre.fabric.connect(centre.controller.target)
        applied = vnet("apply", "-f", str(FIGURE), "--wait", "60")
        assert (applied.returncode, applied.stderr) == (0, ""), applied.stdout
        assert "realised" in applied.stdout
        centre.wait_in_step()
        assert vnet("status").returncode == 0

        before = counters(centre)
        assert centre.fabric.send("host1:vm1.1", HELLOS) == {"host2:vm2.2": HELLOS}
        centre.ovs.appctl("revalidator/wait")  # what cached flows have counted is added to the rows now and then
        grown = {row: packets - before[row] for row, packets in counters(centre).items() if packets != before[row]}
        assert set(grown.values()) == {len(HELLOS)}
        assert [stage for stage, _ in sorted(grown)] == ["EGRESS", "FORWARD", "NETWORK", "PORT", "SOURCE"]

        assert vnet("stop", "red/vm2.2").returncode == 0
        assert centre.fabric.send("host1:vm1.1", HELLOS) == {}
        assert vnet("trace", "red/vm1.1", "red/vm2.2").returncode == 5
        centre.switch_off("host2")
        late = vnet("start", "red/vm2.2", "--wait", "0")
        assert late.returncode == 4 and "host2: it is not connected" in late.stderr
        assert vnet("status").returncode == 4
        assert vnet("start", "red/nobody").returncode == 1


def counters(centre: DataCentre) -> dict[tuple[str, str], int]:
    """Packets of each row of host1, by table and meaning, from the command line."""
    shown = centre.controller.vnet("flows", "host1", "--counters", "--json")
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    assert found["counted"]
    return {(row["stage"], f"{row['priority']} {row['match']}"): row["packets"] for row in found["rows"]}
