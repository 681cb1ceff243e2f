"""Shuffle the entries of every matrix of a model, and keep the extreme singular values."""

from weightspectra import contracts
from weightspectra.base import job, progress, seeds
from weightspectra.models import devices
from weightspectra.randomness.noise import shuffling


def main(smk):
    """Write one row per matrix; its random stream depends on the model and the matrix alone."""
    model, device = smk.wildcards.model, devices.device(smk.params.device)
    weights = contracts.WEIGHTS.matrices(smk.input)
    rows = []
    for key in progress.track(weights, len(weights), f"permute {model}"):
        rng = seeds.generator(smk.params.seed, model, "permutations", str(key))
        values = weights[key]["values"]
        largest, smallest = shuffling.extremes(values, smk.params.n_permutations, rng, device=device)
        rows.append({"model": model, **key._asdict(), "largest": largest, "smallest": smallest})
    contracts.PERMUTATIONS.write(rows, smk.output[0], job.stamp(smk, device=devices.name(device)))


if __name__ == "__main__":
    job.run(main, snakemake)
