"""How a bridge must be set up in OVSDB for isolation to hold, and what to say where it is not.

These settings cannot be seen in a dumped flow table, and each of them can undo what the table says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..fabric.declared import CORE_OVERHEAD, TRUNK_OVERHEAD, Fabric, LinkKind


@dataclass(frozen=True, slots=True)
class BridgeReport:
    """What the database of a switch says of one bridge.

    `connection_modes` has one entry for each controller of the bridge, None where it is not set. `mtus` is in bytes,
    by port that a link uses, on any bridge of the database; ports whose MTU is unknown are left out. `vlan_limit` is
    the text of `other_config:vlan-limit`.
    """

    bridge: str
    fail_mode: str | None
    connection_modes: dict[str, str | None] = field(default_factory=dict)
    vlan_limit: str | None = None
    mtus: dict[str, int] = field(default_factory=dict)


def refusals(report: BridgeReport) -> Iterator[str]:
    """Settings under which a switch must not be programmed, each with the command that mends it."""
    if report.fail_mode != "secure":
        # Standalone, a bridge that loses its controller forwards like a learning switch.
        found = report.fail_mode or "not set, which means standalone"
        yield f"fail_mode is {found}: run `ovs-vsctl set-fail-mode {report.bridge} secure`"
    for target, mode in sorted(report.connection_modes.items()):
        if mode != "out-of-band":
            # In-band, hidden rows above all of ours flood frames to and from the controller's address.
            found = mode or "not set, which means in-band"
            mend = f"ovs-vsctl set controller {report.bridge} connection_mode=out-of-band"
            yield f"connection_mode of {target} is {found}: run `{mend}`"
    if report.vlan_limit not in (None, "1"):
        mend = "ovs-vsctl remove open_vswitch . other_config vlan-limit"
        yield f"vlan-limit is {report.vlan_limit}, which loses tenants' inner tags: run `{mend}`"


def warnings(report: BridgeReport, switch: str, fabric: Fabric, own_tags: bool = False) -> Iterator[str]:
    """Links whose MTU is too small: full-sized frames are lost there without a trace. `own_tags`: some network lets
    its nodes send tags of their own."""
    for place, (kind, _) in fabric.wires_of.get(switch, {}).items():
        mtu = report.mtus.get(place.port)
        needed = needed_mtu(fabric, kind) + (TRUNK_OVERHEAD if own_tags else 0)
        if mtu is not None and mtu < needed:
            mend = f"ovs-vsctl set interface {place.port} mtu_request={needed}"
            yield f"MTU of {place.port} is {mtu}, below {needed} for a {kind.value} link: run `{mend}` at both ends"


def needed_mtu(fabric: Fabric, kind: LinkKind) -> int:
    """The least MTU, in bytes, of a link that carries full-sized frames of the nodes."""
    return fabric.mtu + (CORE_OVERHEAD if kind is LinkKind.CORE else TRUNK_OVERHEAD)
