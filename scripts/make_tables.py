"""To be written: make_tables."""
