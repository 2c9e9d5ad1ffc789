"""Makes modules in tests/ that more than one tier uses (legal_rows) importable, by standing beside them.

A drawn example may take as long as it takes: that says more of the machine than of what is tested."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
