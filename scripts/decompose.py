"""To be written: decompose."""
