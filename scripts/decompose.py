"""Decompose the matrices of one part of a model, one after the other."""

from weightspectra import contracts
from weightspectra.base import job, progress
from weightspectra.models import devices
from weightspectra.spectra import rounding, svd

CERTIFICATE = ("route", "residual", "orthogonality_short", "orthogonality_long", "condition")


def main(smk):
    """Write all singular values with their certificates, and the vectors of the short side."""
    model, device = smk.wildcards.model, devices.device(smk.params.device)
    weights = contracts.WEIGHTS.matrices(smk.input.weights)
    matrices = contracts.MATRICES.read(smk.input.matrices)
    stamp, rows = job.stamp(smk, device=devices.name(device)), []
    with contracts.VECTORS.matrix_writer(smk.output.vectors, stamp) as vectors:
        for matrix in progress.track(matrices.itertuples(), len(matrices), f"decompose {model}"):
            key = contracts.MatrixKey(matrix.layer, matrix.role, matrix.expert)
            name = f"{model}, {key} ({matrix.tensor})"
            found = svd.decompose(weights[key]["values"], device=device, name=name)
            vectors.write(key, found.short_vectors.float().cpu().numpy())
            shape, values = {"n_out": matrix.n_out, "n_in": matrix.n_in}, found.singular_values.cpu().numpy()
            row = {
                "model": model,
                **key._asdict(),
                **shape,
                "short_side": found.short_side,
                "singular_values": values,
                "rounding_floor": rounding.rounding_floor(matrix.rounding_std, **shape, largest=values[0]),
            }
            rows.append(row | {column: getattr(found, column) for column in CERTIFICATE})
    contracts.SPECTRA.write(rows, smk.output.spectra, stamp)


if __name__ == "__main__":
    job.run(main, snakemake)
