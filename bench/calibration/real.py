"""Real models and their random controls: how often each test of a finished run rejects noise.

A control has the architecture of its model and weights as before training, so
that its share of rejections should be the stated rate of false alarms; what a trained model shows beyond that
is structure. Intervals take trials for independent. With so many tests, one or two controls are
beyond theirs by chance.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from results import Check
from scipy.stats import norm
from shares import Share, percent

from weightspectra import contracts

MODELS = ("minilm", "smollm2")
CONTROL = "{}_random"
LEVEL = 0.05


Rejections = tuple[str, Sequence[bool], float]
"""A test's name, whether it rejected in each trial, and the rate that it promises for noise."""


class Test(NamedTuple):
    """Rejections of one test in one model, and the rate that it promises for noise."""

    group: str
    test: str
    rejected: int
    trials: int
    rate: float


def measure(options: argparse.Namespace) -> pd.DataFrame:
    """Count rejections: one row for each model and test.

    Columns: model, control (whether it is one), and those of :class:`Test`.
    """
    rows = []
    for model in MODELS:
        for name in (model, CONTROL.format(model)):
            if not is_complete(options.results, name):
                print(f"{name} left out: {options.results} lacks results of it; snakemake makes them", file=sys.stderr)
                continue
            tests = tests_of(options.results, name)
            rows += [{"model": model, "control": name != model, **test._asdict()} for test in tests]
    return pd.DataFrame(rows, columns=["model", "control", *Test._fields])


def is_complete(results: Path, name: str) -> bool:
    """Say whether a run has left all that is read here."""
    tables = [results / kind / f"{name}.parquet" for kind in ("bulk", "levels", "information")]
    return all(path.is_file() for path in tables) and all(
        any((results / kind / name).glob("part-*.parquet")) for kind in ("vector_tests", "head_tests")
    )


def tests_of(results: Path, name: str) -> list[Test]:
    """Return every test of one model."""
    bulk, levels, information = (
        contract.read(results / contract.name / f"{name}.parquet")
        for contract in (contracts.BULK, contracts.LEVELS, contracts.INFORMATION)
    )
    vectors, heads = (
        contract.read(sorted((results / contract.name / name).glob("part-*.parquet")))
        for contract in (contracts.VECTOR_TESTS, contracts.HEAD_TESTS)
    )
    groups = {
        "bulk": bulk_tests(bulk),
        "levels": level_tests(levels),
        "vectors": vector_tests(vectors),
        "heads": head_tests(heads),
        "information": information_tests(information),
    }
    return [
        Test(group, test, int(np.sum(rejected)), len(rejected), rate)
        for group, tests in groups.items()
        for test, rejected, rate in tests
    ]


def bulk_tests(bulk: pd.DataFrame) -> Iterator[Rejections]:
    """Yield the matrices whose spectrum leaves the bounds, or whose bulk is not the law's."""
    level = float(bulk["level"].iloc[0])
    yield "matrices with a value beyond the bounds", bulk["n_below_bound"] + bulk["n_above_bound"] > 0, level
    profiled = bulk["n_below_profile"] + bulk["n_above_profile"] > 0
    yield "with one beyond the variance profile's bounds", profiled, level
    yield "whose bulk departs from the law", bulk["bulk_p_value"] <= LEVEL, LEVEL
    yield "whose rows differ in variance", bulk["row_p_value"] <= LEVEL, LEVEL
    yield "whose columns do", bulk["column_p_value"] <= LEVEL, LEVEL
    shuffled = bulk[["permutation_p_lower", "permutation_p_upper"]].dropna()
    if len(shuffled):
        yield "with a value beyond those of shuffled entries", shuffled.min(axis=1) <= level / 2, level


def level_tests(levels: pd.DataFrame) -> Iterator[Rejections]:
    """Yield the matrices whose levels are not spaced as noise's, for each unfolding."""
    for unfolding, rows in levels.groupby("unfolding", sort=False):
        yield f"spacings against Wigner's surmise, unfolding '{unfolding}'", rows["spacing_p_value"] <= LEVEL, LEVEL
        yield f"gap ratios, '{unfolding}'", rows["gap_ratio_p_value"] <= LEVEL, LEVEL
        found, mean, sd = (
            np.concatenate(rows[f"number_variance{suffix}"].tolist()) for suffix in ("", "_null", "_null_sd")
        )
        yield f"number variances, '{unfolding}'", np.abs(found - mean) > norm.isf(LEVEL / 2) * sd, LEVEL


def vector_tests(vectors: pd.DataFrame) -> Iterator[Rejections]:
    """Yield the vectors that are not random directions, and the matrices that have any after correction."""
    for column, what in (("", "Porter-Thomas"), ("participation_", "participation ratio")):
        for side, rows in vectors.groupby("side"):
            yield f"{side} vectors, {what}", rows[f"{column}p_value"] <= LEVEL, LEVEL
        smallest = vectors.groupby(["layer", "role", "expert"])[f"{column}q_value"].min()
        yield f"matrices with any vector, {what}, corrected", smallest <= LEVEL, LEVEL


def head_tests(heads: pd.DataFrame) -> Iterator[Rejections]:
    """Yield the heads that singular vectors prefer, and the matrices that have any such, or one not random within."""
    if heads.empty:
        return
    corrected = heads["smallest_p_value"] * heads["n_vectors"] <= LEVEL
    yield "heads with too large a share of a vector, corrected over vectors", corrected, LEVEL
    matrices = heads.groupby(["layer", "role", "expert"])[["n_concentrated", "n_nonrandom"]].sum() > 0
    yield "matrices with a vector concentrated in a head, corrected", matrices["n_concentrated"], LEVEL
    yield "matrices with a vector not random in a head, corrected", matrices["n_nonrandom"], LEVEL


def information_tests(information: pd.DataFrame) -> Iterator[Rejections]:
    """Yield the matrices whose interval of information excludes none, for each region."""
    for region, rows in information.groupby("region", sort=False):
        yield f"interval above zero in the {region}", rows["information_low"] > 0, LEVEL / 2


def checks(frame: pd.DataFrame) -> list[Check]:
    """Hold the controls against the stated rates: a row for each model and group of tests."""
    groups = frame.groupby(["model", "group"], sort=False)
    return [check(model, group, tests) for (model, group), tests in groups]


def check(model: str, group: str, tests: pd.DataFrame) -> Check:
    """Compare one group of tests in a control with the rates, and say what the trained model shows."""
    told, too_many, rates, has_control = [], [], set(), False
    for test, pair in tests.groupby("test", sort=False):
        shares = {row.control: Share(row.rejected, row.trials) for row in pair.itertuples()}
        rate = float(pair["rate"].iloc[0])
        rates.add(f"{percent(rate)} %")
        trained = f", trained {percent(shares[False].value)} %" if False in shares else ""
        if True in shares:
            has_control = True
            told.append(f"{test}: {shares[True]} of {shares[True].trials}{trained}")
            too_many += [test] * (shares[True].low > rate)
        else:
            told.append(f"{test}: no control{trained}")
    expected = f"{' or '.join(sorted(rates))} of each in the control, or less, as far as its interval tells"
    verdict = f"too many: {', '.join(too_many)}" if too_many else "holds" if has_control else "-"
    return Check(f"{model}, {group}: share rejected in the random control", "; ".join(told), expected, verdict)
