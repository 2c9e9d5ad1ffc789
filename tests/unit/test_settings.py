"""The controller's options: which are taken, and what is said of those that cannot be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ryu_vnet.errors import Invalid
from ryu_vnet.settings import read_settings


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "STORE", "API_HOST", "API_PORT", "API_TOKEN", "API_CERT", "API_KEY", "OVSDB"):
        monkeypatch.delenv(f"VNET_{name}", raising=False)
    for name in ("HOST", "PORT", "CERT", "KEY", "CA"):
        monkeypatch.delenv(f"VNET_OPENFLOW_{name}", raising=False)


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A certificate, its key, another key, and a file that is neither."""
    folder = tmp_path_factory.mktemp("pems")
    files = {name: str(folder / f"{name}.pem") for name in ("certificate", "key", "other key", "text", "absent")}
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    make += ["-subj", "/CN=127.0.0.1", "-out"]
    for certificate, key in ((str(folder / "other.pem"), "other key"), (files["certificate"], "key")):
        subprocess.run([*make, certificate, "-keyout", files[key]], check=True, capture_output=True)
    Path(files["text"]).write_text("nothing of the kind")
    return files


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("api_port: 9000\nopenflow_port: 7000\n")
    monkeypatch.setenv("VNET_CONFIG", str(file))
    monkeypatch.setenv("VNET_API_PORT", "9001")
    settings = read_settings()
    assert (settings.api_host, settings.api_port, settings.openflow_port) == ("127.0.0.1", 9001, 7000)


def test_certificates_that_fit_are_taken(pems: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API", "OPENFLOW"):
        monkeypatch.setenv(f"VNET_{name}_CERT", pems["certificate"])
        monkeypatch.setenv(f"VNET_{name}_KEY", pems["key"])
    monkeypatch.setenv("VNET_OPENFLOW_CA", pems["certificate"])
    monkeypatch.setenv("VNET_API_HOST", "0.0.0.0")
    monkeypatch.setenv("VNET_API_TOKEN", "secret")
    assert str(read_settings().api_cert) == pems["certificate"]


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"API_HOST": "0.0.0.0"}, "api_host 0.0.0.0 can be reached from outside: that needs api_cert"),
    ({"API_HOST": "::", "API_TOKEN": "secret"}, "api_host :: can be reached from outside"),
    ({"API_PORT": "many"}, "VNET_API_PORT: "),
    ({"OPENFLOW_PORT": "0"}, "VNET_OPENFLOW_PORT: "),
    ({"API_KEY": "key"}, "api_cert and api_key go together"),
    ({"OPENFLOW_CA": "certificate"}, "openflow_ca needs openflow_cert"),
    ({"API_CERT": "absent", "API_KEY": "key"}, "VNET_API_CERT: cannot use "),
    ({"API_CERT": "text", "API_KEY": "key"}, "VNET_API_CERT: cannot use "),
    ({"API_CERT": "certificate", "API_KEY": "other key"}, "VNET_API_CERT: cannot use "),
    ({"OPENFLOW_CERT": "certificate", "OPENFLOW_KEY": "absent"}, "VNET_OPENFLOW_CERT: cannot use "),
    ({"OPENFLOW_CERT": "certificate", "OPENFLOW_KEY": "key", "OPENFLOW_CA": "text"}, "VNET_OPENFLOW_CA: cannot use "),
    ({"CONFIG": "absent"}, "which is not a file"),
    ({"CONFIG": "text"}, "VNET_CONFIG: "),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_what_cannot_be_is_refused(
    given: dict[str, str], message: str, pems: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"VNET_{name}", pems.get(value, value))
    with pytest.raises(Invalid) as refused:
        read_settings()
    assert message in str(refused.value)


def test_an_unknown_option_in_the_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("storr: /tmp/store.db\n")
    monkeypatch.setenv("VNET_CONFIG", str(file))
    with pytest.raises(Invalid, match="VNET_STORR: "):
        read_settings()
