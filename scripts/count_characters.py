"""Count the characters and bigrams of a text, or read counts; refuse a task that they cannot make."""

from pathlib import Path

from weightspectra import contracts
from weightspectra.base import job, provenance
from weightspectra.base.errors import UserError
from weightspectra.birth.settings import TaskData
from weightspectra.birth.task import characters
from weightspectra.birth.task.bigram_task import BigramTask


def main(smk):
    """Count or read, and try whether the birth's triggers are there, before anything is trained."""
    path = Path(smk.input[0])
    try:
        bigrams = characters.read_bigrams(path.read_bytes())
        BigramTask.of(TaskData.model_validate(smk.params.data), bigrams)
    except UserError as error:
        raise UserError(f"births/{smk.wildcards.birth}/data: {path.name}: {error}") from error
    identity = {"kind": "text", "name": path.name, "sha256": provenance.file_sha256(path)}
    sources = {f"characters:{smk.wildcards.birth}": identity}
    contracts.CHARACTERS.write(list(bigrams.rows()), smk.output[0], job.stamp(smk, sources=sources))


if __name__ == "__main__":
    job.run(main, snakemake)
