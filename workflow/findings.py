"""Shows what a finished run found: ``python workflow/findings.py config/config.yaml``."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def results_of(config: Mapping[str, Any]) -> Path:
    """Return the folder of a configuration's results."""
    return Path(config.get("pathvars", {}).get("results", "results")).expanduser()


def records_of(config: Mapping[str, Any]) -> list[Path]:
    """Return the folders of a configuration's logs and benchmarks."""
    known = {"logs": "logs", "benchmarks": "benchmarks"} | config.get("pathvars", {})
    return [Path(known[name]).expanduser() for name in ("logs", "benchmarks")]


def findings(config: Mapping[str, Any]) -> str:
    """Return the findings of a configuration's results and where its report is; empty before they exist."""
    results = results_of(config)
    text = results / "findings.md"
    return f"\n{text.read_text().strip()}\n\nReport: {results / 'report.html'}\n" if text.is_file() else ""


if __name__ == "__main__":
    print(findings(yaml.safe_load(Path(sys.argv[1]).read_text())))
