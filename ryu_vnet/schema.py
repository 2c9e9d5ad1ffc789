"""The language of requests: what an intent file, the web service and the Python client say.

Shapes only; whether a request makes sense with what exists is the System Manager's to say. Unknown fields are
refused everywhere, so that a misspelt one is not silently ignored.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from .policy_schema import PolicySpec


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _datapath_id(value: object) -> object:
    """Datapath identifiers are written as people write them: 0xa, "0x00000000000000a1", 161."""
    if isinstance(value, str):
        try:
            return int(value, 0 if value.lower().startswith("0x") else 16)
        except ValueError:
            raise ValueError(f"{value!r} is not a datapath identifier; write it as 0x1f or 16 hex digits") from None
    return value


class LearnSpec(_Shape):
    """A port on which a machine is taken for what its first frame says it is."""

    tenant: str = Field(description="Whose machines they are", examples=["red"])
    most: int = Field(
        8, ge=1, le=64, description="How many different addresses are listened to there until the port goes away"
    )


class UplinkSpec(_Shape):
    """A port of a gateway to an outside network."""

    outside: str = Field(description="The outside network", examples=["internet"])
    addresses: list[str] = Field(
        default_factory=list,
        description="The gateway's own addresses there, one of IPv4 and one of IPv6 at most",
        examples=[["203.0.113.2", "2001:db8:ff::2"]],
    )


class TunnelSpec(_Shape):
    """A tunnel port of a gateway, over which networks extend to remote sites."""

    protocol: Literal["vxlan", "gre"] = Field(description="How frames are carried")
    address: str = Field(
        description="The gateway's own address in the network that tunnels cross", examples=["192.0.2.10"]
    )
    mtu: int = Field(1500, ge=576, le=9216, description="That network's MTU, in bytes of IP")


class OutsideSpec(_Shape):
    """A network that is not ours, which gateways have uplinks to."""

    addresses: list[str] = Field(
        default_factory=list,
        description="Addresses and prefixes of it that networks of tenants may have",
        examples=[["203.0.113.8/29", "2001:db8:5::/48"]],
    )
    next_hops: list[str] = Field(
        default_factory=list,
        description="Its routers: one for IPv4 and one for IPv6 at most",
        examples=[["203.0.113.1", "2001:db8:ff::1"]],
    )
    mtu: int = Field(1500, ge=576, le=9216, description="Its MTU, in bytes of IP")
    connections: int = Field(
        65_536,
        ge=1,
        le=4_000_000_000,
        description="How many connections of one network a gateway tracks at once, at most",
    )


class SwitchSpec(_Shape):
    """An Open vSwitch bridge. Without a segment it is a core switch."""

    dpid: Annotated[int, BeforeValidator(_datapath_id)] = Field(
        description="Datapath identifier: a number, or hex digits as text", examples=["0x1"]
    )
    segment: str | None = Field(None, description="The segment (usually a rack) whose tags it uses", examples=["A"])
    ovsdb: str | None = Field(
        None, description="Where its database listens", examples=["unix:/run/openvswitch/db.sock", "ssl:10.0.0.1:6640"]
    )
    capacity: int | None = Field(
        None,
        ge=0,
        description="How many units of size the nodes may take that placement puts on it; absent: no limit, but none "
        "at all on a switch that others' frames pass, as a rack switch or an edge; 0: none",
        examples=[64],
    )
    learn: dict[str, LearnSpec] = Field(
        default_factory=dict,
        description="Access ports on which machines are learned from their first frame",
        examples=[{"eth3": {"tenant": "red"}}],
    )
    control: str | None = Field(
        None,
        description="Where its daemon takes commands, by which it is told how many connections it tracks of whom: a "
        "socket, or the folder that it is in; absent: the folder of its database, where that is a socket",
        examples=["unix:/run/openvswitch", "unix:/run/openvswitch/ovs-vswitchd.4711.ctl"],
    )
    uplinks: dict[str, UplinkSpec] = Field(
        default_factory=dict,
        description="Ports to outside networks, which make it a gateway",
        examples=[{"eth9": {"outside": "internet", "addresses": ["203.0.113.2"]}}],
    )
    tunnels: dict[str, TunnelSpec] = Field(
        default_factory=dict,
        description="Tunnel ports to remote sites, one of each protocol",
        examples=[{"vxlan0": {"protocol": "vxlan", "address": "192.0.2.10"}}],
    )


class LinkSpec(_Shape):
    """A cable between two switch ports, each `switch:port`."""

    kind: Literal["trunk", "core"] = Field(description="trunk: inside a segment, tagged; core: labelled")
    a: str = Field(examples=["host1:eth1"])
    b: str = Field(examples=["edgeA:eth7"])


class FabricSpec(_Shape):
    """The physical network. It replaces what was declared before."""

    mtu: int = Field(1500, ge=576, le=9216, description="MTU of the nodes, in bytes of IP")
    switches: dict[str, SwitchSpec] = Field(default_factory=dict)
    links: list[LinkSpec] = Field(default_factory=list)
    outside: dict[str, OutsideSpec] = Field(
        default_factory=dict, description="Networks that are not ours, by name: the Internet"
    )


Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]
"""What people may write as a number as well: `port: 80`."""


class TrafficSpec(_Shape):
    """One kind of frames of a traffic class. What is left out does not matter."""

    ethertype: Text | None = Field(None, description="ipv4, ipv6 or a number", examples=["ipv4", "0x88b5"])
    protocol: Text | None = Field(None, description="IP protocol, by name or number", examples=["tcp", "udp", "47"])
    port: Text | None = Field(
        None, description="A port or a range, in either direction of a connection", examples=["80", "16384-32767"]
    )
    source_port: Text | None = Field(None, description="A port or a range that it comes from", examples=["1024-65535"])
    destination_port: Text | None = Field(None, description="A port or a range that it goes to", examples=["514"])
    dscp: int | None = Field(None, ge=0, le=63, description="Code point in the IP header (RFC 2474)", examples=[46])


def _subnet(value: object) -> object:
    return {"prefix": value} if isinstance(value, str) else value


def _exit(value: object) -> object:
    return {"network": value} if isinstance(value, str) else value


class SubnetSpec(_Shape):
    """IP addresses of a network's members. A prefix alone is short for one whose first address is the router's."""

    prefix: str = Field(examples=["10.0.0.0/24"])
    gateway: str | None = Field(
        "first", description="The router's address: first, or one of the prefix; null: none", examples=["10.0.0.1"]
    )
    dns: list[str] = Field(default_factory=list, description="Servers that members are told", examples=[["9.9.9.9"]])
    dhcp: bool = Field(True, description="Whether members are told their addresses: DHCP, router advertisements")


class InterfaceBandwidthSpec(_Shape):
    """The most that an interface may send and be sent, in bits a second of whole Ethernet frames."""

    send: Text | None = Field(None, description="What it sends; absent: no limit", examples=["100M"])
    receive: Text | None = Field(None, description="What is sent to it alone; absent: no limit", examples=["1G"])


class ExitBandwidthSpec(_Shape):
    """The most that goes between a network and an outside network, in bits a second of whole Ethernet frames."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    out: Text | None = Field(None, description="What it sends there; absent: no limit", examples=["500M"])
    in_: Text | None = Field(None, alias="in", description="What comes from there; absent: no limit", examples=["1.5G"])


class ExitSpec(_Shape):
    """A network's way out. The name of an outside network alone is short for one with all that left to us."""

    network: str = Field(description="The outside network", examples=["internet"])
    gateways: list[str] = Field(
        default_factory=list,
        description="Switches that may be the gateway, the preferred one first; none: all with an uplink, by name",
        examples=[["gw1", "gw2"]],
    )
    address: str | None = Field(
        None, description="What IPv4 sources become; absent: one is chosen", examples=["203.0.113.10"]
    )
    ports: Text | None = Field(
        None, description="The ports of it that are used; absent: 4096 are chosen", examples=["20000-29999"]
    )
    prefix: str | None = Field(
        None, description="What the IPv6 prefix becomes; absent: IPv6 goes as it is", examples=["2001:db8:5:1::/64"]
    )
    bandwidth: ExitBandwidthSpec | None = Field(
        None, description="The most that all of its members send there, and are sent from there"
    )
    connections: int | None = Field(
        None, ge=1, description="How many of its connections are tracked at once; absent: as many as a network may have"
    )


class NetworkSpec(_Shape):
    """A private layer-2 broadcast domain."""

    tagged: bool = Field(False, description="Whether its nodes may send 802.1Q tags of their own")
    traffic: list[TrafficSpec] = Field(
        default_factory=list, description="The frames that it is for; none: all. ARP and neighbour discovery always are"
    )
    reserve: list[str] = Field(
        default_factory=list,
        description="Segments in which it keeps a tag whether or not a node of it is there",
        examples=[["A"]],
    )
    subnets: list[Annotated[SubnetSpec, BeforeValidator(_subnet)]] = Field(
        default_factory=list,
        description="One of IPv4 and one of IPv6 at most; members without an address there are given one",
        examples=[["10.0.0.0/24", {"prefix": "fd00:1::/64", "dns": ["fd00:1::53"]}]],
    )
    outside: Annotated[ExitSpec | None, BeforeValidator(_exit)] = Field(
        None, description="Its way to an outside network", examples=["internet"]
    )


class InterfaceSpec(_Shape):
    """One vNIC or NIC of a node."""

    mac: str | None = Field(
        None,
        description="Six pairs of hex digits; left out, it keeps what it has, or gets one by its first place",
        examples=["02:00:00:00:01:01"],
    )
    ips: list[str] = Field(
        default_factory=list,
        description="Addresses or prefixes it may send from; none: its IP addresses are not checked, its MAC is",
        examples=[["10.0.0.11", "fd00::11"]],
    )
    at: str | None = Field(None, description="The switch port it sits on", examples=["host1:vnet0"])
    site: str | None = Field(
        None, description="The tenant's remote site that it is at, in place of a port", examples=["paris"]
    )
    iface_id: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        description="What its host's database calls it in external_ids:iface-id, where that is not tenant/node or "
        "tenant/node/interface",
        examples=["8f3c1f3e-52f4-4f0b-9f3f-0d3a3f1f4b70"],
    )
    leases: list[str] = Field(
        default_factory=list,
        description="Addresses that it was given in the subnets of its networks; it keeps them as long as they suit",
        examples=[["10.0.0.2"]],
    )
    bandwidth: InterfaceBandwidthSpec | None = Field(
        None, description="The most that it may send, and be sent", examples=[{"send": "100M", "receive": "1G"}]
    )
    networks: list[str] = Field(
        default_factory=list,
        description="The networks of the same tenant that it is in; `network: X` is short for one",
        examples=[["X"]],
    )

    @model_validator(mode="before")
    @classmethod
    def _one_network(cls, value: object) -> object:
        if isinstance(value, dict) and "network" in value:
            if "networks" in value:
                raise ValueError("both network and networks are given; network: X is short for networks: [X]")
            name = value["network"]
            if name is not None and not isinstance(name, str):
                raise ValueError(f"network is {name!r}; it is the name of one network, or write networks: [X, Y]")
            rest = {key: part for key, part in value.items() if key != "network"}
            return {**rest, "networks": [] if name is None else [name]}
        return value


class NodeSpec(_Shape):
    """A virtual machine or a physical system."""

    running: bool = False
    prepared: bool = Field(
        False, description="Set everything up but its own switch, so that starting it touches that one alone"
    )
    interfaces: dict[str, InterfaceSpec] = Field(default_factory=dict)
    discovery: Literal["off", "start", "move"] = Field(
        "start",
        description="What may follow from where its host's database says that it is: nothing (off), that it runs "
        "there unless it runs elsewhere (start), or that it moves there too (move)",
    )
    unit: str | None = Field(None, description="Organisational unit, for policies", examples=["sales"])
    function: str | None = Field(None, description="What it is there for, for policies", examples=["web"])
    labels: dict[str, str] = Field(default_factory=dict, description="For policies", examples=[{"tier": "front"}])
    size: int = Field(1, ge=0, description="How much of a host's capacity it takes")
    apart: list[str] = Field(
        default_factory=list, description="Groups no two nodes of which are put on one host", examples=[["db"]]
    )


class FloatingSpec(_Shape):
    """An outside address that is one member's own, in both directions."""

    network: str = Field(description="A network of the tenant's with a way out", examples=["web"])
    inside: str = Field(description="The member's address there", examples=["10.0.0.11"])
    outside: str | None = Field(None, description="The outside network; absent: that of the network's way out")


class ForwardSpec(_Shape):
    """A port of an outside address, and whose port inside it is."""

    network: str = Field(description="A network of the tenant's with a way out", examples=["web"])
    address: str | None = Field(
        None, description="The outside address; absent: the one that the network's sources become"
    )
    protocol: Literal["tcp", "udp"] = "tcp"
    port: int = Field(ge=1, le=65535, description="The port of the outside address", examples=[8080])
    inside: str = Field(description="The member's address", examples=["10.0.0.11"])
    inside_port: int | None = Field(None, ge=1, le=65535, description="Its port; absent: the same")


class AccessSpec(_Shape):
    """Packets that may pass from one network to another, and what answers them back."""

    protocol: Text | None = Field(None, description="IP protocol, by name or number; absent: any", examples=["tcp"])
    port: Text | None = Field(None, description="The port that it is for, or a range", examples=["5432", "8000-8999"])


class RuleSpec(_Shape):
    """What may begin from one network to another."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    source: str = Field(alias="from", description="A network of the router's", examples=["web"])
    target: str = Field(alias="to", description="Another one", examples=["db"])
    allow: list[AccessSpec] = Field(default_factory=list, description="None: everything")


class RouterSpec(_Shape):
    """Routes between networks: of the tenant, and of other tenants (tenant/name) whose routers name both as well."""

    networks: list[str] = Field(description="The networks that it routes between", examples=[["web", "db"]])
    rules: list[RuleSpec] = Field(
        default_factory=list,
        description="What may begin from which network to which; answers come back. None: everything may pass",
        examples=[[{"from": "web", "to": "db", "allow": [{"protocol": "tcp", "port": "5432"}]}]],
    )


class SiteSpec(_Shape):
    """A place outside the data centre that a network extends to, over a tunnel."""

    network: str = Field(description="The network of the tenant that it extends", examples=["web"])
    protocol: Literal["vxlan", "gre"] = Field("vxlan", description="How frames are carried")
    remote: str = Field(description="The address of the tunnel's other end", examples=["198.51.100.10"])
    key: int = Field(ge=1, description="VXLAN network identifier (24 bits) or GRE key (32 bits)", examples=[5000])
    gateways: list[str] = Field(
        default_factory=list,
        description="Switches that may have the tunnel, the preferred one first; none: all with one, by name",
        examples=[["gw1", "gw2"]],
    )
    mtu: int | None = Field(
        None,
        ge=576,
        le=9216,
        description="What the way to it takes, in bytes of IP, where that is less than the tunnel port's: 1420 inside "
        "WireGuard",
    )


class TenantSpec(_Shape):
    """A tenant, with the networks and nodes to make or change. Others it has stay as they are."""

    networks: dict[str, NetworkSpec] = Field(default_factory=dict)
    nodes: dict[str, NodeSpec] = Field(default_factory=dict)
    routers: dict[str, RouterSpec] = Field(
        default_factory=dict,
        description="Routes between its networks, and to those of tenants that ask for it too",
        examples=[{"core": {"networks": ["web", "db"]}}],
    )
    floating: dict[str, FloatingSpec] = Field(
        default_factory=dict,
        description="Outside addresses that are one member's own",
        examples=[{"203.0.113.50": {"network": "web", "inside": "10.0.0.11"}}],
    )
    forwards: list[ForwardSpec] = Field(default_factory=list, description="Ports of outside addresses")
    sites: dict[str, SiteSpec] = Field(
        default_factory=dict,
        description="Remote sites, each of which one network extends to",
        examples=[{"paris": {"network": "web", "remote": "198.51.100.10", "key": 5000}}],
    )


class Intent(_Shape):
    """A whole intent: what a file of `vnet apply` holds."""

    fabric: FabricSpec | None = None
    policies: dict[str, PolicySpec] | None = Field(
        None, description="All policies, as the fabric is all of it: others are deleted. Left out, they stay"
    )
    tenants: dict[str, TenantSpec] = Field(default_factory=dict)


class MoveSpec(_Shape):
    """Where a node that runs moves to: the switch port of each interface that does."""

    to: dict[str, str] = Field(default_factory=dict, examples=[{"eth0": "host2:vnet0"}])
    now: bool = Field(False, description="It is there already: everybody sends there from now on")


class GatewayMoveSpec(_Shape):
    """Which of its gateways a network is to go out by."""

    to: str = Field(description="A switch with an uplink to its outside network", examples=["gw2"])


class StartSpec(_Shape):
    """Where a node starts: the switch port of each interface, or the switch alone, for those whose place is to be set
    or changed. Where a port is not given it is named, and where nothing is given and there is no place, one is chosen.
    """

    at: dict[str, str] = Field(default_factory=dict, examples=[{"eth0": "host1:vnet0"}, {"eth0": "host1"}])
