"""Fetch one model into a folder beside the manifest, which is written last and marks the folder as complete."""

from pathlib import Path

from weightspectra import contracts, job
from weightspectra.models.families import check_request
from weightspectra.models.sources import fetch


def main(smk):
    """Write the model's files and their manifest."""
    manifest = Path(smk.output[0])
    model = manifest.stem
    originals = [Path(path).with_suffix("") for path in smk.input if str(path).endswith(".parquet")]
    facts = fetch(
        model,
        smk.params.entry,
        manifest.with_suffix(""),
        seed=smk.params.seed,
        like=originals[0] if originals else None,
        check=lambda config: check_request(config, smk.params.requested),
    )
    rows = [{"model": model, **file} for file in facts.files]
    contracts.SOURCES.write(rows, manifest, job.stamp(smk, sources={model: facts.provenance}))


if __name__ == "__main__":
    job.run(main, snakemake, online=True)
