"""Decompose the difference of two models of one shape, matrix by matrix, and find it in the first one's spectra."""

from weightspectra import contracts
from weightspectra.base import job, progress
from weightspectra.finetuning import comparison
from weightspectra.finetuning.settings import Comparison
from weightspectra.models import devices

KEY = contracts.KEY_COLUMNS


def main(smk):
    """Refuse models of different shapes; write one row per matrix."""
    pair = Comparison.model_validate(smk.params.comparison)
    names = {"comparison": smk.wildcards.comparison, "base": pair.base, "tuned": pair.tuned}
    both = f"{pair.base} and {pair.tuned}"
    base, tuned = (contracts.WEIGHTS.matrices(paths) for paths in (smk.input.base_weights, smk.input.tuned_weights))
    comparison.check_same_matrices(base, tuned, both)
    stored = [_rounding_stds(path) for path in (smk.input.base_matrices, smk.input.tuned_matrices)]
    vectors = contracts.VECTORS.matrices(smk.input.vectors)
    spectra = contracts.SPECTRA.read(smk.input.spectra, columns=[*KEY, "n_out", "n_in"])
    device, rows = devices.device(smk.params.device), []
    for matrix in progress.track(spectra.itertuples(), len(spectra), f"compare {both}"):
        key = contracts.MatrixKey(matrix.layer, matrix.role, matrix.expert)
        weights = base[key]["values"], tuned[key]["values"], vectors[key]["values"]
        known = {"level": smk.params.level, "rounding_stds": (stored[0][key], stored[1][key])}
        found = comparison.compare(*weights, **known, device=device, name=f"{both}, {key}")
        rows.append({**names, **key._asdict(), "n_out": matrix.n_out, "n_in": matrix.n_in, **found})
    contracts.COMPARISONS.write(rows, smk.output[0], job.stamp(smk, device=devices.name(device)))


def _rounding_stds(path):
    known = contracts.MATRICES.read(path, columns=[*KEY, "rounding_std"])
    return {contracts.MatrixKey(*key): std for *key, std in known.itertuples(index=False)}


if __name__ == "__main__":
    job.run(main, snakemake)
