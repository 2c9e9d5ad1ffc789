"""Whatever happens: everybody is in the networks that he was asked to be in and that policies give, and in no other."""

from __future__ import annotations

from drawn import fabrics, intents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_reference import check_policies
from test_incremental import REQUESTS, SEEDS, History, Steps

from ryu_vnet.managers.system import System
from ryu_vnet.schema import FabricSpec, Intent

POLICED = (
    "policy",
    "policy",
    "policies",
    "delete_policy",
    "attributes",
    "node",
    "attach",
    "detach",
    "start",
    "declare",
)
STEPS = st.lists(st.tuples(st.sampled_from((*POLICED, *POLICED, *REQUESTS, "fail")), SEEDS), min_size=8, max_size=40)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(several=True), fabrics(), st.lists(SEEDS, min_size=3, max_size=8), STEPS)
def test_after_every_step_all_are_where_they_are_to_be(
    intent: Intent, other: FabricSpec, nodes: list[int], steps: Steps
) -> None:
    history = History(intent, other)
    for kind, seed in [*(("node", seed) for seed in nodes), *steps]:
        history.do(kind, seed)
        check_policies(history.system)
    again = System(history.store, lambda name, messages: None, lambda: 0.0)
    assert {*map(repr, again.model.values())} == {*map(repr, history.system.model.values())}
    check_policies(again)
