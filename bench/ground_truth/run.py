"""The locator beside WeightWatcher's spikes, on trained matrices whose memories are known.

    python bench/ground_truth/run.py [--results results/birth] [--births reference ...] [--record]
        [--weightwatcher-python .../python]

Reads what the pipeline has trained and located (births/ and locations/ of its results, where WeightWatcher's rule
stands beside the locator) and gives WeightWatcher itself the very same matrices, in a process of its own with the
Python that has it: its counts must be those of the rule. With --record, the rows go to bench/RESULTS.md, and the
numbers behind them to bench/ground_truth/measured/.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "calibration"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import comparison
import pandas as pd
from results import cpu_name, record

MEASURED = Path(__file__).parent / "measured"


def main() -> None:
    """Compare, print each row as a paragraph, and record if wanted."""
    options = arguments()
    births = options.births or sorted(path.name for path in (options.results / "locations").iterdir())
    scores = pd.concat([comparison.scores_of_birth(options, birth) for birth in births])
    rows = comparison.checks(scores)
    for row in rows:
        print("\n".join(["", row.what, *(f"  {cell}" for cell in row[1:])]))
    if options.record:
        MEASURED.mkdir(exist_ok=True)
        scores.to_csv(MEASURED / "scores.csv", index=False)
        record(rows, cpu_name(1))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results/birth"), help="the pipeline's results")
    parser.add_argument("--births", nargs="*", help="names in its configuration (default: all that are located)")
    parser.add_argument("--weightwatcher-python", help="Python that has WeightWatcher (default: this one)")
    parser.add_argument("--record", action="store_true", help="keep rows and numbers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
