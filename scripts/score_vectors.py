"""Test the singular vectors of one part of a model for randomness: whole, and head by head."""

from pathlib import Path

import pandas as pd

from weightspectra import contracts, job, progress
from weightspectra.models import attention, checkpoints, devices
from weightspectra.spectra import heads, nulls, svd, vector_tests


def main(smk):
    """Write one row per vector of either side, and one per attention head; long sides are recomputed."""
    model, device = smk.wildcards.model, devices.device(smk.params.device)
    n_heads = attention.head_counts(checkpoints.config(Path(smk.input.source).with_suffix("")))
    weights = contracts.WEIGHTS.matrices(smk.input.weights)
    vectors = contracts.VECTORS.matrices(smk.input.vectors)
    spectra = contracts.SPECTRA.read(smk.input.spectra).set_index(["layer", "role", "expert"])["singular_values"]
    draws = {
        shape[0]: table for shape, table in nulls.tables(contracts.NULLS.read(smk.input.nulls)).items() if shape[1] == 1
    }
    tests, head_tests = [], []
    for key in progress.track(vectors, len(vectors), f"score vectors of {model}"):
        names = {"model": model, **key._asdict()}
        weight, short = weights[key]["values"], vectors[key]["values"]
        sides = {svd.short_side(*weight.shape): short}
        long = "left" if "right" in sides else "right"
        sides[long] = svd.long_side_vectors(weight, short, device=device).cpu().numpy()
        found = vector_tests.score(sides, draws, smk.params.window)
        tests.append(found.assign(**names, singular_value=spectra[tuple(key)][found["index"]]))
        if key.role in attention.SIDES:
            side = attention.SIDES[key.role]
            size = sides[side].shape[1] // n_heads[key.role]
            found = heads.score(sides[side], n_heads[key.role], draws[size], smk.params.level)
            head_tests.append(found.assign(**names, side=side))
    stamp = job.stamp(smk, device=devices.name(device))
    contracts.VECTOR_TESTS.write(pd.concat(tests), smk.output.vectors, stamp)
    contracts.HEAD_TESTS.write(pd.concat(head_tests), smk.output.heads, stamp)


if __name__ == "__main__":
    job.run(main, snakemake)
