"""Reads how a bridge is set up from the OVSDB of its host (RFC 7047), over a unix socket, TCP or TLS."""

from __future__ import annotations

from typing import Any

import ovs.db.error
import ovs.jsonrpc
import ovs.stream

from .errors import Unreachable
from .managers.bridge import BridgeReport

_TABLES = {
    "Bridge": ["name", "datapath_id", "fail_mode", "controller", "ports"],
    "Controller": ["_uuid", "target", "connection_mode"],
    "Port": ["_uuid", "interfaces"],
    "Interface": ["_uuid", "name", "mtu"],
    "Open_vSwitch": ["other_config"],
}

Json = dict[str, Any]


def read_bridge(remote: str, dpid: int) -> BridgeReport:
    """What the database at `remote` (`unix:PATH`, `tcp:HOST:PORT`, `ssl:HOST:PORT`) says of a bridge.

    Raises Unreachable where the database does not answer, or has no bridge with that datapath identifier.
    """
    tables = _select(remote)
    wanted = f"{dpid:016x}"
    bridge = next((row for row in tables["Bridge"] if row["datapath_id"] == wanted), None)
    if bridge is None:
        raise Unreachable(f"the database at {remote} has no bridge with datapath identifier {wanted}")
    controllers = _references(bridge["controller"])
    ports = _references(bridge["ports"])
    interfaces = {
        reference for row in tables["Port"] if row["_uuid"][1] in ports for reference in _references(row["interfaces"])
    }
    mtus = {row["name"]: row["mtu"] for row in tables["Interface"] if row["_uuid"][1] in interfaces}
    options = dict(tables["Open_vSwitch"][0]["other_config"][1]) if tables["Open_vSwitch"] else {}
    return BridgeReport(
        bridge["name"],
        _optional(bridge["fail_mode"]),
        {
            row["target"]: _optional(row["connection_mode"])
            for row in tables["Controller"]
            if row["_uuid"][1] in controllers
        },
        options.get("vlan-limit"),
        {name: mtu for name, mtu in mtus.items() if isinstance(mtu, int)},
    )


def use_tls(key: str, certificate: str, authority: str) -> None:
    """With what to authenticate to databases behind `ssl:`; holds for the whole process, as the library has it."""
    ovs.stream.Stream.ssl_set_private_key_file(key)
    ovs.stream.Stream.ssl_set_certificate_file(certificate)
    ovs.stream.Stream.ssl_set_ca_cert_file(authority)


def _select(remote: str) -> dict[str, list[Json]]:
    try:
        error, stream = ovs.stream.Stream.open_block(ovs.stream.Stream.open(remote), timeout=5000)
    except ValueError as problem:
        raise Unreachable(f"{remote!r} is no place of a database: {problem}") from problem
    if error or stream is None:
        raise Unreachable(f"the database at {remote} does not answer (errno {error})")
    connection = ovs.jsonrpc.Connection(stream)
    try:
        asked = [{"op": "select", "table": name, "where": [], "columns": columns} for name, columns in _TABLES.items()]
        request = ovs.jsonrpc.Message.create_request("transact", ["Open_vSwitch", *asked])
        error, reply = connection.transact_block(request)
        if error or reply.error:
            raise Unreachable(f"the database at {remote} refused to be read: {error or reply.error}")
        return {name: part["rows"] for name, part in zip(_TABLES, reply.result, strict=True)}
    finally:
        connection.close()


def _references(column: list[Any]) -> set[str]:
    """The UUIDs in a column: one is ["uuid", U], several are ["set", [["uuid", U], ...]] (RFC 7047, 5.1)."""
    return {column[1]} if column[0] == "uuid" else {reference[1] for reference in column[1]}


def _optional(column: Any) -> str | None:
    return column if isinstance(column, str) else None
