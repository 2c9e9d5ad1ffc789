"""The web service: REST under `/v1`, over the System Manager.

It translates between HTTP and requests, and says what came of them; it decides nothing, and must not know the
framework, sockets, or how a switch is spoken to.
"""

from __future__ import annotations

from .application import create_api

__all__ = ["create_api"]
