"""The option that says how hosts are chosen, in a controller process; no switch is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from controller_process import ControllerProcess
from data_centre import figure

NODE = {"interfaces": {"eth0": {"network": "X"}}}


@pytest.mark.parametrize(
    ("name", "host", "reason"),
    [("closest", "host1", "2 of the 2 other members of red/X run in segment A"), ("spread", "edgeC", "1 units used")],
)
def test_the_placer_that_is_named_chooses(name: str, host: str, reason: str, framework: str, tmp_path: Path) -> None:
    with ControllerProcess(framework, tmp_path, {"VNET_PLACEMENT": name}) as controller:
        controller.client.apply(figure())
        controller.client.put_node("red/vm9", NODE)
        place = controller.client.start("red/vm9").raw["placed"]["eth0"]
        assert place["at"].startswith(f"{host}:vn") and any(text.startswith(reason) for text in place["reasons"])


def test_a_placer_that_is_not_there_ends_the_controller_with_a_reason(framework: str, tmp_path: Path) -> None:
    ended = ControllerProcess(framework, tmp_path).run_to_its_end(VNET_PLACEMENT="farthest")
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "cannot start: VNET_PLACEMENT: there is no placer 'farthest' (one of closest, spread)" in ended.stderr
