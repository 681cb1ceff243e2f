"""To be written: make_figures."""
