"""To be written: extract_weights."""
