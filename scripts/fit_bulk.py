"""To be written: fit_bulk."""
