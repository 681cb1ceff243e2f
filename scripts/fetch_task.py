"""Resolve a task and fetch its data into a folder beside the table, which is written last and marks it as complete."""

from importlib.metadata import version
from pathlib import Path

from weightspectra import contracts
from weightspectra.ablation.settings import Task
from weightspectra.ablation.tasks.task_files import prepare
from weightspectra.base import job, provenance
from weightspectra.sources import fetched


def main(smk):
    """Write the task's files and their table."""
    table, entry = Path(smk.output[0]), Task.model_validate(smk.params.entry)
    examples = contracts.EXAMPLES.read(smk.input.data_set) if smk.input.data_set else None
    tokenizer = fetched.opened(smk.input.tokenizer[0]) if smk.input.tokenizer else None
    rows = prepare(table.stem, entry, table.with_suffix(""), examples=examples, tokenizer=tokenizer)
    names = ", ".join(dict.fromkeys(row["data"] for row in rows))
    made = {"kind": "task", "name": names, "revision": f"lm-eval {version('lm_eval')}"}
    sources = {f"task:{table.stem}": {**made, "sha256": provenance.digest([row["sha256"] for row in rows])}}
    contracts.TASKS.write([{"task": table.stem, **row} for row in rows], table, job.stamp(smk, sources=sources))


if __name__ == "__main__":
    job.run(main, snakemake, online=True)
