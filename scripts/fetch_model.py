"""Fetch one model into a folder beside the manifest, which is written last and marks the folder as complete."""

from pathlib import Path

from weightspectra import contracts, job
from weightspectra.models.requests import check_request
from weightspectra.models.sources import fetch


def main(smk):
    """Write the model's files and their manifest."""
    manifest, model = Path(smk.output[0]), Path(smk.output[0]).stem
    originals = [Path(path).with_suffix("") for path in smk.input if str(path).endswith(".parquet")]
    facts = fetch(
        model,
        smk.params.entry,
        manifest.with_suffix(""),
        seed=smk.params.seed,
        like=originals[0] if originals else None,
        check=lambda config: check_request(config, requested(model, smk.config)),
    )
    rows = [{"model": model, **file} for file in facts.files]
    contracts.SOURCES.write(rows, manifest, job.stamp(smk, sources={model: facts.provenance}))


def requested(model, config):
    """Return what will be asked of the model. It is no parameter of the job, or a new experiment would fetch again."""
    experiments = [entry for entry in config["experiments"].values() if model in entry["models"]]
    metrics = {
        metric for entry in experiments for metric in [*entry["metrics"], *(["tasks"] if entry["tasks"] else [])]
    }
    cuts = [cut for entry in experiments for cut in entry["cuts"]]
    layers = {*(layer for cut in cuts for layer in cut.get("layers", [])), *config["report"]["blocks"].get(model, [])}
    return {
        "metrics": sorted(metrics | {"predict" for name in config["predict"]["models"] if name == model}),
        "roles": sorted({role for cut in cuts for role in cut.get("roles", [])}),
        "layers": sorted(layers),
    }


if __name__ == "__main__":
    job.run(main, snakemake, online=True)
