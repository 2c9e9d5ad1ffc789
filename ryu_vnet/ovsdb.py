"""Reads how a bridge is set up from the OVSDB of its host (RFC 7047), over a unix socket, TCP or TLS."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import ovs.db.error
import ovs.jsonrpc
import ovs.stream

from .errors import Unreachable
from .managers.bridge import BridgeReport
from .ovsdb_connection import check_address

_TABLES = {
    "Bridge": ["name", "datapath_id", "fail_mode", "controller"],
    "Controller": ["_uuid", "target", "connection_mode"],
    "Open_vSwitch": ["other_config"],
}

Json = dict[str, Any]


def read_bridges(remote: str, ports: Collection[str] = ()) -> dict[int, BridgeReport]:
    """What the database at `remote` (`unix:PATH`, `tcp:HOST:PORT`, `ssl:HOST:PORT`) says of its bridges, by datapath
    identifier, and of the MTU of these `ports`. (All ports of a host may be thousands, and are not read.)

    Raises Unreachable where it does not answer, or not so that it can be understood. It may hang with a database that
    takes the connection and says nothing: the caller must bound it in time.
    """
    try:
        return dict(_reports(_select(remote, ports)))
    except (OSError, ValueError, TypeError, OverflowError, KeyError, IndexError) as error:
        raise Unreachable(f"the database at {remote} cannot be read: {error}") from error


def _reports(tables: dict[str, list[Json]]) -> Iterator[tuple[int, BridgeReport]]:
    options = dict(tables["Open_vSwitch"][0]["other_config"][1]) if tables["Open_vSwitch"] else {}
    controllers = {row["_uuid"][1]: (row["target"], _optional(row["connection_mode"])) for row in tables["Controller"]}
    mtus = {row["name"]: row["mtu"] for row in tables["Interface"] if isinstance(row["mtu"], int)}
    for bridge in tables["Bridge"]:
        if not isinstance(bridge["datapath_id"], str):
            continue
        yield (
            int(bridge["datapath_id"], 16),
            BridgeReport(
                bridge["name"],
                _optional(bridge["fail_mode"]),
                dict(controllers[one] for one in _references(bridge["controller"])),
                options.get("vlan-limit"),
                mtus,
            ),
        )


def use_tls(key: str, certificate: str, authority: str) -> None:
    """With what to authenticate to databases behind `ssl:`; holds for the whole process, as the library has it."""
    ovs.stream.Stream.ssl_set_private_key_file(key)
    ovs.stream.Stream.ssl_set_certificate_file(certificate)
    ovs.stream.Stream.ssl_set_ca_cert_file(authority)


def _select(remote: str, ports: Collection[str]) -> dict[str, list[Json]]:
    check_address(remote)
    error, stream = ovs.stream.Stream.open_block(ovs.stream.Stream.open(remote), timeout=5000)
    if error or stream is None:
        raise Unreachable(f"the database at {remote} does not answer (errno {error})")
    connection = ovs.jsonrpc.Connection(stream)
    try:
        asked: list[Json] = [
            {"op": "select", "table": name, "where": [], "columns": columns} for name, columns in _TABLES.items()
        ]
        asked += [
            {"op": "select", "table": "Interface", "where": [["name", "==", port]], "columns": ["name", "mtu"]}
            for port in ports
        ]
        request = ovs.jsonrpc.Message.create_request("transact", ["Open_vSwitch", *asked])
        error, reply = connection.transact_block(request)
        if error or reply.error:
            raise Unreachable(f"the database at {remote} refused to be read: {error or reply.error}")
        found = [part["rows"] for part in reply.result]
        if len(found) != len(asked):
            raise Unreachable(f"the database at {remote} answered {len(found)} of {len(asked)} questions")
        interfaces = [row for rows in found[len(_TABLES) :] for row in rows]
        return {**dict(zip(_TABLES, found, strict=False)), "Interface": interfaces}
    finally:
        connection.close()


def _references(column: list[Any]) -> set[str]:
    """The UUIDs in a column: one is ["uuid", U], several are ["set", [["uuid", U], ...]] (RFC 7047, 5.1)."""
    return {column[1]} if column[0] == "uuid" else {reference[1] for reference in column[1]}


def _optional(column: Any) -> str | None:
    return column if isinstance(column, str) else None
