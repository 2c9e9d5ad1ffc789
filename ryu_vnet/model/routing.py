"""Routers: which networks of tenants are routed between, and what may pass.

A router is a tenant's. It routes between networks of its own, and between one of its own and one of another tenant's
where that tenant has a router that names both as well. What may pass is said by rules; without one, all may.

Rules say who may begin. What answers is let back without being remembered: of TCP whatever acknowledges something, of
UDP whatever comes from the port, of ICMP replies and errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations

from .traffic import Ports


@dataclass(frozen=True, slots=True, order=True)
class Access:
    """What may pass: an IP protocol, to one of `ports` (TCP, UDP, SCTP); None: any.

    Protocol 1 means ICMP of either version of IP.
    """

    protocol: int = 0
    """0: any."""
    ports: Ports = (0, 0xFFFF)

    def common(self, other: Access) -> Access | None:
        """What both let pass; None where that is nothing."""
        if self.protocol and other.protocol and self.protocol != other.protocol:
            return None
        first, last = max(self.ports[0], other.ports[0]), min(self.ports[1], other.ports[1])
        return Access(self.protocol or other.protocol, (first, last)) if first <= last else None


EVERYTHING = Access()


@dataclass(frozen=True, slots=True)
class Rule:
    """From one network to another, by reference, this may begin."""

    source: str
    target: str
    access: tuple[Access, ...]


@dataclass(frozen=True, slots=True)
class Router:
    """Networks, by reference, between which a tenant has its frames routed. Without rules everything may pass."""

    tenant: str
    name: str
    networks: tuple[str, ...]
    rules: tuple[Rule, ...] = ()

    @property
    def ref(self) -> str:
        """`tenant/name`."""
        return f"{self.tenant}/{self.name}"

    def access(self, source: str, target: str) -> set[Access]:
        """What may begin from a network to another, both of which it has."""
        if not self.rules:
            return {EVERYTHING}
        return {each for rule in self.rules if (rule.source, rule.target) == (source, target) for each in rule.access}


class Routing:
    """What all routers together let pass. Changes by `change` alone."""

    def __init__(self, routers: Iterable[Router] = ()) -> None:
        self._routers: dict[str, Router] = {}
        self._naming: dict[str, set[str]] = {}
        """By network: the routers that name it."""
        for router in routers:
            self.change(None, router)

    def change(self, old: Router | None, new: Router | None) -> set[str]:
        """A router is another now. Returns the networks that it named or names."""
        concerned: set[str] = set()
        for router in (old, new):
            for network in router.networks if router is not None else ():
                concerned.add(network)
        if old is not None:
            del self._routers[old.ref]
            for network in old.networks:
                self._naming[network].discard(old.ref)
        if new is not None:
            self._routers[new.ref] = new
            for network in new.networks:
                self._naming.setdefault(network, set()).add(new.ref)
        return concerned

    @property
    def routers(self) -> list[Router]:
        """All routers, by reference."""
        return [router for _, router in sorted(self._routers.items())]

    def naming(self, network: str) -> list[Router]:
        """The routers that name a network, whoever has them, by reference."""
        return [self._routers[ref] for ref in sorted(self._naming.get(network, ()))]

    def partners(self, network: str) -> tuple[str, ...]:
        """The networks that a network is routed to or from, by reference, in order."""
        named = {other for ref in self._naming.get(network, ()) for other in self._routers[ref].networks}
        return tuple(sorted(other for other in named - {network} if self._sides(network, other) is not None))

    def between(self, one: str, other: str) -> list[Router]:
        """The routers by which two networks are routed, by reference; none where they are not."""
        sides = self._sides(one, other) or []
        return sorted((router for side in sides for router in side), key=lambda router: router.ref)

    def access(self, source: str, target: str) -> tuple[Access, ...]:
        """What may begin from a network to another; nothing where they are not routed."""
        sides = self._sides(source, target)
        if sides is None:
            return ()
        found = [{each for router in side for each in router.access(source, target)} for side in sides]
        common = found[0]
        for other in found[1:]:
            both = (one.common(each) for one in common for each in other)
            common = {each for each in both if each is not None}
        return (EVERYTHING,) if EVERYTHING in common else tuple(sorted(common))

    def _sides(self, one: str, other: str) -> list[list[Router]] | None:
        """The routers that name both networks, of each tenant whose they are; None where one of these has none."""
        refs = self._naming.get(one, set()) & self._naming.get(other, set())
        sides = []
        for tenant in sorted({ref.partition("/")[0] for ref in (one, other)}):
            side = [self._routers[ref] for ref in sorted(refs) if self._routers[ref].tenant == tenant]
            if not side:
                return None
            sides.append(side)
        return sides


def pairs(routing: Routing, networks: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Which of these networks are routed to which, each way by itself."""
    for one, other in permutations(sorted(networks), 2):
        if other in routing.partners(one):
            yield one, other
