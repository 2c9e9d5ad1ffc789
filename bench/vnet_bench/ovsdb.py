"""Transactions on an Open vSwitch database, and the operations that make bridges (RFC 7047, 4.1.3 and 5.2).

A fleet has a hundred thousand ports. ovs-vsctl takes no command line as long as that, and the `ovs` library reads
answers a character at a time in Python: so this speaks to the socket itself, with the standard library's JSON.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .bridges import Bridge

Json = dict[str, Any]

ANSWER_SECONDS = 60.0
LISTEN_SECONDS = 2.0
LINK_PORT = {"type": "dummy", "mtu_request": 1600}
"""Bytes; enough for any link of a fabric whose nodes have 1500."""
ACCESS_TYPE, ACCESS_PEER = "patch", "nowhere"
ACCESS_PORT = {"type": ACCESS_TYPE, "options": ["map", [["peer", ACCESS_PEER]]]}
"""A patch port whose peer is not there. To OpenFlow it is a port like others, and up; but the data path does not know
it, and so does not ask it for frames each time round. A daemon makes 5,000 of them in 2 s of processor time, where
dummy ports, of which each one takes as long as there are others, need 13 s, and it answers several times as soon."""
_NEXT: Json = {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}
"""The operation with which `carried_out` tells whether the switch has come to the others of its transaction."""
PROTOCOLS = ["set", ["OpenFlow13", "OpenFlow14"]]
SETTINGS = {
    # One daemon stands for many machines: threads for frames that nobody sends would only compete with each other.
    "n-handler-threads": "1",
    "n-revalidator-threads": "1",
    # Milliseconds. By default each daemon writes the counters of all its ports to its database every five seconds.
    "stats-update-interval": "86400000",
}
"""`other_config` of the Open_vSwitch table, see ovs-vswitchd.conf.db(5)."""


def transact(path: Path, operations: Iterable[Json]) -> list[Json]:
    """Do operations in one transaction on the database at a unix socket. What each answered, in their order.

    Raises RuntimeError where one was refused: then nothing was done. Raises OSError where the database does not
    answer.
    """
    wanted = list(operations)
    request = {"method": "transact", "params": ["Open_vSwitch", *wanted], "id": 0}
    with _connect(path) as connection:
        connection.sendall(json.dumps(request).encode())
        reply = _read(connection)
    # A refused operation has an error in its place; what could be seen at the end only follows the last one.
    results: list[Json] = reply["result"] or [reply["error"]]
    refused = [part for part in results if part and part.get("error")]
    if refused:
        raise RuntimeError(f"{path}: {refused[0]['error']}: {refused[0].get('details', '')}")
    return results


def _connect(path: Path) -> socket.socket:
    """Connect to a socket, which is there a moment before anybody listens at it."""
    deadline = time.monotonic() + LISTEN_SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            if not isinstance(error, ConnectionRefusedError) or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return connection


def _read(connection: socket.socket) -> Json:
    """The one message that comes. Objects end with a brace; whether it is the last shows when it can be read."""
    received = bytearray()
    while True:
        data = connection.recv(1 << 20)
        if not data:
            raise ConnectionError("the database closed the connection")
        received += data
        if received.endswith(b"}"):
            try:
                message: Json = json.loads(received)
            except ValueError:
                continue
            return message


def make_bridges(bridges: Iterable[Bridge]) -> list[Json]:
    """Operations that make bridges in a database that has none: all of them fail secure, none has a controller."""
    operations: list[Json] = []
    made = []
    for bridge in bridges:
        ports = [_make_port(operations, bridge.name, {"type": "internal"})]
        for number, name in enumerate(bridge.ports, 1):
            kind = LINK_PORT if number <= len(bridge.links) else ACCESS_PORT
            ports.append(_make_port(operations, name, {**kind, "ofport_request": number}))
        row: Json = {
            "name": bridge.name,
            "datapath_type": "dummy",
            "fail_mode": "secure",
            "protocols": PROTOCOLS,
            "other_config": ["map", [["datapath-id", f"{bridge.dpid:016x}"]]],
            "ports": ["set", ports],
        }
        made.append(_insert(operations, "Bridge", row))
    settings = ["map", [list(item) for item in SETTINGS.items()]]
    # The daemon says in cur_cfg which next_cfg it has carried out.
    _insert(operations, "Open_vSwitch", {"bridges": ["set", made], "other_config": settings, "next_cfg": 1})
    return operations


def carried_out(path: Path) -> bool:
    """Whether the switch has everything that was last asked for."""
    select = {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["cur_cfg", "next_cfg"]}
    (answer,) = transact(path, [select])
    row = answer["rows"][0]
    return bool(row["cur_cfg"] == row["next_cfg"])


def first_controllers(bridges: Iterable[Bridge], target: str) -> list[Json]:
    """Operations that give bridges their first controller, out of band."""
    operations: list[Json] = [_NEXT]
    for bridge in bridges:
        if bridge.controlled:
            row: Json = {"target": target, "connection_mode": "out-of-band", "max_backoff": 1000}
            controller = _insert(operations, "Controller", row)
            where = [["name", "==", bridge.name]]
            change = {"controller": controller}
            operations.append({"op": "update", "table": "Bridge", "where": where, "row": change})
    return operations


def other_controllers(target: str) -> list[Json]:
    """Operations that have every bridge that has a controller look for it elsewhere. The rows of tables stay, as they
    do not where a controller is deleted and added."""
    return [{"op": "update", "table": "Controller", "where": [], "row": {"target": target}}, _NEXT]


def one_port(bridge: str, name: str) -> list[Json]:
    """Operations that give a bridge one port more, as a hypervisor does for a machine that comes."""
    operations: list[Json] = []
    made = _make_port(operations, name, dict(ACCESS_PORT))
    where, mutation = [["name", "==", bridge]], ["ports", "insert", ["set", [made]]]
    return [*operations, {"op": "mutate", "table": "Bridge", "where": where, "mutations": [mutation]}, _NEXT]


def said_of(port: str, **ids: str) -> list[Json]:
    """Operations that say of a port who is behind it, as a hypervisor does."""
    said = ["map", [[key.replace("_", "-"), text] for key, text in ids.items()]]
    where = [["name", "==", port]]
    return [{"op": "update", "table": "Interface", "where": where, "row": {"external_ids": said}}]


def _make_port(operations: list[Json], name: str, interface: Json) -> list[str]:
    made = _insert(operations, "Interface", {"name": name, **interface})
    return _insert(operations, "Port", {"name": name, "interfaces": made})


def _insert(operations: list[Json], table: str, row: Json) -> list[str]:
    """Add an insertion, and return what later operations of the transaction call the new row."""
    name = f"row{len(operations)}"
    operations.append({"op": "insert", "table": table, "uuid-name": name, "row": row})
    return ["named-uuid", name]
