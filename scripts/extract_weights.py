"""Cut the weight matrices out of one part of a checkpoint, into rows of float32."""

from weightspectra import contracts
from weightspectra.base import job, progress
from weightspectra.models import weights
from weightspectra.sources import fetched


def main(smk):
    """Store one matrix after the other, and their descriptions at the end."""
    folder, model = fetched.opened(smk.input[0]), smk.wildcards.model
    stored = weights.matrices(folder, part=smk.wildcards.part, fused_split=smk.params.fused_split)
    stamp = job.stamp(smk)
    with contracts.WEIGHTS.matrix_writer(smk.output.weights, stamp) as writer:
        tracked = progress.track(stored.values(), len(stored), f"extract {model}")
        rows = [{"model": model, **store(matrix, writer)} for matrix in tracked]
    contracts.MATRICES.write(rows, smk.output.matrices, stamp)


def store(matrix, writer):
    """Write one matrix and return its description; on return its memory is free for the next one."""
    values = matrix.read()
    writer.write(matrix.key, values)
    return matrix.describe(values)


if __name__ == "__main__":
    job.run(main, snakemake)
