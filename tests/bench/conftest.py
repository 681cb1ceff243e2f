"""The scripts of the benchmarks import each other by name; tests find them so too."""

import sys
from argparse import Namespace
from functools import cache
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
# Last: a benchmark may have the name of the script that it times.
sys.path.extend([str(BENCH), str(BENCH / "calibration"), str(BENCH / "damage"), str(BENCH / "ground_truth")])


@pytest.fixture
def options(tmp_path):
    """What the command line says when it asks for tiny cases."""
    return Namespace(quick=True, workers=1, results=tmp_path, weightwatcher_python=None, scikit_rmt_python=None)


@pytest.fixture(scope="session")
def measured():
    """A function: what a part of the calibration measures on tiny cases, which it does once for all tests."""
    tiny = Namespace(quick=True, workers=1)
    once = cache(lambda part: part.measure(tiny))
    return lambda part: once(part).copy()
