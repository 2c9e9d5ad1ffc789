"""A real switch that frames are put into, and the exact bytes that it sends: what a simulated one is compared with.

Rows go in as the text of ovs-ofctl(8), which is written here, apart from the product's own OpenFlow encoder: so each
is a check of the other. What leaves a port is read from the capture that the dummy data path writes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from tx_capture import TxCapture
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.fields import Field
from ryu_vnet.compiler.rows import (
    IN_PORT_PORT,
    Action,
    CheckLarger,
    Clone,
    Decap,
    DecMplsTtl,
    DecTtl,
    Encap,
    FieldMatch,
    Group,
    Move,
    Nat,
    Output,
    PacketType,
    PopVlan,
    PushVlan,
    Resubmit,
    Row,
    SetField,
    SetMplsTtl,
    SwitchTable,
    ToGroup,
    Track,
    Untrack,
)

PORTS = 4
DEADLINE_SECONDS = 20.0
MARKER_SOURCE = 0x02_6D_61_72_6B_00
"""Source address of the frame that follows the tested ones: once it is out of a port, so is all that went before."""

_NAMES = {"ipv4_src": "nw_src", "ipv4_dst": "nw_dst", "ip_proto": "nw_proto", "ip_ttl": "nw_ttl"}
_NAMES |= {"icmpv4_type": "icmp_type", "icmpv4_code": "icmp_code"}
_IPV4 = ("ipv4_src", "ipv4_dst", "arp_spa", "arp_tpa", "tun_src", "tun_dst", "ct_nw_dst")
_FRAGMENTS = {(0, None): "no", (1, None): "first", (3, None): "later", (1, 1): "yes", (0, 2): "not_later"}
"""Matches on `ip_frag`, by value and mask, of which ovs-ofctl(8) takes these alone."""
_ENCAPS = {PacketType.MPLS: "encap(mpls)", PacketType.ETHERNET: "encap(ethernet)"}
_DECAPS = {
    None: "decap()",
    PacketType.MPLS: "decap(packet_type(ns=1,type=0x8847))",
    PacketType.ETHERNET: "decap(packet_type(ns=0,type=0))",
}


class TrialSwitch:
    """One bridge with ports 1 to PORTS on a dummy data path."""

    def __init__(self, ovs: DummyOvs, name: str = "trial", dpid: int = 1) -> None:
        self._ovs = ovs
        self._name = name
        self._ports = [f"{name}-{number}" for number in range(1, PORTS + 1)]
        ovs.add_bridge(name, dpid, ports=self._ports)
        self._captures: dict[int, TxCapture] = {}
        for number, port in enumerate(self._ports, 1):
            path = ovs.folder / f"{port}.pcap"
            ovs.vsctl("set", "interface", port, f"options:tx_pcap={path}")
            self._captures[number] = TxCapture(path)
        self._markers = 0

    def load(self, table: SwitchTable) -> None:
        """Replace all rows and groups."""
        outputs = ",".join(f"output:{number}" for number in self._captures)
        marker = f"flow add table=0,priority=65535,eth_src={_mac(MARKER_SOURCE)},actions=IN_PORT,{outputs}"
        lines = ["flow delete", "group delete"]
        lines += [f"group add {group_text(group)}" for group in table.groups.values()]
        lines += [f"flow add {row_text(row)}" for row in table.rows.values()]
        bundle = self._ovs.folder / f"{self._name}.bundle"
        bundle.write_text("\n".join([*lines, marker, ""]))
        self._ovs.ofctl("bundle", self._name, str(bundle))

    def send(self, port: int, frame: bytes) -> dict[int, list[bytes]]:
        """Put a frame into a port. What left by each port, in order; ports that nothing left are absent.

        What the switch has cached is forgotten first, so that each frame takes the whole way through the tables. (Of
        a frame whose TTL it decrements, Open vSwitch 3.1 caches the traffic class and the bottom-of-stack bit too,
        without matching on them: later frames get those of the first.)
        """
        self._ovs.appctl("revalidator/purge")
        self._markers += 1
        marker = b"\xff" * 6 + MARKER_SOURCE.to_bytes(6, "big") + b"\x88\xb5" + self._markers.to_bytes(4, "big")
        self._ovs.appctl("netdev-dummy/receive", self._ports[port - 1], frame.hex(), marker.hex())
        deadline = time.monotonic() + DEADLINE_SECONDS
        sent = {number: self._read_until(number, marker, deadline) for number in self._captures}
        return {number: frames_out for number, frames_out in sent.items() if frames_out}

    def trace(self, port: int, frame: bytes) -> str:
        """What ofproto/trace says of a frame; of several passes, the first only."""
        return self._ovs.appctl("ofproto/trace", self._name, f"in_port={port}", frame.hex())

    def traced_ports(self, port: int, frame: bytes) -> list[int]:
        """The ports that ofproto/trace sends a frame to, in order."""
        shown = self._ovs.appctl("dpif/show")
        ours = {int(dp): int(of) for of, dp in re.findall(rf"{self._name}-\d+ (\d+)/(\d+):", shown)}
        (actions,) = re.findall(r"Datapath actions: (.*)", self.trace(port, frame))
        return [ours[int(dp)] for dp in re.findall(r"(?:^|[,(])(\d+)(?=[,)]|$)", actions)]

    def _read_until(self, number: int, marker: bytes, deadline: float) -> list[bytes]:
        found: list[bytes] = []
        while True:
            for frame in self._captures[number].new_frames():
                if frame == marker:
                    return found
                found.append(frame)
            if time.monotonic() > deadline:
                raise TimeoutError(f"the marker did not leave port {number} of {self._name}; before it: {found}")
            time.sleep(0.001)


def row_text(row: Row) -> str:
    """A row in the syntax of ovs-ofctl(8)."""
    conditions = [f"table={row.table}", f"priority={row.priority}", *(_condition(item) for item in row.match)]
    goto = [] if row.goto is None else [f"goto_table:{row.goto}"]
    return f"{','.join(conditions)},actions={_actions(row.actions, goto)}"


def group_text(group: Group) -> str:
    """A group of type all in the syntax of ovs-ofctl(8)."""
    buckets = "".join(f",bucket=actions={_actions(bucket)}" for bucket in group.buckets)
    return f"group_id={group.number},type=all{buckets}"


def _actions(actions: Sequence[Action], goto: Sequence[str] = ()) -> str:
    return ",".join([*(_action(action) for action in actions), *goto]) or "drop"


def _condition(condition: FieldMatch) -> str:
    if condition.field == f.PACKET_TYPE:
        return f"packet_type=({condition.value >> 16},{condition.value & 0xFFFF:#x})"
    if condition.field == f.IP_FRAG:
        return f"ip_frag={_FRAGMENTS[condition.value, condition.mask]}"
    mask = "" if condition.mask is None else f"/{_value(condition.field, condition.mask)}"
    return f"{_name(condition.field)}={_value(condition.field, condition.value)}{mask}"


def _action(action: Action) -> str:
    match action:
        case Output(port):
            return "IN_PORT" if port == IN_PORT_PORT else f"output:{port}"
        case ToGroup(number):
            return f"group:{number}"
        case SetField(f.IN_PORT, value):
            return f"load:{value}->in_port"
        case SetField(field, value):
            return f"set_field:{_value(field, value)}->{_name(field)}"
        case Move(source, target, bits, low, to):
            return f"move:{_name(source)}[{low}..{low + bits - 1}]->{_name(target)}[{to}..{to + bits - 1}]"
        case PushVlan():
            return "push_vlan:0x8100"
        case PopVlan():
            return "pop_vlan"
        case Encap(header):
            return _ENCAPS[header]
        case Decap(becomes):
            return _DECAPS[becomes]
        case SetMplsTtl(ttl):
            return f"set_mpls_ttl({ttl})"
        case DecMplsTtl():
            return "dec_mpls_ttl"
        case DecTtl():
            return "dec_ttl"
        case CheckLarger(size, target, bit):
            return f"check_pkt_larger({size})->{_name(target)}[{bit}]"
        case Untrack():
            return "ct_clear"
        case Track(zone, table, commit, nat):
            return f"ct({'commit,' if commit else ''}zone={zone},table={table}{_nat(nat)})"
        case Resubmit(table):
            return f"resubmit(,{table})"
        case Clone(actions):
            return f"clone({_actions(actions)})"


def _nat(nat: Nat | None) -> str:
    if nat is None or nat.address is None:
        return "" if nat is None else ",nat"
    address = _value(f.IPV6_SRC if nat.is_six else f.IPV4_SRC, nat.address)
    ports = "" if nat.ports is None else f":{nat.ports[0]}-{nat.ports[1]}"
    return f",nat({'src' if nat.source else 'dst'}={f'[{address}]' if nat.is_six and ports else address}{ports})"


def _name(field: Field) -> str:
    return _NAMES.get(field.name, field.name)


def _value(field: Field, value: int) -> str:
    if field.bits == 48:
        return _mac(value)
    if field.bits == 128:
        return ":".join(f"{value >> shift & 0xFFFF:x}" for shift in range(112, -16, -16))
    if field.name in _IPV4:
        return ".".join(str(byte) for byte in value.to_bytes(4, "big"))
    return str(value)


def _mac(address: int) -> str:
    return address.to_bytes(6, "big").hex(":")
