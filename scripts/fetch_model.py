"""Fetch one model into a folder beside the manifest, which is written last and marks the folder as complete."""

from pathlib import Path

from weightspectra import contracts
from weightspectra.base import job
from weightspectra.models.fetching.fetch import fetch
from weightspectra.models.requests import check_request
from weightspectra.models.settings import Model
from weightspectra.sources import fetched


def main(smk):
    """Write the model's files and their manifest."""
    manifest, model = Path(smk.output[0]), Path(smk.output[0]).stem
    entry = Model.model_validate(smk.params.entry)
    lender = entry.tokenizer.like if entry.tokenizer else None
    others = [Path(path) for path in smk.input if str(path).endswith(".parquet")]
    made_from = next(iter(others), None) if entry.source.original or entry.source.birth else None
    if made_from and entry.source.original:
        made_from = fetched.opened(made_from)  # the folder beside the manifest of the model that it is made like
    facts = fetch(
        model,
        entry,
        manifest.with_suffix(""),
        seed=smk.params.seed,
        made_from=made_from,
        tokenizer_from=fetched.opened(manifest.with_name(f"{lender}.parquet")) if lender else None,
        check=lambda config: check_request(config, smk.params.requested),
        texts=bool(smk.params.requested.get("texts")),
    )
    rows = [{"model": model, **file} for file in facts.files]
    contracts.SOURCES.write(rows, manifest, job.stamp(smk, sources={model: facts.provenance}))


if __name__ == "__main__":
    job.run(main, snakemake, online=True)
