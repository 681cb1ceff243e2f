"""Rows of spectra and of their noise, with what a test does not care about filled in."""

import numpy as np

from weightspectra import contracts


def filled(contract, **known):
    """Return a row of a contract; columns that are not given are zero or empty."""
    empty = {"string": "", "bool": False}
    rest = {field.name: [] if "list" in str(field.type) else empty.get(str(field.type), 0) for field in contract.schema}
    return rest | known


def spectrum_row(layer, role, values, n_out, n_in):
    key = contracts.MatrixKey(layer, role)._asdict()
    return filled(
        contracts.SPECTRA, model="tiny", **key, n_out=n_out, n_in=n_in, singular_values=np.asarray(values, float)
    )


def bulk_row(layer, role, n_out, n_in, noise_std, bound_lower, bound_upper):
    noise = {"noise_std": noise_std, "bound_lower": bound_lower, "bound_upper": bound_upper}
    key = contracts.MatrixKey(layer, role)._asdict()
    return filled(contracts.BULK, model="tiny", **key, n_out=n_out, n_in=n_in, **noise)
