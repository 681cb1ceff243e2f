"""Cut the weight matrices out of one part of a checkpoint, into rows of float32."""

from pathlib import Path

from weightspectra import contracts, job, progress
from weightspectra.models import weights


def main(smk):
    """Read one matrix at a time; write its rows at once and its description at the end."""
    folder = Path(smk.input[0]).with_suffix("")
    stored = weights.matrices(folder, part=smk.wildcards.part, fused_split=smk.params.fused_split)
    stamp = job.stamp(smk)
    rows = []
    with contracts.WEIGHTS.matrix_writer(smk.output.weights, stamp) as writer:
        for matrix in progress.track(stored.values(), len(stored), f"extract {smk.wildcards.model}"):
            values = matrix.read()
            writer.write(matrix.key, values)
            rows.append({"model": smk.wildcards.model, **matrix.describe(values)})
    contracts.MATRICES.write(rows, smk.output.matrices, stamp)


if __name__ == "__main__":
    job.run(main, snakemake)
