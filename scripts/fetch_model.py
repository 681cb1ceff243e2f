"""Fetch one model into a folder beside the manifest, which is written last and marks the folder as complete."""

from pathlib import Path

from weightspectra import contracts
from weightspectra.base import job
from weightspectra.models.fetching import fetch
from weightspectra.models.requests import check_request, requested_of


def main(smk):
    """Write the model's files and their manifest."""
    manifest, model = Path(smk.output[0]), Path(smk.output[0]).stem
    made_from = [Path(path) for path in smk.input if str(path).endswith(".parquet")]
    born = "birth" in smk.params.entry["source"]
    requested = requested_of(model, smk.config)  # no parameter of the job, or a new experiment would fetch again
    facts = fetch(
        model,
        smk.params.entry,
        manifest.with_suffix(""),
        seed=smk.params.seed,
        like=made_from[0].with_suffix("") if made_from and not born else None,
        checkpoints=made_from[0] if born else None,
        check=lambda config: check_request(config, requested),
    )
    rows = [{"model": model, **file} for file in facts.files]
    contracts.SOURCES.write(rows, manifest, job.stamp(smk, sources={model: facts.provenance}))


if __name__ == "__main__":
    job.run(main, snakemake, online=True)
