"""To be written: make_report."""
