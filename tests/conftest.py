"""Makes modules in tests/ that more than one tier uses (legal_rows) importable, by standing beside them.

A drawn example may take as long as it takes: that says more of the machine than of what is tested."""

import signal

from hypothesis import settings

# Where the tests run as a background job the shell has this signal ignored, and so would what they start and end by it.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
