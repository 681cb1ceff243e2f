"""Accuracies of fine-tuned classifiers by decile removed, beside what was concluded of them."""

import pandas as pd

from weightspectra.report.findings.finding import holds

BAND_SDS = 3.0
"""Half width of the untouched runs' band in standard deviations, as in the paper's figure 6."""

KEY = ["model", "finetuning", "order", "epoch", "decile"]
TESTED = {
    **{"number": "difference", "standard_error": "standard_error", "low": "difference_low", "high": "difference_high"},
    **{"p_value": "p_value", "p_corrected": "q_value"},
}
"""From columns of ``contracts.FINDINGS`` to what they are called beside accuracies."""


def effects(rows: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Average over the runs of every removal, and over the untouched ones of the same seeds.

    Parameters
    ----------
    rows : DataFrame
        Of ``contracts.FINETUNINGS``; several models and fine-tunings may stand together.
    found : DataFrame
        Rows of ``contracts.FINDINGS``, among them those of the claim ``accuracy_change``.

    Returns
    -------
    DataFrame
        One row per model, fine-tuning, order (``remove_first`` or ``remove_last``), epoch and decile, sorted so:

        ``n_seeds``, ``n_test``
            Runs with this removal, and test examples.
        ``removed_energy``, ``accuracy``, ``auc``, ``loss``
            Means over these runs.
        ``reference``
            Mean accuracy of the untouched runs of the same seeds.
        ``difference``, ``standard_error``, ``difference_low``, ``difference_high``, ``p_value``, ``q_value``, ``told``
            Of ``accuracy`` to ``reference``, as concluded; the last: whether it is significant.
        ``untouched``, ``untouched_sd``, ``n_untouched``
            Mean accuracy of all untouched runs at this epoch, its standard
            deviation from run to run, and how many there are.
        ``band_low``, ``band_high``
            ``untouched`` -+ 3 ``untouched_sd``, the grey band of the paper's figure 6.
    """
    free = dict(iter(rows[rows["order"] == "none"].groupby(["model", "finetuning", "epoch"])))
    means = []
    for place, removed in rows[rows["order"] != "none"].groupby(KEY):
        model, name, _, epoch, _ = place
        untouched = free[model, name, epoch]
        means.append(dict(zip(KEY, place, strict=True)) | _means(removed, untouched))
    if not means:
        return pd.DataFrame()
    named = found[found["claim"] == "accuracy_change"].rename(
        columns={"experiment": "finetuning", "detail": "order", "setting": "epoch", **TESTED}
    )
    told = named.assign(told=holds(named))
    tested = told[[*KEY, *TESTED.values(), "told"]].astype({"epoch": int, "decile": int})
    return pd.DataFrame(means).merge(tested, on=KEY, validate="one_to_one")


def _means(removed: pd.DataFrame, untouched: pd.DataFrame) -> dict[str, float]:
    """Average over the runs of one removal at one epoch, and over all untouched runs at that epoch."""
    partners = untouched.set_index("seed").loc[removed["seed"]]
    mean, sd = untouched["accuracy"].mean(), untouched["accuracy"].std(ddof=1)
    return {
        "n_seeds": len(removed),
        "n_test": len(removed["right"].iloc[0]),
        **{name: removed[name].mean() for name in ("removed_energy", "accuracy", "auc", "loss")},
        "reference": partners["accuracy"].mean(),
        "untouched": mean,
        "untouched_sd": sd,
        "n_untouched": len(untouched),
        "band_low": mean - BAND_SDS * sd,
        "band_high": mean + BAND_SDS * sd,
    }
