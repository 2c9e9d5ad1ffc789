"""What the policies of a topology file say, read once more and apart from the controller.

As much of their language as the files use: patterns for tenant, unit, function and node; networks by name; `final`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

KNOWN: Final = frozenset({"order", "match", "networks", "final"})


def given(policies: Mapping[str, Any], tenant: str, node: str, body: Mapping[str, Any]) -> Iterator[str]:
    """The networks that policies give to the interfaces of a node. Raises ValueError for one that is not understood."""
    traits = {"tenant": tenant, "node": node, "unit": body.get("unit"), "function": body.get("function")}
    for name, policy in sorted(policies.items(), key=lambda item: item[1]["order"]):
        match = policy.get("match") or {}
        if unknown := {*policy} - KNOWN | {*match} - {*traits}:
            raise ValueError(f"policy {name!r}: {', '.join(sorted(unknown))} is not understood here")
        if all(fnmatchcase(traits[key] or "", pattern) for key, pattern in match.items()):
            yield from policy["networks"]
            if policy.get("final"):
                return
