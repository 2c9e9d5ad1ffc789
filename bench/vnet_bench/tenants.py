"""Tenants for a fabric of any size: networks whose members are on several hosts of several segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from itertools import cycle
from random import Random

from ryu_vnet.schema import FabricSpec, InterfaceSpec, NetworkSpec, NodeSpec, TenantSpec

from .bridges import access_port, hosts_of

TAGS = 4094
"""Networks that one segment has tags for."""
FIRST_MAC = 0x02_00_00_00_00_00
FIRST_IPV4 = IPv4Address("10.0.0.0")
FIRST_IPV6 = IPv6Address("fd00::")


def tenants(
    fabric: FabricSpec,
    nodes: int,
    networks: int,
    *,
    seed: int = 0,
    segments_per_network: int = 3,
    networks_per_tenant: int = 10,
    ipv6: bool = False,
    own_macs: bool = False,
) -> dict[str, TenantSpec]:
    """`nodes` running nodes with an interface each, in `networks` networks of equal size (one member more or less).

    A network has its members in `segments_per_network` segments, chosen at random, as evenly as they come; there they
    go from host to host, so every host of a segment has as many nodes as its neighbours (one more or less), on its
    access ports 0, 1, 2, .... MAC addresses are left to the controller, which chooses them by place, unless nodes have
    their `own_macs`; IP addresses begin with 10.0.0.1 (and fd00::1 with `ipv6`) in every network. The same arguments
    give the same tenants.

    Raises ValueError where there is no host, or where a segment would have more networks than there are tags.
    """
    hosts = hosts_of(fabric)
    if not hosts or not 0 < networks <= nodes:
        raise ValueError(f"{nodes} nodes in {networks} networks on {sum(map(len, hosts.values()))} hosts")
    random = Random(seed)
    turns = {segment: cycle(random.sample(names, len(names))) for segment, names in hosts.items()}
    hands = _hands(sorted(hosts), min(segments_per_network, len(hosts)), random)
    used = dict.fromkeys((name for names in hosts.values() for name in names), 0)
    carried = dict.fromkeys(hosts, 0)
    found: dict[str, TenantSpec] = {}
    number = 0
    for index in range(networks):
        segments = next(hands)
        members = nodes // networks + (index < nodes % networks)
        for segment in segments[:members]:
            carried[segment] += 1
        tenant = found.setdefault(
            f"t{index // networks_per_tenant + 1}", TenantSpec.model_construct(networks={}, nodes={})
        )
        name = f"n{index + 1}"
        tenant.networks[name] = NetworkSpec.model_construct(tagged=False)
        for member in range(members):
            host = next(turns[segments[member % len(segments)]])
            place = f"{host}:{access_port(host, used[host])}"
            used[host] += 1
            number += 1
            tenant.nodes[f"vm{number}"] = _node(number if own_macs else None, member + 1, place, name, ipv6)
    _check_tags(carried)
    return found


def _node(number: int | None, member: int, place: str, network: str, ipv6: bool) -> NodeSpec:
    """The `member`th node of a network; with the `number`th MAC address of its own, or none."""
    ips = [str(FIRST_IPV4 + member)] + ([str(FIRST_IPV6 + member)] if ipv6 else [])
    mac = (FIRST_MAC + number).to_bytes(6, "big").hex(":") if number is not None else None
    interface = InterfaceSpec.model_construct(mac=mac, ips=ips, at=place, networks=[network])
    return NodeSpec.model_construct(running=True, interfaces={"eth0": interface})


def _hands(cards: Sequence[str], size: int, random: Random) -> Iterator[list[str]]:
    """Deals `size` different cards again and again; all cards are dealt before any comes anew."""
    deck: list[str] = []
    while True:
        if len(deck) < size:
            rest = [card for card in cards if card not in deck]
            deck = random.sample(rest, len(rest)) + deck
        yield deck[-size:][::-1]
        del deck[-size:]


def _check_tags(carried: dict[str, int]) -> None:
    segment, most = max(carried.items(), key=lambda item: item[1])
    if most > TAGS:
        raise ValueError(
            f"segment {segment} would have {most} networks, and has tags for {TAGS}: take fewer networks, more "
            f"segments, or fewer segments for each network"
        )
