"""Store memories as sums of outer products and by single gradient steps, draw after draw."""

from functools import partial
from pathlib import Path

from weightspectra import contracts
from weightspectra.base import job, progress, provenance, seeds
from weightspectra.birth.settings import Memories
from weightspectra.birth.simulated import simulations
from weightspectra.birth.task import characters


def main(smk):
    """Draw every setting once for each seed."""
    wanted, path = Memories.model_validate(smk.params.memories), Path(smk.input[0])
    text = characters.read_bigrams(path.read_bytes())
    draws = range(wanted.n_seeds)
    rows = []
    for draw in progress.track(draws, len(draws), "simulate memories", "draws"):
        generator = partial(seeds.generator, smk.params.seed, "memories", f"draw {draw}")
        rows.extend(simulations.rows(wanted, draw, text, generator))
    sources = {"characters": {"kind": "text", "name": path.name, "sha256": provenance.file_sha256(path)}}
    contracts.SIMULATIONS.write(rows, smk.output[0], job.stamp(smk, sources=sources))


if __name__ == "__main__":
    job.run(main, snakemake)
