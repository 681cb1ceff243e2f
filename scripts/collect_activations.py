"""To be written: collect_activations."""
