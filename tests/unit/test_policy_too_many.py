"""A policy that would put one node into more networks than a segment has tags for."""

from __future__ import annotations

import pytest
from policed import apply, data_centre, node, put

from ryu_vnet.errors import Invalid

NETWORKS = {f"n{number}": {} for number in range(4095)}


@pytest.mark.parametrize("pieces", [1, 63])
def test_4095_networks_for_one_node_are_refused_and_nothing_has_changed(pieces: int) -> None:
    """Whether one policy gives them or many do, of which none alone gives too many."""
    system = data_centre(tenants={"red": {"networks": NETWORKS}})
    node(system, "red/vm1", at="h1", networks=["n0"])
    node(system, "red/vm2", at="h2", networks=["n0"])
    names = [*NETWORKS]
    shares = [names[start::pieces] for start in range(pieces)] if pieces > 1 else [names]
    policies = {f"p{index}": {"match": {"node": "vm1"}, "networks": share} for index, share in enumerate(shares)}
    before = system.revision, dict(system.tables), {key: system.model.get(key) for key in system.model.keys("")}
    with pytest.raises(Invalid) as refused:
        put(system, **policies)
    assert "red/vm1" in str(refused.value) or "policies.p0" in str(refused.value), str(refused.value)
    assert "32" in str(refused.value) and len(str(refused.value)) < 2000
    assert (system.revision, dict(system.tables)) == before[:2]
    assert {key: system.model.get(key) for key in system.model.keys("")} == before[2]
    apply(system, {"tenants": {"red": {"nodes": {"vm3": {"interfaces": {"eth0": {"network": "n1"}}}}}}})
    assert system.model.node("red/vm3") is not None
