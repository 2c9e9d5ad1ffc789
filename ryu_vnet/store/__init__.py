"""Documents that outlive the controller: the System Manager's memory, on disk before a request is answered.

A small interface and one file for each engine behind it; SQLite is the embedded one. Nothing here knows what a
document means, nor a switch, a flow or a framework.
"""

from .interface import Document, Snapshot, Store
from .sqlite import SqliteStore

__all__ = ["Document", "Snapshot", "SqliteStore", "Store"]
