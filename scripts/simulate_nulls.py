"""Simulate noise of the shapes of a model's matrices, or take what another model of such shapes has left."""

from pathlib import Path

import pandas as pd

from weightspectra import contracts
from weightspectra.base import job, provenance, seeds
from weightspectra.models import attention, checkpoints
from weightspectra.randomness.noise import nulls


def main(smk):
    """Write the tables of all shapes; each is also kept by itself, beside the model's, for other models."""
    matrices = contracts.MATRICES.read(smk.input.matrices, columns=["role", "n_out", "n_in"])
    config = checkpoints.config(Path(smk.input.source).with_suffix(""))
    head_sizes = attention.head_sizes(config, matrices.itertuples(index=False, name=None))
    shapes = nulls.shapes(zip(matrices["n_out"], matrices["n_in"], strict=True), head_sizes)
    kept = [table(smk, shape) for shape in shapes]
    contracts.NULLS.write(pd.concat(kept), smk.output[0], job.stamp(smk))


def table(smk, shape):
    """Return one shape's table, simulated unless it is there from the same seed, number of draws and code."""
    path = Path(smk.output[0]).parent / "shapes" / "{}x{}.parquet".format(*shape)
    n_draws = smk.params.n_vectors if shape[1] == 1 else smk.params.n_spectra
    made = {"rule": smk.rule, "seed": smk.params.seed, "n_draws": n_draws, "code": smk.params.code}
    made["versions"] = provenance.versions()
    if path.exists() and contracts.read_provenance(path) == made:
        return contracts.NULLS.read(path)
    rng = seeds.generator(smk.params.seed, "nulls", *map(str, shape))
    # Under a name of this model's own at first: another model's job may be at the same shape.
    own = path.with_name(f".{smk.wildcards.model}-{path.name}")
    contracts.NULLS.write(nulls.rows(shape, nulls.draw(shape, n_draws, rng)), own, made)
    own.replace(path)
    return contracts.NULLS.read(path)


if __name__ == "__main__":
    job.run(main, snakemake)
