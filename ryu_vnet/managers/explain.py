"""What rows mean, in words: numbers become names again, and each row of a stage one sentence.

Pure: a model, a topology and a table go in, text comes out. What has become of a row on its switch is `status`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_network

from ..compiler import fields as f
from ..compiler.pipeline import (
    ADJACENCY_KIND_MASK,
    ADJACENCY_NUMBER_MASK,
    ADJACENCY_REG,
    CHOICE_REG,
    FIRST_LABEL,
    INTERFACE_REG,
    LARGE_REG,
    NETWORK_REG,
    SITE_REG,
    STAGE_BY_TABLE,
    UPLINK_REG,
    Toward,
)
from ..compiler.rows import (
    IN_PORT_PORT,
    Action,
    CheckLarger,
    Clone,
    Decap,
    FieldMatch,
    Group,
    Origin,
    Output,
    PushVlan,
    Row,
    SetField,
    Subject,
    ToGroup,
)
from ..compiler.source import ADVERTISEMENT, ARP, IPV4, IPV6, RARP, SOLICITATION
from ..fabric.declared import Fabric, LinkKind
from ..fabric.observed import PortState
from ..model.names import PLACED_MAC_MASK, format_mac
from ..model.outside import SHARED_ZONE
from ..model.sites import ETHERNET_HEADER
from ..model.state import Member, Model
from ..model.values import Place
from .explain_outside import outside_meanings
from .explain_serving import serving_meanings
from .row_words import traffic_of

_LISTED = 6
"""How many targets of a fan-out are named before the rest is counted."""
_NEIGHBOUR_TEXT = "what the neighbour at a link port says of itself (LLDP): the controller is told"
_FAMILIES = {IPV4: "IPv4", ARP: "ARP", RARP: "reverse ARP", IPV6: "IPv6"}


class Names:
    """Names for the numbers that stand in rows and cookies. A number that nothing has any more is shown as such."""

    def __init__(self, model: Model, fabric: Fabric) -> None:
        self.fabric = fabric
        self.model = model
        self._networks = {network.number: network.ref for network in model.networks()}
        self._networks |= {combination.number: combination.ref for combination in model.combinations()}
        self._interfaces = {
            interface.number: str(Member(node, interface)) for node in model.nodes() for interface in node.interfaces
        }
        self._interfaces |= {gateway.interface: f"the router of {gateway.ref}" for gateway in model.gateways()}
        self._routers = {gateway.interface: gateway.ref for gateway in model.gateways()}
        self._zones = {gateway.zone: gateway.ref for gateway in model.gateways()}
        self.sites = {site.number: site for site in model.sites()}
        self._interfaces |= {number: f"site {site.ref}" for number, site in self.sites.items()}
        self._switches = {switch.number: name for name, switch in fabric.switches.items()}
        self._segments = {number: name for name, number in fabric.segments.items()}

    def network(self, number: int) -> str:
        """`red/X`; of several networks that somebody is in at once, `red/X+Y`."""
        return self._networks.get(number, f"network number {number}")

    def interface(self, number: int) -> str:
        """`red/vm1.1 eth0`; `the router of red/web`, which has a number as interfaces have."""
        return self._interfaces.get(number, f"interface number {number}")

    def switch(self, number: int) -> str:
        """`host1`."""
        return self._switches.get(number, f"switch number {number}")

    def segment(self, number: int) -> str:
        """`segment A`."""
        name = self._segments.get(number)
        return f"segment {name}" if name else f"segment number {number}"

    def origin(self, origin: Origin) -> str:
        """What a row exists for: `network red/X`, `interface red/vm1.1 eth0`, `router of red/web`, `switch host1`."""
        if origin.subject is Subject.INTERFACE and origin.number in self._routers:
            return f"router of {self._routers[origin.number]}"
        names: dict[Subject, Callable[[int], str]] = {
            Subject.SWITCH: self.switch,
            Subject.NETWORK: self.network,
            Subject.INTERFACE: self.interface,
        }
        return f"{origin.subject.name.lower()} {names[origin.subject](origin.number)}"

    def zone(self, number: int) -> str:
        """Whose conntrack zone it is."""
        if number == SHARED_ZONE:
            return "the zone that networks share"
        ref = self._zones.get(number)
        return f"the zone of {ref}" if ref else f"zone {number}"

    def adjacency(self, value: int) -> str:
        """Where an adjacency leads."""
        kind, number = (value & ADJACENCY_KIND_MASK) >> 28, value & ADJACENCY_NUMBER_MASK
        match kind:
            case Toward.INTERFACE:
                return self.interface(number)
            case Toward.SWITCH:
                return f"switch {self.switch(number)}"
            case Toward.OUT:
                return "the edge of this segment"
            case Toward.SEGMENT:
                return self.segment(number)
            case Toward.EDGE:
                return f"edge {self.switch(number)}"
            case _:
                return f"{value:#x}"

    def edge_of_label(self, label: int) -> str:
        """The edge that a transport label names."""
        return self.switch(label - FIRST_LABEL)


class Meanings:
    """One sentence for each row of one switch."""

    def __init__(self, names: Names, switch: str, ports: Mapping[str, PortState], groups: Mapping[int, Group]) -> None:
        self._names = names
        self._switch = switch
        self._ports = {state.number: name for name, state in ports.items()}
        self._wires = {place.port: (kind, far) for place, (kind, far) in names.fabric.wires_of.get(switch, {}).items()}
        self._groups = groups
        self._stages: dict[str, Callable[[Row, dict[str, FieldMatch]], str]] = {
            "PORT": self._port_row,
            "SOURCE": self._source_row,
            "NEIGHBOUR": self._neighbour_row,
            "NETWORK": self._network_row,
            "CLASS": self._class_row,
            "CHOICE": self._choice_row,
            "TAG": self._tag_row,
            "LABEL": self._label_row,
            "SERVICE": self._service_row,
            "FORWARD": self._forward_row,
            "EGRESS": self._egress_row,
            "ENCAP": self._encap_row,
            **outside_meanings(names, self.port),
            "REMOTE": self._remote_row,
            **serving_meanings(names),
        }

    def row(self, row: Row) -> str:
        """What a row says."""
        stage = STAGE_BY_TABLE.get(row.table)
        conditions = {condition.field.name: condition for condition in row.match}
        if stage is None:
            return ""
        said = self._stages.get(stage.name)
        return said(row, conditions) if said is not None else stage.purpose

    def group(self, group: Group) -> str:
        """What a group does."""
        if group.watch:
            return f"what leaves with labels by {self.port(group.watch[0])}, while it is up"
        return f"copies to {_listed(self._targets(group))}"

    def port(self, number: int) -> str:
        """`port 4 (vm1.1)`."""
        name = self._ports.get(number)
        return f"port {number} ({name})" if name else f"port {number}"

    # --- one a stage ------------------------------------------------------------------------------------------------

    def _port_row(self, row: Row, conditions: dict[str, FieldMatch]) -> str:
        number = conditions[f.IN_PORT.name].value
        site = _set(row.actions, SITE_REG.field)
        if site is not None:
            return f"what comes by {self.port(number)}{self._end(site)} is from {self._names.interface(site)}"
        if row.origin.subject is Subject.INTERFACE:
            return f"{self.port(number)} belongs to {self._names.interface(row.origin.number)}"
        port = self._ports.get(number, "")
        if _set(row.actions, UPLINK_REG.field) is not None:
            switch = self._names.fabric.switches.get(self._switch)
            uplinks = switch.uplinks if switch is not None else ()
            to = next((uplink.outside for uplink in uplinks if uplink.port == port), "an outside network")
            return f"{self.port(number)} is the uplink to {to}"
        if row.goto is None:
            learn = self._names.fabric.learns.get(Place(self._switch, port))
            whose = f" of tenant {learn.tenant}" if learn is not None else ""
            return f"{self.port(number)} is where a machine{whose} is learned: whoever speaks there is told of"
        return f"{self.port(number)} is {_wire_text(self._wires.get(port))}"

    def _source_row(self, row: Row, conditions: dict[str, FieldMatch]) -> str:
        family = conditions.get(f.ETH_TYPE.name)
        if row.origin.subject is not Subject.INTERFACE:
            known = _FAMILIES.get(family.value, "MPLS") if family else "anything"
            return f"{known} from a node is refused" + (
                ", unless a row above knows the source" if known != "MPLS" else ""
            )
        site = conditions.get(SITE_REG.field.name)
        if site is not None:
            whose = f"{self._names.interface(row.origin.number)}, which is at {self._names.interface(site.value)}"
            return f"{_source_text(conditions)} from {whose}"
        return f"{_source_text(conditions)} from {self._names.interface(row.origin.number)}"

    def _neighbour_row(self, row: Row, conditions: dict[str, FieldMatch]) -> str:
        verb = "is let through" if row.goto is not None else "is refused"
        kind = conditions.get(f.ICMPV6_TYPE.name)
        if kind is None:
            unspecified = f.IPV6_SRC.name in conditions
            return f"{'IPv6 without a source address' if unspecified else 'what is no discovery message'} {verb}"
        if kind.value not in (SOLICITATION, ADVERTISEMENT):
            return f"ICMPv6 type {kind.value} without a source address {verb}"
        what = "neighbour solicitation" if kind.value == SOLICITATION else "neighbour advertisement"
        if row.origin.subject is not Subject.INTERFACE:
            readable = f.ND_TARGET.name not in conditions
            return f"{what} {'with a claim that no row above allows' if readable else 'that cannot be read'} {verb}"
        target = conditions.get(f.ND_TARGET.name)
        about = f" for {_prefix_text(target)}" if target else ""
        probe = " (is the address free?)" if f.IPV6_SRC.name in conditions else ""
        link = conditions.get(f.ND_SLL.name) or conditions.get(f.ND_TLL.name)
        option = f" naming {format_mac(link.value)}" if link and link.value else ""
        return f"{what}{about}{probe}{option} from {self._names.interface(row.origin.number)}"

    def _network_row(self, row: Row, conditions: dict[str, FieldMatch]) -> str:
        sender = self._names.interface(conditions[INTERFACE_REG.field.name].value)
        several = _set(row.actions, CHOICE_REG.field)
        if several is not None:
            return f"{sender} speaks on {self._names.network(several)}"
        return f"{sender} speaks on network {self._network_set(row)}"

    def _class_row(self, row: Row, conditions: dict[str, FieldMatch]) -> str:
        several = self._names.network(conditions[CHOICE_REG.field.name].value)
        return f"of {several}, {traffic_of(conditions)} goes out on {self._way_set(row)}"

    def _choice_row(self, row: Row, conditions: dict[str, FieldMatch]) -> str:
        several = self._names.network(conditions[CHOICE_REG.field.name].value)
        destination = conditions.get(f.ETH_DST.name)
        if destination is None:
            return f"of {several}, to whoever is not in the last only it goes out on {self._way_set(row)}"
        if destination.mask is not None:
            return f"of {several}, broadcast and multicast go out on each, for those who are in none before"
        is_member = row.origin.subject is Subject.INTERFACE
        who = self._names.interface(row.origin.number) if is_member else "the router of the last of them"
        return f"of {several}, to {format_mac(destination.value)}, {who}, it goes out on {self._way_set(row)}"

    def _tag_row(self, row: Row, conditions: dict[str, FieldMatch]) -> str:
        if f.ETH_TYPE.name in conditions:
            return _NEIGHBOUR_TEXT
        return f"tag {conditions[f.VLAN_VID.name].value & 0xFFF} is network {self._network_set(row)}"

    def _label_row(self, row: Row, conditions: dict[str, FieldMatch]) -> str:
        if f.MPLS_LABEL.name not in conditions:
            return _NEIGHBOUR_TEXT
        label = conditions[f.MPLS_LABEL.name].value
        if any(isinstance(action, Decap) for action in row.actions):
            return f"transport label {label} is for this edge: it comes off"
        return f"transport label {label} goes on to edge {self._names.edge_of_label(label)}"

    def _service_row(self, row: Row, conditions: dict[str, FieldMatch]) -> str:
        return f"service label {conditions[f.MPLS_LABEL.name].value} is network {self._network_set(row)}"

    def _forward_row(self, row: Row, conditions: dict[str, FieldMatch]) -> str:
        network = self._names.network(conditions[NETWORK_REG.field.name].value)
        groups = [self._groups[action.group] for action in row.actions if isinstance(action, ToGroup)]
        toward = _set(row.actions, ADJACENCY_REG.field)
        if Output(IN_PORT_PORT) in row.actions:
            return f"in {network}, {self._names.interface(row.origin.number)} has moved away: back to where it is known"
        if toward is None:
            targets = [target for group in groups for target in self._targets(group)]
            return f"in {network}, broadcast and multicast go to {_listed(targets)}"
        way = self._names.adjacency(toward)
        destination = conditions.get(f.ETH_DST.name)
        if destination is not None and destination.mask == PLACED_MAC_MASK:
            return f"in {network}, whoever is not known here and has a MAC of {way} is towards it"
        if destination is None or destination.mask is not None:
            return f"in {network}, whoever is not known here is towards {way}"
        who = self._names.interface(row.origin.number)
        place = "is here" if way == who else f"is towards {way}"
        return f"in {network}, {format_mac(destination.value)} is {who}, which {place}"

    def _egress_row(self, row: Row, conditions: dict[str, FieldMatch]) -> str:
        toward = conditions[ADJACENCY_REG.field.name]
        if toward.mask is not None:
            return "what came from the core does not go back to it"
        uplink = _set(row.actions, UPLINK_REG.field)
        if uplink is not None:
            return f"to {self._names.adjacency(toward.value)}, which is here: outside by {self.port(uplink)}"
        if SITE_REG.field.name in conditions:
            return f"what came from {self._names.adjacency(toward.value)} does not go back to it"
        size = next((action.size for action in row.actions if isinstance(action, CheckLarger)), None)
        if size is not None:
            left = size - ETHERNET_HEADER
            return (
                f"to {self._names.adjacency(toward.value)}: is it larger than the {left} bytes of IP that go through?"
            )
        how = "tagged, " if any(isinstance(action, PushVlan) for action in row.actions) else ""
        ports = [self.port(action.port) for action in row.actions if isinstance(action, Output)]
        groups = [self._groups[action.group] for action in row.actions if isinstance(action, ToGroup)]
        ports += [f"{self.port(port)}, if it is up" for group in groups for port in group.watch]
        return f"to {self._names.adjacency(toward.value)}: {how}out of {', '.join(ports)}"

    def _encap_row(self, row: Row, conditions: dict[str, FieldMatch]) -> str:
        inner = [action for part in row.actions if isinstance(part, Clone) for action in part.actions]
        ports = [self.port(action.port) for action in inner if isinstance(action, Output)]
        label = _set(inner, f.MPLS_LABEL)
        edge = self._names.edge_of_label(label) if label is not None else "none"
        toward = self._names.adjacency(conditions[ADJACENCY_REG.field.name].value)
        return f"to {toward}: labelled for edge {edge}, out of {', '.join(ports)}"

    def _remote_row(self, row: Row, conditions: dict[str, FieldMatch]) -> str:
        toward = conditions[ADJACENCY_REG.field.name].value
        where = self._names.adjacency(toward)
        if LARGE_REG.field.name in conditions:
            # Open vSwitch credits the rows of both outcomes of the test with every frame.
            return f"what is too large for {where} goes nowhere (its counter counts what fits as well)"
        ports = [self.port(action.port) for action in row.actions if isinstance(action, Output)]
        return f"to {where}: out of {', '.join(ports)}{self._end(toward & ADJACENCY_NUMBER_MASK)}"

    def _end(self, number: int) -> str:
        """The other end of a site's tunnel, and the key."""
        site = self._names.sites.get(number)
        return f", {site.protocol.value} {site.remote} key {site.key}," if site is not None else ""

    # --- bits -------------------------------------------------------------------------------------------------------

    def _network_set(self, row: Row) -> str:
        number = _set(row.actions, NETWORK_REG.field)
        return self._names.network(number) if number is not None else "none"

    def _way_set(self, row: Row) -> str:
        """The network, or the several of them, that a frame may go out on then."""
        several = _set(row.actions, CHOICE_REG.field)
        return self._names.network(several) if several is not None else self._network_set(row)

    def _targets(self, group: Group) -> list[str]:
        found = (_set(bucket, ADJACENCY_REG.field) for bucket in group.buckets)
        return [self._names.adjacency(toward) for toward in found if toward is not None]


def _set(actions: Iterable[Action], target: f.Field) -> int | None:
    """What actions set a field to; None where they don't."""
    values = [action.value for action in actions if isinstance(action, SetField) and action.field == target]
    return values[-1] if values else None


def _wire_text(wire: tuple[LinkKind, Place] | None) -> str:
    if wire is None:
        return "a link of the fabric"
    kind, far = wire
    return f"the {kind.value} link to {far.switch}"


def _source_text(conditions: dict[str, FieldMatch]) -> str:
    """Which frames of an interface a row of SOURCE lets through."""
    if f.UDP_SRC.name in conditions:
        return "DHCP requests"
    if f.ARP_OP.name in conditions:
        return "ARP probes"
    family = conditions.get(f.ETH_TYPE.name)
    if family is None:
        return "frames of any other type"
    name = _FAMILIES[family.value]
    source = next(
        (conditions[field.name] for field in (f.ARP_SPA, f.IPV4_SRC, f.IPV6_SRC) if field.name in conditions), None
    )
    if family.value == RARP:
        return f"{name} announcements"
    if source is None:
        return f"{name} with any source"
    if source.mask is None and not source.value:
        return f"{name} without a source address yet"
    return f"{name} with source {_prefix_text(source)}"


def _prefix_text(condition: FieldMatch) -> str:
    """The addresses that a condition holds for: `10.0.0.11`, `fd00::/64`."""
    address = IPv4Address(condition.value) if condition.field.bits == 32 else IPv6Address(condition.value)
    if condition.mask is None:
        return str(address)
    return str(ip_network((address, condition.mask.bit_count())))


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return shown + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "") if names else "nobody"
