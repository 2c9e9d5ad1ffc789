"""Lists that each tenant has one of, read as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import NotFound

if TYPE_CHECKING:
    from ..client import Client

Json = dict[str, Any]


class Read(Protocol):
    """Reads a list of a tenant."""

    def __call__(self, tenant: str, *, limit: int | None, after: str | None) -> list[Json]: ...


def of_tenants(client: Client, tenant: str | None, after: str | None, most: int | None, read: Read) -> list[Json]:
    """What a list has of one tenant, or of all one after the other: `most` of it and one more, if there is more.

    `after` is an entry, by name or by reference, or a tenant: the list goes on with what comes after it.
    """
    wanted = None if most is None else most + 1
    found: list[Json] = []
    for name, start in _starts(client, tenant, after):
        try:
            found += read(name, limit=None if wanted is None else wanted - len(found), after=start)
        except NotFound:
            # One that vanished since it was listed has nothing.
            if tenant is not None:
                raise
        if wanted is not None and len(found) >= wanted:
            break
    return found


def _starts(client: Client, tenant: str | None, after: str | None) -> Iterator[tuple[str, str | None]]:
    """The tenants to ask about, and after which name of theirs."""
    if tenant is not None:
        yield tenant, after.rpartition("/")[2] if after else None
        return
    first, slash, name = (after or "").partition("/")
    if slash:
        yield first, name
    yield from ((found["name"], None) for found in client.each_tenant(after=first or None))


def ref(found: Json) -> str:
    return f"{found['tenant']}/{found['name']}"
