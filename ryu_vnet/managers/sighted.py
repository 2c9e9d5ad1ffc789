"""All that the databases of hosts say now of who is behind which port, by identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from .sightings import Change, Place, Sighting

Identity: TypeAlias = str | int
"""An `iface-id`, or a MAC address."""
Spot: TypeAlias = tuple[str, Place]
"""Which database says it, and where it is there."""


@dataclass(slots=True)
class Sighted:
    """Changes by what databases say of what differs. What one has said holds while it is away."""

    by_database: dict[str, dict[Place, Sighting]] = field(default_factory=dict)
    """Only those that have told all that they have."""
    _by_identity: dict[Identity, set[Spot]] = field(default_factory=dict)

    def take(self, database: str, change: Change) -> Iterator[Sighting]:
        """Take in what differs in a database, and give all sightings that are or were concerned."""
        known = self.by_database.setdefault(database, {})
        for place in change.went:
            if (gone := known.pop(place, None)) is not None:
                self._forget(gone, (database, place))
                yield gone
        for place, new in {**change.came, **change.changed}.items():
            if (old := known.get(place)) is not None:
                self._forget(old, (database, place))
                yield old
            known[place] = new
            for identity in _identities(new):
                self._by_identity.setdefault(identity, set()).add((database, place))
            yield new

    def drop(self, database: str) -> None:
        """A database is not asked any more: what it has said is neither so nor not so."""
        for place, sighting in self.by_database.pop(database, {}).items():
            self._forget(sighting, (database, place))

    def of(self, identity: Identity) -> Iterator[tuple[str, Sighting]]:
        """Who has said something of an identity, and what; in no order."""
        for database, place in self._by_identity.get(identity, ()):
            yield database, self.by_database[database][place]

    def __bool__(self) -> bool:
        return bool(self._by_identity)

    def _forget(self, sighting: Sighting, spot: Spot) -> None:
        for identity in _identities(sighting):
            spots = self._by_identity[identity]
            spots.discard(spot)
            if not spots:
                del self._by_identity[identity]


def _identities(sighting: Sighting) -> Iterator[Identity]:
    if sighting.iface_id is not None:
        yield sighting.iface_id
    if sighting.mac is not None:
        yield sighting.mac


def said_of(databases: Mapping[str, Mapping[Place, Sighting]]) -> Iterator[tuple[str, Sighting]]:
    """Everything that is said, by database and place."""
    for database, sightings in sorted(databases.items()):
        for _, sighting in sorted(sightings.items()):
            yield database, sighting
