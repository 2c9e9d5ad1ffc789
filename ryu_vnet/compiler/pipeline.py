"""The one pipeline that every switch has: stages, registers, adjacencies and priorities, each declared once.

A frame inside the pipeline is always plain Ethernet, with what is known of it in registers. `Stage.row` refuses a
row that matches on what the stage may not look at, or that goes backwards, so a mistake in the compiler is an
exception here and not a leak on a switch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from . import fields as f
from .fields import Field
from .rows import Action, FieldMatch, Match, MeterBand, Origin, Resubmit, Row, SetField, Track, match


@dataclass(frozen=True, slots=True)
class Register:
    """A register of the pipeline: what we call it, where it lives, how many low bits it uses."""

    name: str
    field: Field
    bits: int
    purpose: str


NETWORK_REG = Register("network", f.REG0, 20, "the network's number; its MPLS service label once it has one")
INTERFACE_REG = Register("interface", f.REG1, 28, "the interface that sent the frame; 0 where it came over a wire")
TAG_REG = Register("tag", f.REG2, 12, "the network's VLAN tag in this segment; 0 where it has none")
ADJACENCY_REG = Register("adjacency", f.REG3, 32, "where the frame goes next")
FROM_REG = Register("from", f.REG4, 2, "the kind of port it came in by")
CHOICE_REG = Register("choice", f.REG5, 20, "the networks that it may go out on, while there are several: their number")

UPLINK_REG = Register("uplink", f.REG6, 32, "the port to an outside network that the frame came in by, or goes out by")
LARGE_REG = Register("large", f.REG7, 1, "whether the frame is larger than where it goes can take")
SITE_REG = Register("site", f.REG8, 28, "the remote site that the frame came from; 0 where it came from none")

REGISTERS = (
    NETWORK_REG,
    INTERFACE_REG,
    TAG_REG,
    ADJACENCY_REG,
    FROM_REG,
    CHOICE_REG,
    UPLINK_REG,
    LARGE_REG,
    SITE_REG,
)
REGISTER_BY_FIELD = {register.field.name: register for register in REGISTERS}


class From(IntEnum):
    """Values of the register `from`."""

    ACCESS = 1
    TRUNK = 2
    CORE = 3


class Toward(IntEnum):
    """The kinds of adjacency, in the top four bits of the register; the low 28 bits say which."""

    INTERFACE = 1
    """An access port of this switch, by the number of the interface on it; or a remote site, by its own."""
    SWITCH = 2
    """A switch of this segment, by its number."""
    OUT = 3
    """The edge that is in charge of this segment (number 0)."""
    SEGMENT = 4
    """A far segment, by its number; only edges have these."""
    EDGE = 5
    """The edge that a transport label names, by its switch number; only label switching uses these."""


ADJACENCY_KIND_MASK = 0xF000_0000
ADJACENCY_NUMBER_MASK = 0x0FFF_FFFF


def adjacency(kind: Toward, number: int = 0) -> int:
    """The value of the register `adjacency`."""
    if not 0 <= number <= ADJACENCY_NUMBER_MASK:
        raise ValueError(f"adjacency number {number} does not fit 28 bits")
    return kind << 28 | number


def go(toward: int) -> SetField:
    """The action that says where a frame goes next."""
    return SetField(ADJACENCY_REG.field, toward)


@dataclass(frozen=True, slots=True)
class Stage:
    """One flow table: what it is for, what its rows may match on, and where a frame may go from it.

    `priorities` names each band of priorities that the stage uses, highest first.
    """

    name: str
    table: int
    purpose: str
    matches: tuple[Field, ...]
    next: tuple[str, ...]
    priorities: dict[str, int]

    def row(
        self,
        priority: str,
        conditions: Iterable[FieldMatch],
        actions: Iterable[Action],
        goto: Stage | None,
        origin: Origin,
    ) -> Row:
        """A row of this stage. `priority` is the name of a band.

        Raises ValueError for a field that the stage may not match on, a stage that may not follow it, or a band
        that it does not have.
        """
        canonical, listed = match(*conditions), tuple(actions)
        self._check(priority, canonical, goto)
        for action in listed:
            if isinstance(action, Track) and STAGE_BY_TABLE[action.table].name not in self.next:
                raise ValueError(f"stage {STAGE_BY_TABLE[action.table].name} does not follow {self.name}")
        return Row(self.table, self.priorities[priority], canonical, listed, goto.table if goto else None, origin)

    def _check(self, priority: str, canonical: Match, goto: Stage | None) -> None:
        if priority not in self.priorities:
            raise ValueError(f"stage {self.name} has no priority band {priority!r}")
        for condition in canonical:
            if condition.field not in self.matches:
                raise ValueError(f"stage {self.name} does not match on {condition.field.name}")
        if goto is not None and goto.name not in self.next:
            raise ValueError(f"stage {goto.name} does not follow {self.name}")


PORT = Stage(
    "PORT",
    0,
    "which kind of port the frame came in by, and from which site; a port that nobody declared drops; one to learn on "
    "tells who is there",
    (f.IN_PORT, f.TUN_ID, f.TUN_SRC, f.TUN_IPV6_SRC),
    ("SOURCE", "TAG", "LABEL", "UPLINK"),
    {"port": 100, "learn": 50},
)
SOURCE = Stage(
    "SOURCE",
    10,
    "who sent it: port, MAC and the source in ARP, IPv4 and IPv6 must belong to one interface",
    (
        f.IN_PORT,
        f.ETH_SRC,
        f.ETH_TYPE,
        f.VLAN_VID,
        f.IPV4_SRC,
        f.IPV4_DST,
        f.IPV6_SRC,
        f.IP_PROTO,
        f.UDP_SRC,
        f.UDP_DST,
        f.ARP_OP,
        f.ARP_SPA,
        f.ARP_SHA,
        f.REG8,
    ),
    ("NEIGHBOUR", "NETWORK"),
    {"refuse": 400, "address": 300, "family": 200, "other": 100},
)
NEIGHBOUR = Stage(
    "NEIGHBOUR",
    20,
    "the same for what IPv6 neighbour discovery claims: targets and link-layer addresses (RFC 4861)",
    (f.ETH_TYPE, f.IP_PROTO, f.IP_FRAG, f.ICMPV6_TYPE, f.IPV6_SRC, f.ND_TARGET, f.ND_SLL, f.ND_TLL, f.REG1),
    ("NETWORK",),
    {
        "refuse": 400,
        "probe": 330,
        "unspecified": 320,
        "unspecified-other": 310,
        "own": 300,
        "discovery": 200,
        "other": 100,
    },
)
NETWORK = Stage(
    "NETWORK",
    30,
    "which network the interface speaks on, or which networks",
    (f.REG1,),
    ("CLASS", "CHOICE", "ANSWER", "FORWARD"),
    {"member": 100},
)
MOST_NETWORKS = 32
"""Networks that an interface may be in at once."""
CLASS = Stage(
    "CLASS",
    32,
    "where networks are for some traffic only: which of them take the frame; what none takes goes nowhere",
    (
        f.REG5,
        f.ETH_TYPE,
        f.IP_PROTO,
        f.IP_DSCP,
        f.IP_FRAG,
        f.TCP_SRC,
        f.TCP_DST,
        f.UDP_SRC,
        f.UDP_DST,
        f.SCTP_SRC,
        f.SCTP_DST,
        f.ICMPV6_TYPE,
    ),
    ("CHOICE", "ANSWER", "FORWARD"),
    {"everybody": 400, **{f"taken by {takers}": 100 + takers for takers in range(MOST_NETWORKS, -1, -1)}},
)
CHOICE = Stage(
    "CHOICE",
    35,
    "of several networks, the first that the destination is in; group addresses on each, for who is in none before",
    (f.REG5, f.ETH_DST),
    ("ANSWER", "FORWARD"),
    {"member": 300, "group": 200, "former": 100},
)
TAG = Stage(
    "TAG",
    40,
    "frames from a trunk: the VLAN tag of this segment names the network, and comes off; LLDP to the controller",
    (f.ETH_TYPE, f.VLAN_VID),
    ("FORWARD",),
    {"tag": 100, "neighbour": 50},
)
LABEL = Stage(
    "LABEL",
    50,
    "frames from the core: a transport label that is ours comes off, any other is forwarded; LLDP to the controller",
    (f.ETH_TYPE, f.VLAN_VID, f.MPLS_LABEL, f.MPLS_BOS),
    ("SERVICE", "EGRESS"),
    {"label": 100, "neighbour": 50},
)
UPLINK = Stage(
    "UPLINK",
    52,
    "frames from an outside network: ARP and ND for our addresses are answered, the rest is for whom they are",
    (
        f.ETH_DST,
        f.ETH_TYPE,
        f.VLAN_VID,
        f.IPV4_DST,
        f.IPV6_DST,
        f.IP_PROTO,
        f.ICMPV6_TYPE,
        f.ND_TARGET,
        f.ND_OPTIONS_TYPE,
        f.ARP_OP,
        f.ARP_SPA,
        f.ARP_TPA,
        f.REG6,
        f.REG7,
    ),
    ("RETURN", "INBOUND", "ADVERTISE"),
    {"tagged": 500, "large": 400, "own": 300, "floating": 200, "prefix": 100},
)
RETURN = Stage(
    "RETURN",
    54,
    "what came for an address that networks share, back to the network that it is for; or a port is forwarded",
    (f.ETH_TYPE, f.IPV4_DST, f.CT_STATE, f.CT_NW_PROTO, f.CT_NW_DST, f.CT_TP_DST),
    ("INBOUND", "PORTS"),
    {"known": 200, "forward": 100},
)
PORTS = Stage(
    "PORTS",
    55,
    "a forwarded port in the zone of its network: whose port it is",
    (f.ETH_TYPE, f.IPV4_DST, f.IP_PROTO, f.TCP_DST, f.UDP_DST, f.REG0),
    ("INBOUND",),
    {"forward": 100},
)
INBOUND = Stage(
    "INBOUND",
    56,
    "into a network from outside: answers to what it sent, and what is let in",
    (f.ETH_TYPE, f.IPV4_SRC, f.IPV4_DST, f.IPV6_SRC, f.IPV6_DST, f.REG0, f.CT_STATE),
    ("RESOLVE",),
    {"forged": 300, "known": 200, "new": 100},
)
SERVICE = Stage(
    "SERVICE",
    60,
    "the service label names the network, and comes off: plain Ethernet again",
    (f.PACKET_TYPE, f.MPLS_LABEL, f.MPLS_BOS),
    ("FORWARD",),
    {"label": 100},
)
ANSWER = Stage(
    "ANSWER",
    62,
    "on a network with subnets: who asks for an address of its is answered here; what is asked of its router is told",
    (
        f.ETH_DST,
        f.ETH_TYPE,
        f.VLAN_VID,
        f.IPV4_DST,
        f.IPV6_DST,
        f.IP_FRAG,
        f.IP_PROTO,
        f.UDP_SRC,
        f.UDP_DST,
        f.ICMPV4_TYPE,
        f.ICMPV6_TYPE,
        f.ND_TARGET,
        f.ND_OPTIONS_TYPE,
        f.ARP_OP,
        f.ARP_TPA,
        f.REG0,
        f.REG1,
    ),
    ("ROUTE", "ADVERTISE", "FORWARD"),
    {
        "tagged": 600,
        "own": 400,
        "router": 300,
        "told": 250,
        "rogue": 240,
        "member": 200,
        "other": 100,
    },
)
ROUTE = Stage(
    "ROUTE",
    64,
    "what a network's router is sent for another network that it routes to, if it may pass",
    (
        f.ETH_DST,
        f.ETH_TYPE,
        f.IPV4_SRC,
        f.IPV4_DST,
        f.IPV6_SRC,
        f.IPV6_DST,
        f.IP_TTL,
        f.IP_FRAG,
        f.IP_PROTO,
        f.TCP_SRC,
        f.TCP_DST,
        f.TCP_FLAGS,
        f.UDP_SRC,
        f.UDP_DST,
        f.SCTP_SRC,
        f.SCTP_DST,
        f.ICMPV4_TYPE,
        f.ICMPV6_TYPE,
        f.REG0,
    ),
    ("RESOLVE", "FORWARD"),
    {"spent": 400, "allowed": 300, "refused": 200, "other": 100},
)
RESOLVE = Stage(
    "RESOLVE",
    66,
    "routed into a network: the MAC address of the member that has the IP address",
    (f.ETH_TYPE, f.IPV4_DST, f.IPV6_DST, f.REG0),
    ("FORWARD",),
    {"address": 100},
)
ADVERTISE = Stage(
    "ADVERTISE",
    68,
    "an answer to neighbour discovery gets its sender's MAC address in, which no row can put in that makes the answer",
    (f.ETH_TYPE, f.IP_PROTO, f.ICMPV6_TYPE),
    (),
    {"answer": 100},
)
FORWARD = Stage(
    "FORWARD",
    70,
    "where the destination is: one adjacency for unicast, a fan-out group for broadcast and multicast",
    (f.REG0, f.REG4, f.ETH_DST),
    ("EGRESS",),
    {"address": 300, "place": 250, "group": 200, "elsewhere": 100},
)
EGRESS = Stage(
    "EGRESS",
    80,
    "what the adjacency means today: a port, a tag and a port, or a core port that must be up",
    (f.REG3, f.REG4, f.REG8),
    ("ENCAP", "REMOTE", "OUTBOUND"),
    {"split": 200, "adjacency": 100},
)
ENCAP = Stage(
    "ENCAP",
    90,
    "behind two labels, and out of that core port",
    (f.REG3,),
    (),
    {"adjacency": 100},
)
REMOTE = Stage(
    "REMOTE",
    92,
    "through a tunnel to a remote site, unless the frame is larger than the tunnel takes",
    (f.REG3, f.REG7),
    (),
    {"large": 200, "adjacency": 100},
)

OUTBOUND = Stage(
    "OUTBOUND",
    100,
    "what a network's router is sent goes outside, translated in the network's zone",
    (
        f.ETH_DST,
        f.ETH_TYPE,
        f.VLAN_VID,
        f.IPV4_SRC,
        f.IPV4_DST,
        f.IPV6_SRC,
        f.IPV6_DST,
        f.IP_TTL,
        f.REG0,
        f.REG7,
    ),
    ("TRANSLATE",),
    {"tagged": 500, "inside": 400, "spent": 350, "large": 300, "floating": 200, "subnet": 100},
)
TRANSLATE = Stage(
    "TRANSLATE",
    102,
    "translated in its network's zone: what has an address there that it may have outside",
    (f.ETH_TYPE, f.IPV4_SRC, f.IPV6_SRC, f.REG0, f.CT_STATE),
    ("SHARE", "DEPART"),
    {"own": 100},
)
SHARE = Stage(
    "SHARE",
    104,
    "translated in the zone that networks share; where no port is free, the controller is told",
    (f.ETH_TYPE, f.IPV4_SRC, f.REG0, f.CT_STATE),
    ("DEPART",),
    {"exhausted": 200, "own": 100},
)
DEPART = Stage(
    "DEPART",
    106,
    "to the next router outside; back in, if it is for an address of our own",
    (f.ETH_TYPE, f.IPV4_DST, f.IPV6_DST, f.REG6),
    ("UPLINK",),
    {"own": 200, "hop": 100},
)

STAGES = (
    PORT,
    SOURCE,
    NEIGHBOUR,
    NETWORK,
    CLASS,
    CHOICE,
    TAG,
    LABEL,
    UPLINK,
    RETURN,
    PORTS,
    INBOUND,
    SERVICE,
    ANSWER,
    ROUTE,
    RESOLVE,
    ADVERTISE,
    FORWARD,
    EGRESS,
    ENCAP,
    REMOTE,
    OUTBOUND,
    TRANSLATE,
    SHARE,
    DEPART,
)
STAGE_BY_TABLE = {stage.table: stage for stage in STAGES}

TO_EGRESS = Resubmit(EGRESS.table)
TO_FORWARD = Resubmit(FORWARD.table)
TO_ANSWER = Resubmit(ANSWER.table)

# Group numbers: chunk << 20 | network number. Chunks 1 to 2,047 are those of `crowd`: members on this switch. Chunk 0
# and those from 2,048 to 3,839 have what leaves by wires: neighbours and far segments.
FANOUT_BUCKETS = 800
"""Most buckets in a group: 818 of ours fill the 64 KiB of an OpenFlow message, fewer inside a bundle."""
NETWORK_BITS = 20
_FIRST_WIRE_CHUNK, _LAST_WIRE_CHUNK = 0x800, 0xEFF


def chunk_group(network: int, chunk: int) -> int:
    """The number of the group for a chunk of a network's members on a switch."""
    if not 0 < chunk < _FIRST_WIRE_CHUNK:
        raise ValueError(f"chunk {chunk} of members has no group number")
    return chunk << NETWORK_BITS | network


def wire_group(network: int, index: int) -> int:
    """The number of the `index`-th group of a network on a switch for what leaves by wires."""
    chunk = _FIRST_WIRE_CHUNK + index if index else 0
    if chunk > _LAST_WIRE_CHUNK:
        raise ValueError(f"fan-out {index} of network {network} has no group number")
    return chunk << NETWORK_BITS | network


FIRST_PORT_GROUP = 0xF000_0000


def port_group(port: int) -> int:
    """The number of the group through which everything goes that leaves encapsulated by a core port.

    Its one bucket is live while the port is there. Without it, Open vSwitch 3.1 executes the encapsulation of a copy
    that cannot be sent on the next copy, and aborts (`push_eth()`, packets.c): one broadcast would end the switch.
    """
    return FIRST_PORT_GROUP | port


TELLING_METER = 1
"""The meter through which goes every row that tells the controller of frames and drops them, so that a switch tells no
more than this, whatever machines send. The lowest number, which every data path that has meters has."""
TELLING_RATE = 100
"""Frames a second."""
TELLING_BURST = 20
"""Frames at once."""
TOLD_BYTES = 64
"""Of a frame, so many are told: its addresses and the start of what it carries."""

SERVICES_METER, TROUBLE_METER, NEXT_HOPS_METER = 2, 3, 4
"""The meters of what members ask of routers, of what routers cannot forward, and of what next routers outside say: so
that none of it, however much there is, stands in the way of the others."""
SERVICES_RATE = 200
SERVICES_BURST = 50
TOLD_WHOLE = 0xFFE5
"""Of what is asked of a router all bytes are told (OFPCML_MAX)."""
TOLD_PACKET = 256
"""Of these, so many bytes: all headers, and what an ICMP error has to quote (RFC 792, RFC 4443 2.4)."""

STANDING_METERS = {
    band.number: band
    for band in (
        MeterBand(TELLING_METER, TELLING_RATE, TELLING_BURST),
        *(MeterBand(n, SERVICES_RATE, SERVICES_BURST) for n in (SERVICES_METER, TROUBLE_METER, NEXT_HOPS_METER)),
    )
}
"""Those that are the same on every switch that has rows which name them."""

# Meters that bound what somebody sends or is sent, by what their numbers are made of. Open vSwitch takes numbers up to
# 0x40000; ports have numbers up to 0xfeff there, and conntrack zones 16 bits.
LAST_PORT = 0xFEFF


class Metered(IntEnum):
    """What meters count; the value is where the numbers of a kind begin, to which that of a port or zone is added."""

    TOLD = 0
    """What a switch tells the controller (`STANDING_METERS`)."""
    SENT = 0x00100
    """What an interface sends by an access port."""
    RECEIVED = 0x10000
    """What an interface on an access port is sent."""
    OUT = 0x20000
    """What a network sends to an outside network, by its conntrack zone."""
    IN = 0x30000
    """What comes from an outside network for a network."""


def meter_of(what: Metered, number: int) -> int:
    """The number of the meter for a port or zone."""
    return what + number


def metered_by(meter: int) -> tuple[Metered, int]:
    """What a meter of ours counts, and for which port or zone."""
    what = max(kind for kind in Metered if kind <= meter)
    return what, meter - what


FIRST_LABEL = 16
"""Labels 0 to 15 are reserved (RFC 3032, 2.1; RFC 7274)."""
LAST_LABEL = 0xFFFFF


def transport_label(edge: int) -> int:
    """The transport label that names an edge, by its switch number (1 and up).

    Transport labels stand on top of the stack, service labels below, so that the two spaces never meet.
    """
    label = FIRST_LABEL + edge
    if not FIRST_LABEL <= label <= LAST_LABEL:
        raise ValueError(f"switch number {edge} has no transport label")
    return label


MPLS_TTL = 64
"""TTL of both labels at the edge that pushes them: far more hops than a data centre has, few enough that a loop
while paths change dies at once."""

MAC_PREFIX = 0x02_76_6E_00_00_00
"""Outer Ethernet addresses between edges: locally administered, 02:76:6e, then the switch number."""


def switch_mac(number: int) -> int:
    """The outer Ethernet address of an edge on the interconnect."""
    return MAC_PREFIX | number & 0xFFFFFF
