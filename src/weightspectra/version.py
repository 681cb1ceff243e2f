"""The version of this package, for people, packaging and provenance."""

VERSION = "0.1.0"
