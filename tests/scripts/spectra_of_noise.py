"""Rows of spectra and of their noise, with what a test does not care about filled in."""

import numpy as np
from filled import filled

from weightspectra import contracts


def spectrum_row(layer, role, values, n_out, n_in):
    key = contracts.MatrixKey(layer, role)._asdict()
    return filled(
        contracts.SPECTRA, model="tiny", **key, n_out=n_out, n_in=n_in, singular_values=np.asarray(values, float)
    )


def bulk_row(layer, role, n_out, n_in, noise_std, bound_lower, bound_upper):
    noise = {"noise_std": noise_std, "bound_lower": bound_lower, "bound_upper": bound_upper}
    key = contracts.MatrixKey(layer, role)._asdict()
    return filled(contracts.BULK, model="tiny", **key, n_out=n_out, n_in=n_in, **noise)
