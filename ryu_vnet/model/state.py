"""The model: all values by key, and a draft of it on which a request is tried before it is kept.

A draft sees the model with its own changes on top and costs what it changes, not what there is. When the store has
the changes, `Model.keep` takes them over; a refused draft is simply dropped.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from typing import TypeAlias, TypeVar

from .hosted import Hosted
from .names import format_mac
from .outside import ZONES, Address, Floating, Forward, Gateway, NextHop, Unflushed
from .policy.rules import Policy, in_order
from .routing import Router, Routing
from .sites import Site
from .values import (
    LABELS,
    Combination,
    Counters,
    Interface,
    Network,
    Node,
    Place,
    Resting,
    TagGrant,
    Tenant,
    Value,
    key_of,
    tag_space,
)

Claim: TypeAlias = tuple[str, ...]
"""Something that only one interface may have: ("port", switch, port), ("mac", network, address), ("iface-id", text)."""
Shared: TypeAlias = tuple[str, ...]
"""The references, sorted, of several networks that some interface is in at once."""

V = TypeVar("V", bound=Value)


@dataclass(frozen=True, slots=True)
class Member:
    """An interface together with the node that it belongs to."""

    node: Node
    interface: Interface

    def __str__(self) -> str:
        return f"{self.node.ref} {self.interface.name}"


def claims(node: Node) -> Iterator[tuple[Claim, Interface]]:
    """What the interfaces of a node claim for themselves alone."""
    for interface in node.interfaces:
        # Those at a site share its port.
        for place in (interface.place, interface.target) if interface.site is None else ():
            if place is not None:
                yield ("port", place.switch, place.port), interface
        if interface.iface_id is not None:
            yield ("iface-id", interface.iface_id), interface
        if interface.known_mac is not None:
            for network in node.networks_of(interface):
                yield ("mac", network, format_mac(interface.known_mac)), interface


class _Values:
    """Values by key, with indexes: of keys by what they start with, of members, of claims, of identifiers in use."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.folders: dict[str, dict[str, set[str]]] = {}
        """Keys by kind, then by what stands up to the last slash."""
        self.ordered: dict[str, list[str]] = {}
        """The keys of each folder of which a part was asked for, sorted: 100,000 take 30 ms once, and then 20 us at a
        change. To find the next hundred of a set without an order would take 20 ms each time."""
        self.claimants: dict[Claim, set[str]] = {}
        self.members: dict[str, set[str]] = {}
        self.shared: dict[Shared, set[str]] = {}
        """The nodes that have an interface in just these networks, of which there are several."""
        self.beside: dict[str, set[Shared]] = {}
        """By network: with which others somebody is in it."""
        self.ending: dict[str, set[str]] = {}
        """By network: the keys of the combinations of which it is the last."""
        self.routing = Routing()
        self.let_in: dict[str, set[str]] = {}
        """By network: the keys of what comes in to it from outside."""
        self.holders: dict[tuple[str, Address], set[str]] = {}
        """By outside network and address: the keys of what has or uses it."""
        self.macs: dict[int, set[str]] = {}
        """Who has each MAC address."""
        self.at_site: dict[str, set[str]] = {}
        """By the reference of a site: the nodes that have an interface there."""
        self.sites: dict[str, set[str]] = {}
        """By the reference of a network: the keys of the sites that it extends to."""
        self.hosted = Hosted()
        self.used: dict[str, dict[int, set[str]]] = {}
        """By space: the keys that an identifier is granted or rests under."""
        self.resting: dict[tuple[str, int], set[str]] = {}
        """By space and network: the keys of what rests."""
        self.passed: dict[str, int] = {}
        """By space: of all identifiers below it is known that they are used, or `freed`, as far as they may be."""
        self.freed: dict[str, list[int]] = {}
        """By space: those below that are not used, in ascending order."""

    def put(self, key: str, value: Value | None) -> None:
        old = self.values.pop(key, None)
        if old is not None:
            self._index(old, key, add=False)
        if value is not None:
            self.values[key] = value
            self._index(value, key, add=True)
        if (old is None) != (value is None):
            folder = key.rpartition("/")[0]
            folders = self.folders.setdefault(key.partition("/")[0], {})
            _change(folders, folder, key, add=value is not None)
            ordered = self.ordered.get(folder)
            if ordered is not None:
                self._order(folder, ordered, key, add=value is not None)

    def _order(self, folder: str, ordered: list[str], key: str, *, add: bool) -> None:
        if add:
            insort(ordered, key)
        elif len(ordered) > 1:
            del ordered[bisect_left(ordered, key)]
        else:
            del self.ordered[folder]

    def following(self, folder: str, after: str, most: int) -> list[str]:
        ordered = self.ordered.get(folder)
        if ordered is None:
            keys = self.folders.get(folder.partition("/")[0], {}).get(folder, set())
            if not keys:
                return []
            ordered = self.ordered[folder] = sorted(keys)
        first = bisect_right(ordered, after)
        return ordered[first : first + most]

    def _index(self, value: Value, key: str, *, add: bool) -> None:
        match value:
            case Node():
                self._index_node(value, key, add=add)
            case Network():
                self._index_identifier(LABELS, value.number, key, add=add)
            case Combination():
                self._index_identifier(LABELS, value.number, key, add=add)
                _change(self.ending, value.last, key, add=add)
            case TagGrant():
                self._index_identifier(tag_space(value.segment), value.tag, key, add=add)
            case Router():
                self.routing.change(*((None, value) if add else (value, None)))
            case Gateway():
                self._index_identifier(ZONES, value.zone, key, add=add)
                if value.address is not None:
                    _change(self.holders, (value.outside, value.address), key, add=add)
            case Floating() | Forward():
                _change(self.let_in, value.ref, key, add=add)
                _change(self.holders, (value.outside, value.address), key, add=add)
            case Site():
                _change(self.sites, value.network_ref, key, add=add)
            case Resting():
                self._index_identifier(value.space, value.identifier, key, add=add)
                _change(self.resting, (value.space, value.network), key, add=add)

    def _index_node(self, node: Node, key: str, *, add: bool) -> None:
        self.hosted.count(node, 1 if add else -1)
        for claim, _ in claims(node):
            _change(self.claimants, claim, key, add=add)
        for interface in node.interfaces:
            networks = node.networks_of(interface)
            for network in networks:
                _change(self.members, network, key, add=add)
            if len(networks) > 1:
                self._index_shared(tuple(networks), key, add=add)
            if interface.known_mac is not None:
                _change(self.macs, interface.known_mac, key, add=add)
            if interface.site is not None:
                _change(self.at_site, f"{node.tenant}/{interface.site}", key, add=add)

    def _index_shared(self, networks: Shared, key: str, *, add: bool) -> None:
        _change(self.shared, networks, key, add=add)
        if (networks in self.shared) == add:
            for network in networks:
                beside = self.beside.setdefault(network, set())
                (beside.add if add else beside.discard)(networks)
                if not beside:
                    del self.beside[network]

    def _index_identifier(self, space: str, identifier: int, key: str, *, add: bool) -> None:
        used = self.used.setdefault(space, {})
        _change(used, identifier, key, add=add)
        if identifier < self.passed.get(space, 0):
            freed = self.freed.setdefault(space, [])
            place = bisect_left(freed, identifier)
            is_freed = freed[place : place + 1] == [identifier]
            if identifier not in used and not is_freed:
                freed.insert(place, identifier)
            elif identifier in used and is_freed:
                del freed[place]

    def first_free(self, space: str, first: int) -> int:
        freed = self.freed.get(space, [])
        place = bisect_left(freed, first)
        if place < len(freed):
            return freed[place]
        passed, used = self.passed.get(space, first), self.used.get(space, {})
        candidate = max(first, passed)
        while candidate in used:
            candidate += 1
        if first <= passed:
            self.passed[space] = candidate
        return candidate


K = TypeVar("K")


def _change(index: dict[K, set[str]], where: K, key: str, *, add: bool) -> None:
    entry = index.setdefault(where, set())
    if add:
        entry.add(key)
    else:
        entry.discard(key)
        if not entry:
            del index[where]


def _summed(base: Mapping[str, int], more: Mapping[str, int], less: Mapping[str, int]) -> Mapping[str, int]:
    """Counts with some more and some less, those that come to 0 left out."""
    found = {**base}
    for key in {**more, **less}:
        count = found.pop(key, 0) + more.get(key, 0) - less.get(key, 0)
        if count:
            found[key] = count
    return found


class Model:
    """Everything that was asked for and granted. Read it through the methods; it changes by `keep` alone."""

    def __init__(self, values: Iterable[Value] = ()) -> None:
        self._all = _Values()
        for value in values:
            self._all.put(key_of(value), value)

    def keep(self, changes: dict[str, Value | None]) -> None:
        """Take over the changes of a draft."""
        for key, value in changes.items():
            self._all.put(key, value)

    # What drafts override.

    def get(self, key: str) -> Value | None:
        """The value under a key."""
        return self._all.values.get(key)

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self._all.values)

    def values(self) -> Iterable[Value]:
        """All values, in no order."""
        return self._all.values.values()

    def keys(self, prefix: str) -> list[str]:
        """All keys that start so, sorted. `prefix` is nothing, or ends with a slash."""
        return sorted(self._keys(prefix))

    def following(self, folder: str, after: str, most: int) -> list[str]:
        """The first keys of a folder (`tenant`, `node/red`) that come after a key, which need not be there: sorted, and
        `most` of them at most. Costs what it gives, and not what there is."""
        return self._all.following(folder, after, most)

    def count(self, folder: str) -> int:
        """How many keys a folder has."""
        return len(self._all.folders.get(folder.partition("/")[0], {}).get(folder, ()))

    def _keys(self, prefix: str) -> Iterator[str]:
        kind, _, rest = prefix.partition("/")
        kinds = [self._all.folders.get(kind, {})] if prefix else self._all.folders.values()
        for folders in kinds:
            for keys in folders.values() if not rest else [folders.get(prefix[:-1], set())]:
                yield from keys

    def is_used(self, space: str, identifier: int) -> bool:
        """Whether an identifier of a space (`LABELS`, or a segment's tags) is granted or rests."""
        return identifier in self._all.used.get(space, ())

    def has_mac(self, mac: int) -> bool:
        """Whether an interface has this MAC."""
        return mac in self._all.macs

    def having_mac(self, mac: int) -> set[str]:
        """The keys of the nodes that have an interface with this MAC."""
        return self._all.macs.get(mac, set())

    def first_free(self, space: str, first: int) -> int:
        """The first identifier of a space, from `first` on, that is not used. Remembers how far it has looked."""
        return self._all.first_free(space, first)

    def resting_of(self, space: str, network: int) -> Resting | None:
        """The identifier of a space that rests and that this network, by number, had."""
        for key in self._all.resting.get((space, network), ()):
            return self._typed(key, Resting)
        return None

    def claimants(self, claim: Claim) -> set[str]:
        """The keys of the nodes that claim something."""
        return self._all.claimants.get(claim, set())

    def member_nodes(self, network: str) -> set[str]:
        """The keys of the nodes that have an interface in a network, by its reference."""
        return self._all.members.get(network, set())

    def has_members(self, network: str) -> bool:
        """Whether some node has an interface in a network, by its reference. Costs little also where very many do."""
        return network in self._all.members

    def sharing(self, networks: Shared) -> set[str]:
        """The keys of the nodes that have an interface in just these networks, of which there are several."""
        return self._all.shared.get(networks, set())

    def shared_with(self, network: str) -> set[Shared]:
        """With which others interfaces are in a network, by its reference: that network among them."""
        return self._all.beside.get(network, set())

    def _ending(self, network: str) -> set[str]:
        return self._all.ending.get(network, set())

    def _holders(self, where: tuple[str, Address]) -> set[str]:
        return self._all.holders.get(where, set())

    def _let_in(self, network: str) -> set[str]:
        return self._all.let_in.get(network, set())

    def nodes_at(self, site: str) -> set[str]:
        """The keys of the nodes that have an interface at a site, by its reference."""
        return self._all.at_site.get(site, set())

    def _extending(self, network: str) -> set[str]:
        return self._all.sites.get(network, set())

    def taken(self) -> Mapping[str, int]:
        """How much of each switch the nodes take that have a place there, running or not, in units of size."""
        return self._all.hosted.taken

    def kept_apart(self, group: str) -> Mapping[str, int]:
        """By switch: how many nodes of an anti-affinity group, `tenant/group`, have a place there, running or not."""
        return self._all.hosted.apart.get(group, {})

    # The rest is the same for both.

    def _typed(self, key: str, kind: type[V]) -> V | None:
        value = self.get(key)
        return value if isinstance(value, kind) else None

    def _every(self, prefix: str, kind: type[V]) -> list[V]:
        found = (self.get(key) for key in self.keys(prefix))
        return [value for value in found if isinstance(value, kind)]

    def tenant(self, name: str) -> Tenant | None:
        """A tenant by name."""
        return self._typed(f"tenant/{name}", Tenant)

    def network(self, ref: str) -> Network | None:
        """A network by reference."""
        return self._typed(f"network/{ref}", Network)

    def combination(self, ref: str) -> Combination | None:
        """A combination of networks by reference."""
        return self._typed(f"combination/{ref}", Combination)

    def combinations(self) -> list[Combination]:
        """All combinations of networks, by reference."""
        return self._every("combination/", Combination)

    def combinations_ending(self, network: str) -> list[Combination]:
        """The combinations of which a network, by reference, is the last; by reference."""
        found = (self._typed(key, Combination) for key in sorted(self._ending(network)))
        return [combination for combination in found if combination is not None]

    def node(self, ref: str) -> Node | None:
        """A node by reference."""
        return self._typed(f"node/{ref}", Node)

    def tenants(self) -> list[Tenant]:
        """All tenants, by name."""
        return self._every("tenant/", Tenant)

    def networks(self, tenant: str | None = None) -> list[Network]:
        """All networks, or those of a tenant, by reference."""
        return self._every(f"network/{tenant}/" if tenant else "network/", Network)

    def nodes(self, tenant: str | None = None) -> list[Node]:
        """All nodes, or those of a tenant, by reference."""
        return self._every(f"node/{tenant}/" if tenant else "node/", Node)

    def router(self, ref: str) -> Router | None:
        """A router by reference."""
        return self._typed(f"router/{ref}", Router)

    def routers(self, tenant: str | None = None) -> list[Router]:
        """All routers, or those of a tenant, by reference."""
        return self._every(f"router/{tenant}/" if tenant else "router/", Router)

    @property
    def routing(self) -> Routing:
        """What all routers together let pass; for reading."""
        return self._all.routing

    def gateway(self, ref: str) -> Gateway | None:
        """The gateway of a network by reference."""
        return self._typed(f"gateway/{ref}", Gateway)

    def gateways(self) -> list[Gateway]:
        """All gateways, by the reference of the network."""
        return self._every("gateway/", Gateway)

    def floating(self, outside: str, address: object) -> Floating | None:
        """Whose own an outside address is."""
        return self._typed(f"floating/{outside}/{address}", Floating)

    def holding(self, outside: str, address: Address) -> list[Gateway | Floating | Forward]:
        """What has an outside address, or ports of it, or is reached by it; by key."""
        found = (self.get(key) for key in sorted(self._holders((outside, address))))
        return [value for value in found if isinstance(value, Gateway | Floating | Forward)]

    def let_in(self, ref: str) -> list[Floating | Forward]:
        """What comes in to a network, by reference, from outside; by key."""
        found = (self.get(key) for key in sorted(self._let_in(ref)))
        return [value for value in found if isinstance(value, Floating | Forward)]

    def floatings(self, outside: str) -> list[Floating]:
        """All floating addresses of an outside network, by key."""
        return self._every(f"floating/{outside}/", Floating)

    def next_hops(self) -> list[NextHop]:
        """All outside routers that have said where they are, by switch, port and address."""
        return self._every("nexthop/", NextHop)

    def site(self, ref: str) -> Site | None:
        """A site by reference."""
        return self._typed(f"site/{ref}", Site)

    def sites(self, tenant: str | None = None) -> list[Site]:
        """All sites, or those of a tenant, by reference."""
        return self._every(f"site/{tenant}/" if tenant else "site/", Site)

    def sites_of(self, network: str) -> list[Site]:
        """The sites that a network, by its reference, extends to, by reference."""
        found = (self._typed(key, Site) for key in sorted(self._extending(network)))
        return [site for site in found if site is not None]

    def unflushed(self, switch: str | None = None) -> list[Unflushed]:
        """Conntrack zones, of a switch or of all, in which there may be connections of a router that has left."""
        return self._every(f"unflushed/{switch}/" if switch else "unflushed/", Unflushed)

    def policy(self, name: str) -> Policy | None:
        """A policy by name."""
        return self._typed(f"policy/{name}", Policy)

    def policies(self) -> list[Policy]:
        """All policies, in the order in which they are asked."""
        return in_order(self._every("policy/", Policy))

    def grant(self, segment: str, network: int) -> TagGrant | None:
        """The tag of a network, by number, in a segment."""
        return self._typed(f"grant/{segment}/{network:07d}", TagGrant)

    def grants(self, segment: str | None = None) -> list[TagGrant]:
        """All tags, or those of a segment, by segment and network number."""
        return self._every(f"grant/{segment}/" if segment else "grant/", TagGrant)

    def resting(self, space: str | None = None) -> list[Resting]:
        """All identifiers that rest, or those of a space."""
        return self._every(f"resting/{space}/" if space else "resting/", Resting)

    def counters(self) -> Counters:
        """The counters; all at their start in an empty model."""
        return self._typed("counters", Counters) or Counters()

    def members(self, network: str, after: tuple[str, str] = ("", ""), most: int | None = None) -> list[Member]:
        """The interfaces in a network, running or not, by node and name: those that come after the key of a node and
        the name of an interface, and `most` of them at most."""
        keys = (key for key in self.member_nodes(network) if key >= after[0])
        # Of each node at least one; those of the node at which it goes on may all have been told.
        nodes = ((key, self._typed(key, Node)) for key in (sorted(keys) if most is None else nsmallest(most + 1, keys)))
        found = [
            Member(node, interface)
            for key, node in nodes
            if node is not None
            for interface in node.interfaces
            if network in node.networks_of(interface) and (key != after[0] or interface.name > after[1])
        ]
        return found[:most]

    def at(self, place: Place) -> Member | None:
        """The interface on a switch port, or that will be there when it has moved."""
        for key in sorted(self.claimants(("port", place.switch, place.port))):
            node = self._typed(key, Node)
            for interface in node.interfaces if node else ():
                if node is not None and place in (interface.place, interface.target):
                    return Member(node, interface)
        return None


class Draft(Model):
    """A model with changes on top that are not kept yet."""

    def __init__(self, base: Model) -> None:
        super().__init__()
        self._base = base
        self.changes: dict[str, Value | None] = {}
        self.touched: set[str] = set()
        """The keys that were put or deleted, whether or not that changed anything."""
        self._replaced = Hosted()
        """What the nodes take in the base that are others here."""

    def put(self, value: Value) -> None:
        """Add or replace a value. What is the same already is no change."""
        self._set(key_of(value), value)

    def delete(self, value: Value) -> None:
        """Remove a value."""
        self._set(key_of(value), None)

    def _set(self, key: str, value: Value | None) -> None:
        self.touched.add(key)
        old = self._base.get(key)
        stays = old == value
        if isinstance(old, Node) and stays == (key in self.changes):
            self._replaced.count(old, -1 if stays else 1)
        if stays:
            self.changes.pop(key, None)
            self._all.put(key, None)
        else:
            self.changes[key] = value
            self._all.put(key, value)

    def get(self, key: str) -> Value | None:
        return self.changes[key] if key in self.changes else self._base.get(key)

    def _keys(self, prefix: str) -> Iterator[str]:
        yield from (key for key in self._base._keys(prefix) if key not in self.changes)
        yield from super()._keys(prefix)

    def following(self, folder: str, after: str, most: int) -> list[str]:
        return [key for key in self.keys(f"{folder}/") if key > after][:most]

    def count(self, folder: str) -> int:
        return len(self.keys(f"{folder}/"))

    def is_used(self, space: str, identifier: int) -> bool:
        return super().is_used(space, identifier) or self._base.is_used(space, identifier)

    def has_mac(self, mac: int) -> bool:
        return super().has_mac(mac) or self._base.has_mac(mac)

    def having_mac(self, mac: int) -> set[str]:
        return super().having_mac(mac) | self._unchanged(self._base.having_mac(mac))

    def first_free(self, space: str, first: int) -> int:
        # What a draft gives back rests: nothing that is used without the draft is free with it.
        candidate = self._base.first_free(space, first)
        while self.is_used(space, candidate):
            candidate += 1
        return candidate

    def resting_of(self, space: str, network: int) -> Resting | None:
        known = self._base.resting_of(space, network)
        return known if known is not None and key_of(known) not in self.changes else super().resting_of(space, network)

    def claimants(self, claim: Claim) -> set[str]:
        return self._all.claimants.get(claim, set()) | self._unchanged(self._base.claimants(claim))

    def member_nodes(self, network: str) -> set[str]:
        return self._all.members.get(network, set()) | self._unchanged(self._base.member_nodes(network))

    def has_members(self, network: str) -> bool:
        return super().has_members(network) or any(key not in self.changes for key in self._base.member_nodes(network))

    def sharing(self, networks: Shared) -> set[str]:
        return super().sharing(networks) | self._unchanged(self._base.sharing(networks))

    def shared_with(self, network: str) -> set[Shared]:
        known = {shared for shared in self._base.shared_with(network) if self._unchanged(self._base.sharing(shared))}
        return super().shared_with(network) | known

    def _ending(self, network: str) -> set[str]:
        return super()._ending(network) | self._unchanged(self._base._ending(network))

    @property
    def routing(self) -> Routing:
        is_other = any(key.startswith("router/") for key in self.changes)
        return Routing(self.routers()) if is_other else self._base.routing

    def _holders(self, where: tuple[str, Address]) -> set[str]:
        return super()._holders(where) | self._unchanged(self._base._holders(where))

    def _let_in(self, network: str) -> set[str]:
        return super()._let_in(network) | self._unchanged(self._base._let_in(network))

    def nodes_at(self, site: str) -> set[str]:
        return super().nodes_at(site) | self._unchanged(self._base.nodes_at(site))

    def _extending(self, network: str) -> set[str]:
        return super()._extending(network) | self._unchanged(self._base._extending(network))

    def taken(self) -> Mapping[str, int]:
        return _summed(self._base.taken(), super().taken(), self._replaced.taken)

    def kept_apart(self, group: str) -> Mapping[str, int]:
        return _summed(self._base.kept_apart(group), super().kept_apart(group), self._replaced.apart.get(group, {}))

    def _unchanged(self, keys: set[str]) -> set[str]:
        return {key for key in keys if key not in self.changes}
