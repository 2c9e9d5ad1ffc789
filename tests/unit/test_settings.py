"""The controller's options: which are taken, and what is said of those that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from ryu_vnet.errors import Invalid
from ryu_vnet.settings import read_settings


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "STORE", "API_HOST", "API_PORT", "API_TOKEN", "API_CERT", "API_KEY", "OVSDB", "PLACEMENT"):
        monkeypatch.delenv(f"VNET_{name}", raising=False)
    for name in ("HOST", "PORT", "CERT", "KEY", "CA"):
        monkeypatch.delenv(f"VNET_OPENFLOW_{name}", raising=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A file that is not what it should be, and one that is not there."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "text.pem").write_text("nothing of the kind")
    return {name: str(folder / f"{name}.pem") for name in ("text", "absent")}


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("api_port: 9000\nopenflow_port: 7000\n")
    monkeypatch.setenv("VNET_CONFIG", str(file))
    monkeypatch.setenv("VNET_API_PORT", "9001")
    settings = read_settings()
    assert (settings.api_host, settings.api_port, settings.openflow_port) == ("127.0.0.1", 9001, 7000)


def test_hosts_are_chosen_by_closeness_unless_another_placer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().placement == "closest"
    monkeypatch.setenv("VNET_PLACEMENT", "spread")
    assert read_settings().placement == "spread"


def test_how_often_link_ports_say_who_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VNET_LLDP_SECONDS", raising=False)
    assert read_settings().lldp_seconds == 60
    monkeypatch.setenv("VNET_LLDP_SECONDS", "0")
    assert read_settings().lldp_seconds == 0


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"API_HOST": "0.0.0.0"}, "api_host 0.0.0.0 can be reached from outside: that needs api_cert"),
    ({"API_HOST": "::", "API_TOKEN": "secret"}, "api_host :: can be reached from outside"),
    ({"API_PORT": "many"}, "VNET_API_PORT: "),
    ({"OPENFLOW_PORT": "0"}, "VNET_OPENFLOW_PORT: "),
    ({"LLDP_SECONDS": "-1"}, "VNET_LLDP_SECONDS: "),
    ({"API_KEY": "text"}, "api_cert and api_key go together"),
    ({"OPENFLOW_CA": "text"}, "openflow_ca needs openflow_cert"),
    ({"API_CERT": "absent", "API_KEY": "absent"}, "VNET_API_CERT: cannot use "),
    ({"OPENFLOW_CERT": "text", "OPENFLOW_KEY": "text"}, "VNET_OPENFLOW_CERT: cannot use "),
    ({"OPENFLOW_CERT": "text", "OPENFLOW_KEY": "text", "OPENFLOW_CA": "absent"}, "VNET_OPENFLOW_CA: cannot use "),
    ({"CONFIG": "absent"}, "which is not a file"),
    ({"CONFIG": "text"}, "VNET_CONFIG: "),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_what_cannot_be_is_refused(
    given: dict[str, str], message: str, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"VNET_{name}", files.get(value, value))
    with pytest.raises(Invalid) as refused:
        read_settings()
    assert message in str(refused.value)


def test_an_unknown_option_in_the_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("storr: /tmp/store.db\n")
    monkeypatch.setenv("VNET_CONFIG", str(file))
    with pytest.raises(Invalid, match="VNET_STORR: "):
        read_settings()
