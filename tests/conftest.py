"""Makes modules in tests/ that more than one tier uses (legal_rows) importable, by standing beside them."""
