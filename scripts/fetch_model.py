"""To be written: fetch_model."""
