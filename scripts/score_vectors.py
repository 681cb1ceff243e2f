"""Test the singular vectors of one part of a model for randomness: whole, and head by head."""

import pandas as pd

from weightspectra import contracts
from weightspectra.base import job, progress
from weightspectra.models import attention, devices
from weightspectra.randomness.directions import heads, vector_tests
from weightspectra.randomness.noise import nulls
from weightspectra.sources import fetched


def main(smk):
    """Write one row per singular vector of either side, and one per attention head; long sides are recomputed."""
    model, device = smk.wildcards.model, devices.device(smk.params.device)
    counts = attention.head_counts(fetched.config_of(smk.input.source))
    weights, vectors = contracts.WEIGHTS.matrices(smk.input.weights), contracts.VECTORS.matrices(smk.input.vectors)
    spectra = contracts.SPECTRA.read(smk.input.spectra).set_index(contracts.KEY_COLUMNS)
    draws = nulls.tables(contracts.NULLS.read(smk.input.nulls))
    tests, head_tests = [], []
    for key in progress.track(vectors, len(vectors), f"score vectors of {model}"):
        names = {"model": model, **key._asdict()}
        values, floor = spectra.loc[tuple(key), ["singular_values", "rounding_floor"]]
        if not (n := vector_tests.n_tested(values, floor)):
            continue
        sides = vector_tests.both_sides(weights[key]["values"], vectors[key]["values"], n, device)
        found = vector_tests.score(sides, draws, smk.params.window)
        tests.append(found.assign(**names, singular_value=values[found["index"]]))
        if key.role in attention.SIDES:
            side = attention.SIDES[key.role]
            found = heads.score(sides[side], counts[key.role], draws, smk.params.level)
            head_tests.append(found.assign(**names, side=side))
    stamp = job.stamp(smk, device=devices.name(device))
    contracts.VECTOR_TESTS.write(pd.concat(tests) if tests else [], smk.output.vectors, stamp)
    contracts.HEAD_TESTS.write(pd.concat(head_tests) if head_tests else [], smk.output.heads, stamp)


if __name__ == "__main__":
    job.run(main, snakemake)
