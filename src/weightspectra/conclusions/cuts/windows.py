"""The same cuts in windows of two lengths: whether what they cost per token hangs on the window."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from weightspectra.conclusions.cuts.experiments import MAIN_METRIC, UNTOUCHED, names_of, tested, windows_in_words
from weightspectra.conclusions.families import judge
from weightspectra.conclusions.rows import Row, row
from weightspectra.statistics.paired import compare

Pair = Sequence[str]
"""A model, its experiments in the shorter and in the longer windows, and their corpus."""


def conclude(evaluations: pd.DataFrame, *, seed: int, window_pairs: Sequence[Pair]) -> pd.DataFrame:
    """Compare what each cut adds to the loss in the shorter windows with what it adds in the longer ones.

    The quantity is the change of log-perplexity (nats per token) in the one minus
    that in the other, paired over the documents that both scored. A document
    has one weight in both, the tokens that both scored of it together, so that
    the two differ in the windows and not in the mix of documents. Error, interval
    and test are those of :func:`weightspectra.statistics.paired.compare`.

    Parameters
    ----------
    evaluations : DataFrame
        Rows of ``contracts.EVALUATIONS``.
    seed : int
        Of resamples and signs.
    window_pairs : sequence of (model, experiment, experiment, corpus)
        The experiment with the shorter windows first.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``, none of matched controls and of cuts that stand in one experiment only:
        ``experiment``, ``setting`` (tokens) and ``detail`` name the shorter windows, ``beside`` and
        ``reference_kind`` the longer ones; ``reference`` is the change there.
    """
    return judge([found for pair in window_pairs for found in _beside(evaluations, pair, seed)], "windows")


def _beside(evaluations: pd.DataFrame, pair: Pair, seed: int) -> Iterator[Row]:
    model, *experiments, corpus = pair
    text = evaluations[(evaluations["model"] == model) & (evaluations["metric"] == MAIN_METRIC)]
    shorter, longer = (
        {cut["cut"]: cut for cut in text[text["experiment"] == name].to_dict("records")} for name in experiments
    )
    for label, cut in shorter.items():
        if label == UNTOUCHED or cut["control_of"] or label not in longer:
            continue
        windows, others = (windows_in_words(one).removeprefix(" in ") for one in (cut, longer[label]))
        yield row(
            "change_moves_with_window",
            **names_of(cut),
            beside=experiments[1],
            corpus=corpus,
            detail=windows,
            setting=cut["window"],
            reference_kind=others,
            **_compared(cut, _added(shorter, label).join(_added(longer, label), how="inner", rsuffix="_longer"), seed),
        )


def _added(cuts: Mapping[Any, Mapping[Any, Any]], label: str) -> pd.DataFrame:
    """Return what a cut adds to the loss of each document, in nats per token, and the tokens scored there."""
    values, untouched = (np.asarray(cuts[name]["unit_values"], dtype=float) for name in (label, UNTOUCHED))
    tokens = np.asarray(cuts[label]["unit_weights"], dtype=float)
    with np.errstate(invalid="ignore"):
        found = pd.DataFrame({"added": (values - untouched) / tokens, "tokens": tokens}, index=cuts[label]["units"])
    return found[found["tokens"] > 0]


def _compared(cut: Mapping[Any, Any], both: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Return the number, its reference and its test, from the documents that both experiments scored."""
    if both.empty:
        return {"n": 0, "resampled": cut["unit"], "why": "no document was scored in both windows"}
    tokens = (both["tokens"] + both["tokens_longer"]).to_numpy()
    here, there = (tokens * both[name].to_numpy() for name in ("added", "added_longer"))
    difference, *numbers = (float(column[0]) for column in compare("mean", here, there, tokens, seed=seed))
    with np.errstate(invalid="ignore"):
        reference = float(there.sum() / tokens.sum())
    return {"number": difference, "reference": reference, **tested({**cut, "units": both.index}, *numbers)}
