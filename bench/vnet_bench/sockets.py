"""Unix sockets of daemons that start."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def listens(path: Path) -> bool:
    """Whether somebody takes connections at a socket, whose file is there a moment before.

    It is reached through its folder, since an address has 107 characters at most (unix(7)).
    """
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as there:
            there.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        return False
    finally:
        os.close(folder)
    return True
