"""How many singular values lie beyond the calibrated bounds of noise, beside a random control."""

from collections.abc import Iterator, Mapping

import pandas as pd

from weightspectra.conclusions.beside_random import compared, unchanged
from weightspectra.conclusions.families import judge
from weightspectra.conclusions.random_controls import control_of, models
from weightspectra.conclusions.rows import Row, share
from weightspectra.contracts import ROLES
from weightspectra.contracts.conclusions import CALIBRATED
from weightspectra.statistics.multiple import consistent

REGIONS = ("above", "below")


def conclude(
    bulk: pd.DataFrame, matrices: pd.DataFrame, *, controls: Mapping[str, str], structured: Mapping[str, str]
) -> pd.DataFrame:
    """Count values beyond the calibrated bounds, and test trained matrices against random ones.

    Matrices without a law, and values below the rounding floor, are left out.

    Parameters
    ----------
    bulk, matrices : DataFrame
        Rows of the contracts of these names.
    controls : mapping
        From each random control to the model that it is made like.
    structured : mapping
        The same of structure-keeping controls, which are counted and not compared.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``.
    """
    trained = models(bulk["model"], controls, structured)
    fitted = bulk[bulk["why"] == ""]
    fitted = fitted.assign(n_told=fitted["n_values"] - fitted["n_below_floor"])
    rows: list[Row] = []
    for model in [*trained, *(name for name in (*controls, *structured) if name in set(bulk["model"]))]:
        of_model = fitted[fitted["model"] == model]
        if of_model.empty:
            continue
        fits = consistent(of_model["bulk_p_value"], of_model["level"])
        names = {"model": model, "level": of_model["level"].iloc[0]}
        rows.append(share("bulk_fits", int(fits.sum()), len(of_model), **names))
        for role in (role for role in ROLES if (of_model["role"] == role).any()):
            of_role = fits[of_model["role"] == role]
            rows.append(share("bulk_fits", int(of_role.sum()), len(of_role), role=role, **names))
        for region in REGIONS:
            rows += _counts(of_model, model=model, region=region, bound=CALIBRATED)
    for model in trained:
        control = control_of(model, controls)
        one, other = (fitted[fitted["model"] == name] for name in (model, control))
        same = unchanged(matrices, model, control)
        for region in REGIONS if len(one) and len(other) else ():
            names = {"model": model, "beside": control, "region": region, "bound": CALIBRATED}
            rows += compared(one, other, f"n_{region}_bound", same, "more_beyond_bound_than_control", **names)
    return judge(rows, "bounds")


def _counts(bulk: pd.DataFrame, *, region: str, **names: str) -> Iterator[Row]:
    """Count one model's values beyond one bound: all together, role by role, and matrices that have any."""
    column, both = f"n_{region}_bound", {"region": region, **names}
    n = int(bulk[column].sum())
    yield share("beyond_bound", n, int(bulk["n_told"].sum()), **both)
    for role, sums in bulk.groupby("role")[[column, "n_told"]].sum().iterrows():
        yield share("beyond_bound", int(sums[column]), int(sums["n_told"]), role=role, **both)
    explained = int((bulk[column] - bulk[f"n_{region}_profile"]).clip(lower=0).sum())
    yield share("beyond_bound_explained", explained, n, **both)
    chance = {"reference": bulk["level"].iloc[0] / 2, "reference_kind": "chance"}
    yield share("matrices_beyond_bound", int((bulk[column] > 0).sum()), len(bulk), **both, **chance)
