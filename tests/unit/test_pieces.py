"""A large intent that is checked in pieces is the intent that it is when it is checked at once."""

from __future__ import annotations

from typing import Any

import pytest
from figure_system import figure
from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_vnet.api.pieces import NODES_AT_ONCE, in_pieces
from ryu_vnet.schema import Intent

SIZES = st.sampled_from([0, 1, 3, NODES_AT_ONCE // 2, NODES_AT_ONCE, 2 * NODES_AT_ONCE + 1])


def fields_set(intent: Intent) -> Any:
    return {name: (tenant.model_fields_set, len(tenant.nodes)) for name, tenant in intent.tenants.items()}


@settings(max_examples=30)
@given(st.lists(st.tuples(SIZES, st.booleans()), max_size=6))
def test_it_is_the_same(tenants: list[tuple[int, bool]]) -> None:
    body: dict[str, Any] = {"fabric": figure()["fabric"], "tenants": {}}
    for number, (size, has_networks) in enumerate(tenants):
        nodes = {f"vm{node}": {"size": node, "interfaces": {"eth0": {"network": "X"}}} for node in range(size)}
        body["tenants"][f"t{number}"] = {"nodes": nodes} if size or has_networks else {}
        if has_networks:
            body["tenants"][f"t{number}"]["networks"] = {"X": {}}
    pauses = 0

    def pause() -> None:
        nonlocal pauses
        pauses += 1

    found, whole = in_pieces(body, pause), Intent.model_validate(body)
    size = sum(size for size, _ in tenants)
    if size <= NODES_AT_ONCE:
        assert found is body and pauses == 0
    else:
        assert isinstance(found, Intent)
        assert found == whole and fields_set(found) == fields_set(whole)
        assert [*found.tenants] == [*whole.tenants]
        assert all([*found.tenants[name].nodes] == [*tenant.nodes] for name, tenant in whole.tenants.items())
        assert pauses >= size // (2 * NODES_AT_ONCE)


MANY = {f"vm{node}": {} for node in range(2 * NODES_AT_ONCE)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"tenants": {"t": {"nodes": {**MANY, "vm7": {"runing": True}}}}},
        {"tenants": {"t": {"nodes": {**MANY, "last": 5}}}},
        {"tenants": {"t": {"nodes": MANY, "node": {}}}},
        {"tenants": {"t": {"nodes": MANY}, "u": []}},
        {"tenants": {"t": {"nodes": MANY}}, "fabrik": {}},
        {"tenants": [MANY]},
        {"tenants": {"t": {"nodes": [MANY]}}},
    ],
)
def test_what_is_wrong_is_left_to_whoever_finds_all_of_it(wrong: dict[str, Any]) -> None:
    assert in_pieces(wrong, lambda: None) is wrong
