"""To be written: evaluate_cuts."""
