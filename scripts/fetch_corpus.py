"""To be written: fetch_corpus."""
