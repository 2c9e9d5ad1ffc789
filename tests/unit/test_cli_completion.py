"""What shells complete: driven through a real bash with a terminal, and through the protocol that zsh speaks."""

from __future__ import annotations

import os
import pty
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from figure_system import figure_system, served, web_service

from ryu_vnet.cli import main
from ryu_vnet.cli.complete import MOST, PORT
from ryu_vnet.cli.session import Session
from ryu_vnet.client import Client
from ryu_vnet.managers import requests
from ryu_vnet.schema import Intent

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    def make() -> Any:
        system = figure_system(tmp_path_factory.mktemp("store"))
        system.request(lambda work: requests.apply(work, Intent.model_validate({"tenants": {"rose": many()}})))
        return web_service(system)

    with served(make) as address:
        yield address


def many() -> dict[str, Any]:
    """A tenant with more nodes than are offered, of which few are called otherwise."""
    names = [*(f"n{number}" for number in range(MOST + 5)), "web-1", "web-2", "web"]
    return {"networks": {"N": {}}, "nodes": {name: {"interfaces": {}} for name in names}}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, url: str) -> Mapping[str, str]:
    """Where `vnet` is the program of this folder."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "vnet"
    program.write_text(
        f"#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -c "
        '\'from ryu_vnet.cli import main; main(prog_name="vnet")\' "$@"\n'
    )
    program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VNET_")}
    return {**kept, "PATH": f"{folder}:{kept['PATH']}", "VNET_URL": url, "TERM": "dumb"}


# --- bash -----------------------------------------------------------------------------------------------------------


class Typist:
    """Somebody at a terminal with bash."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._terminal, shell = pty.openpty()
        self._seen = ""
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"],
            stdin=shell,
            stdout=shell,
            stderr=shell,
            env={**environment, "PS1": "$ "},
            start_new_session=True,
        )
        os.close(shell)

    def type(self, text: str, until: str) -> str:
        """Type, and give what is seen from then on until that is seen."""
        self._seen = ""
        os.write(self._terminal, text.encode())
        deadline = time.monotonic() + PATIENCE_SECONDS
        while until not in self._seen:
            readable, _, _ = select.select([self._terminal], [], [], max(deadline - time.monotonic(), 0))
            assert readable, f"{until!r} is not seen: {self._seen!r}"
            self._seen += os.read(self._terminal, 65536).decode()
        return self._seen

    def leave(self) -> None:
        self._bash.kill()
        self._bash.wait()
        os.close(self._terminal)


@pytest.fixture(scope="module")
def typist(environment: Mapping[str, str]) -> Iterator[Typist]:
    somebody = Typist(environment)
    # Ctrl-T shows the line that is being typed, and gives it up: what was echoed meanwhile may stand anywhere.
    show = """bind -x '"\\C-t": printf "<%s>" "$READLINE_LINE"; READLINE_LINE='"""
    somebody.type(f"source <(vnet completion bash); {show}; echo rea''dy\n", "ready\r\n")
    yield somebody
    somebody.leave()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("vnet netw", "vnet network "),
        ("vnet node li", "vnet node list "),
        ("vnet node show bl", "vnet node show blue/"),
        ("vnet node show red/vm2", "vnet node show red/vm2.2 "),
        ("vnet network show red/", "vnet network show red/X "),
        ("vnet tenant delete gr", "vnet tenant delete green "),
        ("vnet attach red/vm1.1 ", "vnet attach red/vm1.1 red/X "),
        ("vnet node create red/vm9 --network ", "vnet node create red/vm9 --network X "),
        ("vnet node set red/vm1.1 --interface ", "vnet node set red/vm1.1 --interface eth0 "),
        ("vnet flows edgeA --orig", "vnet flows edgeA --origin "),
        ("vnet flows edg", "vnet flows edge"),
        ("vnet start red/vm1.1 --at hos", "vnet start red/vm1.1 --at host"),
        ("vnet start red/vm1.1 --at host1", "vnet start red/vm1.1 --at host1:"),
        ("vnet start red/vm1.1 --at host1:v", "vnet start red/vm1.1 --at host1:vm1.1 "),
        ("vnet start red/vm1.1 --at host1:", "vnet start red/vm1.1 --at host1:vm1.1 "),
        ("vnet start red/vm1.1 --at eth0=host1:vm", "vnet start red/vm1.1 --at eth0=host1:vm1.1 "),
        ("vnet start red/vm1.1 --at=host1:vm", "vnet start red/vm1.1 --at=host1:vm1.1 "),
        ("vnet node list --after red/vm1", "vnet node list --after red/vm1.1 "),
        ("vnet completion z", "vnet completion zsh "),
        ("vnet node show rose/we", "vnet node show rose/web"),
        ("vnet node show rose/n", "vnet node show rose/n"),
    ],
)
def test_bash(typist: Typist, typed: str, completed: str) -> None:
    seen = typist.type(f"{typed}\t\x14", ">")
    assert seen.rpartition("<")[2].partition(">")[0] == completed


def test_bash_completes_what_its_variables_say(environment: Mapping[str, str]) -> None:
    script = (
        "source <(vnet completion bash); COMP_WORDS=(vnet node show red/); COMP_CWORD=3; _vnet_completion vnet;"
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    run = subprocess.run(["bash", "-c", script], env=dict(environment), capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["red/vm1.1", "red/vm2.2"]
    assert run.stderr == ""


# --- zsh, and what is common ----------------------------------------------------------------------------------------


def asked(shell: str, url: str, *words: str, **more: str) -> str:
    environment = {
        "_VNET_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "VNET_URL": url,
        **more,
    }
    return CliRunner().invoke(main, [], env=environment, prog_name="vnet").stdout


def test_zsh(url: str) -> None:
    """Three lines for each: type, word, and what it is."""
    assert asked("zsh", url, "vnet", "node", "show", "r") == "open\nred/\n_\nopen\nrose/\n_\n"
    assert asked("zsh", url, "vnet", "node", "show", "red/vm1") == "plain\nred/vm1.1\n_\n"
    assert asked("zsh", url, "vnet", "start", "red/vm1.1", "--at", "host1:v") == "plain\nhost1:vm1.1\n_\n"
    assert asked("zsh", url, "vnet", "start", "red/vm1.1", "--at=host1:v") == "plain\n--at=host1:vm1.1\n_\n"
    assert asked("zsh", url, "vnet", "netw").startswith("plain\nnetwork\nPrivate layer-2")


def test_the_scripts_are_what_click_gives(environment: Mapping[str, str]) -> None:
    for shell, line in (("bash", "complete -o nosort -F _vnet_completion vnet"), ("zsh", "#compdef vnet")):
        printed = CliRunner().invoke(main, ["completion", shell])
        assert printed.exit_code == 0 and line in printed.stdout.splitlines()
        assert "_VNET_COMPLETE" in printed.stdout and f"{shell}_complete" in printed.stdout
        sourced = CliRunner().invoke(main, [], env={"_VNET_COMPLETE": f"{shell}_source"}, prog_name="vnet")
        assert sourced.stdout.strip() == printed.stdout.strip()
    assert CliRunner().invoke(main, ["completion", "tcsh"]).exit_code == 2
    script = CliRunner().invoke(main, ["completion", "bash"]).stdout
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_ports_that_others_have_are_not_offered(url: str) -> None:
    with Client(url) as client:
        used = {port["name"]: port["used_by"] for port in client.ports("host1")}
    assert sum(used_by is not None for used_by in used.values()) == len(used) > 2
    assert asked("bash", url, "vnet", "start", "blue/vm1.2", "--at", "host1:") == "plain,host1:vm1.2\n"


@pytest.mark.parametrize(
    "words", [("node", "show", ""), ("flows", ""), ("start", "red/vm1.1", "--at", "h"), ("drift", "é\x01")]
)
def test_errors_are_no_names(url: str, words: tuple[str, ...]) -> None:
    for where in ("http://127.0.0.1:1", "nonsense", f"{url}/elsewhere"):
        run = asked("bash", where, "vnet", *words)
        assert run.strip() == ""


def test_names_of_what_is_not_there(url: str) -> None:
    assert asked("bash", url, "vnet", "node", "show", "grey/").strip() == ""
    assert asked("bash", url, "vnet", "start", "red/vm1.1", "--at", "host9:").strip() == ""
    assert (
        asked("bash", url, "vnet", "node", "show", "rose/web") == "plain,rose/web\nplain,rose/web-1\nplain,rose/web-2\n"
    )


def test_the_token_and_the_address_may_be_on_the_line(tmp_path: Path) -> None:
    with served(lambda: web_service(figure_system(tmp_path), "s3cret")) as url:
        line = ("vnet", "--url", url, "tenant", "delete", "r")
        assert asked("bash", "http://127.0.0.1:1", *line).strip() == ""
        assert asked("bash", "http://127.0.0.1:1", *line, VNET_TOKEN="s3cret") == "plain,red\n"


def test_nobody_waits_for_a_controller_that_does_not_answer() -> None:
    """It takes the connection and says nothing, for which the client alone would wait a minute."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        context = click.Context(main, obj=Session(f"http://127.0.0.1:{silent.getsockname()[1]}"))
        before = {*threading.enumerate()}
        assert PORT(context, main.params[0], "host1:") == []
        (asking,) = {*threading.enumerate()} - before
        assert asking.daemon, "it is still waiting, and nobody for it"
        connection, _ = silent.accept()
        assert b"/v1/switches/host1/ports" in connection.recv(65536)
        connection.close()
    asking.join()
