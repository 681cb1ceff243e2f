"""Predicted damage against measured damage, on the pipeline's own cuts and on a small decoder trained here.

    python bench/damage/run.py [--tables smollm2/sotu/deciles ...] [--steps 800] [--record]

The small decoder takes most of the time; --steps 0 leaves it out.
"""

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

import agreement
import small_decoder
import tables
import torch
from results import Check, cpu_name, record

from weightspectra.base import progress


def main() -> None:
    """Compare, print each row as a paragraph, and record if wanted."""
    options, start = arguments(), time.monotonic()
    torch.set_num_threads(options.threads)
    rows: list[Check] = []
    for entry in options.tables:
        model, corpus, experiment = entry.split("/")
        found = tables.measured(options.results, model, corpus, experiment)
        rows += agreement.checks(f"{model}, {experiment}", found)
    if options.steps:
        rows += agreement.checks("small decoder, deciles of single matrices", small_decoder.measured(options))
    for row in rows:
        print("\n".join(["", row.what, *(f"  {cell}" for cell in row[1:])]))
    print(f"\n{progress.duration(time.monotonic() - start)}")
    if options.record:
        record(rows, cpu_name(options.threads))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"), help="the pipeline's results")
    parser.add_argument(
        "--tables", nargs="*", default=[], metavar="MODEL/CORPUS/EXPERIMENT", help="what was predicted and evaluated"
    )
    parser.add_argument("--corpus", default="sotu", help="what the small decoder learns")
    parser.add_argument("--steps", type=int, default=800, help="of its training (default 800)")
    parser.add_argument("--n-windows", type=int, default=96, help="it is predicted on, and measured on (default 96)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: all cores")
    parser.add_argument("--record", action="store_true", help="append the rows to bench/RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
