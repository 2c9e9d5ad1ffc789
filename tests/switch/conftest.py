"""What several tests of the whole controller share."""

from __future__ import annotations

import pytest
from controller_process import COMMANDS


@pytest.fixture(params=sorted(COMMANDS))
def framework(request: pytest.FixtureRequest) -> str:
    """Each framework that the controller runs under on this Python."""
    name: str = request.param
    return name
