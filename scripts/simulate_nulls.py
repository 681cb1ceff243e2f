"""Simulate noise of the shapes of a model's matrices."""

from weightspectra import contracts
from weightspectra.base import job
from weightspectra.models import attention
from weightspectra.randomness.noise import nulls
from weightspectra.sources import fetched


def main(smk):
    """Write the tables of all shapes, going on after those that an earlier, interrupted job has finished."""
    matrices = contracts.MATRICES.read(smk.input.matrices, columns=["role", "n_out", "n_in"])
    config = fetched.config_of(smk.input.source)
    head_sizes = attention.head_sizes(config, matrices.itertuples(index=False, name=None))
    shapes = nulls.shapes(zip(matrices["n_out"], matrices["n_in"], strict=True), head_sizes)
    stamp = job.stamp(smk)
    finished = job.journal(smk, stamp)
    draws = smk.params.n_spectra, smk.params.n_vectors, smk.params.seed
    contracts.NULLS.write(nulls.simulate(shapes, *draws, finished), smk.output[0], stamp)
    finished.remove()


if __name__ == "__main__":
    job.run(main, snakemake)
