"""The command line `vnet`: tables for people, `--json` for programs.

It speaks to the controller through `ryu_vnet.client` alone, and must not import the managers, the compiler or the
model, so that it starts at once and tells nothing but what the web service says.
"""

from __future__ import annotations

from .main import main

__all__ = ["main"]
