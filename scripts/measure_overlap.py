"""To be written: measure_overlap."""
