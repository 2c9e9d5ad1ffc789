"""Commands to a running Open vSwitch daemon over the socket that ovs-appctl(8) uses: JSON-RPC, as of OVSDB (RFC 7047,
section 4), with commands for methods and text for parameters and results.

    → {"id": 1, "method": "dpctl/ct-get-limits", "params": ["zone=11"]}
    ← {"id": 1, "result": "default limit=0\nzone=11,limit=50,count=0\n", "error": null}

There is neither a length nor an end of a line: an answer is whole when it can be read.
"""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from types import TracebackType

from .errors import Unreachable
from .managers.limits import ZoneCount, commands, questions, read_limits
from .ovsdb_json import JsonStream

_READ_BYTES = 1 << 13
_NAME = "ovs-vswitchd*.ctl"
ANSWER_SECONDS = 3.0
"""How long a daemon may take for all that it is asked and told of limits."""
_DATA_PATHS = "dpctl/dump-dps"
_USERSPACE = "netdev@"


class Commands:
    """One connection to a daemon, for as long as a `with` block. Everything raises Unreachable where it fails, or has
    taken `seconds` since the beginning."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._until = time.monotonic() + seconds
        self._asked = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._json = JsonStream()

    def __enter__(self) -> Commands:
        try:
            self._wait_no_longer()
            self._socket.connect(str(self._path))
        except OSError as error:
            self._socket.close()
            raise Unreachable(f"{self._path} does not answer: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def do(self, command: str, *parameters: str) -> str:
        """What a command says. One that fails raises Unreachable, with what the daemon says of that."""
        self._asked += 1
        try:
            self._wait_no_longer()
            request = {"id": self._asked, "method": command, "params": parameters}
            self._socket.sendall(json.dumps(request).encode())
            answer = self._answer()
        except (OSError, ValueError, Unreachable) as error:
            raise Unreachable(f"{self._path} does not answer {command}: {error}") from error
        if answer.get("error") is not None:
            raise Unreachable(f"{self._path} refuses {command}: {str(answer['error']).strip()}")
        return str(answer.get("result", ""))

    def _answer(self) -> dict[str, object]:
        while True:
            self._wait_no_longer()
            data = self._socket.recv(_READ_BYTES)
            if not data:
                raise OSError("it ended the connection")
            for answer in self._json.feed(data):
                if not isinstance(answer, dict) or answer.get("id") != self._asked:
                    raise ValueError("it answers something else")
                return answer

    def _wait_no_longer(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("it takes too long")
        self._socket.settimeout(left)


def sockets_of(control: str) -> list[Path]:
    """The sockets that `unix:PATH` may mean, the newest first: itself, or those of daemons in that folder. One that
    ended without a word leaves its own behind."""
    path = Path(control.removeprefix("unix:"))
    if not path.is_dir():
        return [path]
    try:
        return sorted(path.glob(_NAME), key=lambda found: found.stat().st_mtime, reverse=True)
    except OSError:
        return []


def tell_limits(control: str, wanted: dict[int, int], ours: set[int]) -> dict[int, ZoneCount]:
    """Let a daemon have the limits that are wanted, and no other of `ours`. Returns what it says of all these zones.
    Raises Unreachable."""
    why = f"there is no daemon's socket in {control.removeprefix('unix:')}"
    for path in sockets_of(control):
        try:
            with Commands(path, ANSWER_SECONDS) as daemon:
                data_path = _data_path(daemon)
                zones = ours.union(wanted)
                known = _known(daemon, data_path, zones)
                todo = commands(wanted, known, ours)
                for command, parameters in todo:
                    daemon.do(command, *data_path, *parameters)
                return _known(daemon, data_path, zones) if todo else known
        except Unreachable as error:
            why = str(error)
    raise Unreachable(why)


def _known(daemon: Commands, data_path: list[str], zones: set[int]) -> dict[int, ZoneCount]:
    found: dict[int, ZoneCount] = {}
    for command, parameters in questions(zones):
        found.update(read_limits(daemon.do(command, *data_path, *parameters)))
    return found


def _data_path(daemon: Commands) -> list[str]:
    """Which data path is meant, where there are several: connections are limited in that of userspace."""
    found = daemon.do(_DATA_PATHS).split()
    own = [name for name in found if name.startswith(_USERSPACE)]
    return own[:1] if len(found) > 1 else []
