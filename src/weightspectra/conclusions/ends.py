"""Which ends of the spectra hold directions that noise does not explain, beside a random control."""

from collections.abc import Iterator, Mapping

import pandas as pd

from weightspectra.conclusions.beside_random import compared, unchanged
from weightspectra.conclusions.families import judge
from weightspectra.conclusions.random_controls import control_of, models
from weightspectra.conclusions.rows import Row, row, share

REGIONS = ("largest tenth", "smallest tenth")


def conclude(
    information: pd.DataFrame,
    bulk: pd.DataFrame,
    matrices: pd.DataFrame,
    *,
    controls: Mapping[str, str],
    structured: Mapping[str, str],
) -> pd.DataFrame:
    """Average the information at both ends, and test trained matrices against random ones.

    Parameters
    ----------
    information, bulk, matrices : DataFrame
        Rows of the contracts of these names; of ``bulk`` the models.
    controls : mapping
        From each random control to the model that it is made like.
    structured : mapping
        The same of structure-keeping controls, which are averaged and not compared.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``.
    """
    rows: list[Row] = []
    for model in models(bulk["model"], controls, structured):
        control = control_of(model, controls)
        same = unchanged(matrices, model, control)
        for region in REGIONS:
            one, other = (_of(information, name, region) for name in (model, control))
            rows += _information(one, model=model, region=region)
            rows += _information(other, model=control, region=region)
            if len(one) and len(other):
                names = {"model": model, "beside": control, "region": region}
                rows += compared(one, other, "information", same, "more_information_than_control", **names)
    for model in (name for name in structured if name in set(bulk["model"])):
        for region in REGIONS:
            rows += _information(_of(information, model, region), model=model, region=region)
    return judge(rows, "ends")


def _of(information: pd.DataFrame, model: str, region: str) -> pd.DataFrame:
    return information[(information["model"] == model) & (information["region"] == region)]


def _information(rows: pd.DataFrame, **names: str) -> Iterator[Row]:
    rows = rows[rows["information"].notna()]
    if rows.empty:
        return
    yield row("information", rows["information"].mean(), n=len(rows), resampled="matrix", **names)
    for role, mean in rows.groupby("role")["information"].mean().items():
        yield row("information", mean, n=int((rows["role"] == role).sum()), resampled="matrix", role=role, **names)
    beyond = int((rows["information_low"] > 0).sum())
    yield share("information_beyond_chance", beyond, len(rows), interval_level=0.95, **names)
