"""What keeping only located singular values, and removing them, does to births that learned."""

from collections.abc import Iterator, Mapping

import pandas as pd

from weightspectra.conclusions.births.events import FORMED, RUN, last_of
from weightspectra.conclusions.rows import Row, over_runs, row
from weightspectra.statistics.spread import Spread, spread

CUTS = ("keep_located", "remove_located", "remove_smallest")
"""Knock-outs, in the order in which they are shown; as many of the smallest values go as were located."""


def of_knockouts(rows: pd.DataFrame) -> Iterator[Row]:
    """Yield what each knock-out of the last checkpoint does, birth by birth, and what is left over all births.

    Parameters
    ----------
    rows : DataFrame
        Of ``contracts.KNOCKOUTS``; births that did not learn are counted, and left out.
    """
    effects = knockout_effects(rows)
    learned = effects[effects["untouched"] >= FORMED]
    for birth, of_birth in learned.groupby("birth", sort=False):
        first, *_ = of_birth.to_dict("records")
        yield over_runs("accuracy_before_knockout", Spread.of_row(first, "untouched", "n"), birth=birth)
        for effect in of_birth.to_dict("records"):
            names = {name: effect[name] for name in ("birth", "matrix", "cut")}
            change = Spread.of_row(effect, "change", "n")
            yield over_runs("knockout_change", change, standard_error=effect["change_error"], **names)
    whole = learned[learned["matrix"] == "all"]
    for cut in CUTS:
        of_cut = whole[whole["cut"] == cut]
        if len(of_cut):
            left = spread(of_cut["accuracy"] / of_cut["untouched"])
            yield over_runs("accuracy_left", left, matrix="all", cut=cut) | {"resampled": "birth"}
    omitted = effects["birth"].nunique() - learned["birth"].nunique()
    if len(learned):
        yield row("births_left_out", omitted, reference=FORMED, reference_kind="threshold")


def knockout_effects(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over runs what knocking out located values of the last checkpoint does.

    Parameters
    ----------
    rows : DataFrame
        Of ``contracts.KNOCKOUTS``.

    Returns
    -------
    DataFrame
        One row per birth, matrix and cut (a key of ``CUTS``): ``n_runs``, ``n`` of
        them that have the cut, ``n_values`` with ``n_values_sd``, ``untouched`` with
        ``untouched_sd``, ``accuracy``, ``change`` with ``change_sd``, and
        ``change_error`` (root mean square over runs of the standard error over sequences).
    """
    last = last_of(rows)
    untouched = last[last["cut"] == "none"].set_index(RUN)["in_context_accuracy"]
    located = last[last["cut"] == "keep_located"].set_index([*RUN, "matrix"])["n_values"]
    found = []
    for (birth, matrix), of_matrix in last[last["matrix"] != ""].groupby(["birth", "matrix"], sort=False):
        n_runs = of_matrix["seed"].nunique()
        for cut in CUTS:
            chosen = of_matrix[of_matrix["cut"] == cut]
            if cut == "remove_smallest":
                wanted = located.reindex(pd.MultiIndex.from_frame(chosen[[*RUN, "matrix"]])).to_numpy()
                chosen = chosen[chosen["n_values"].to_numpy() == wanted]
            chosen = chosen.drop_duplicates("seed")
            if chosen.empty:
                continue
            of_runs = {
                "n_values": chosen["n_values"],
                "untouched": untouched[untouched.index.get_level_values("birth") == birth],
                "accuracy": chosen["in_context_accuracy"],
                "change": chosen["accuracy_change"],
            }
            error = float((chosen["accuracy_change_error"] ** 2).mean() ** 0.5)
            named = {"birth": birth, "matrix": matrix, "cut": cut, "n_runs": n_runs, "n": chosen["seed"].nunique()}
            numbers = _flat({name: spread(values) for name, values in of_runs.items()})
            found.append({**named, **numbers, "change_error": error})
    columns = ["birth", "matrix", "cut", "n_runs", "n"]
    columns += [f"{name}{end}" for name in ("n_values", "untouched", "accuracy", "change") for end in ("", "_sd")]
    return pd.DataFrame(found, columns=[*columns, "change_error"])


def _flat(found: Mapping[str, Spread]) -> dict[str, float]:
    """Lay out means and spreads as columns."""
    return {
        f"{name}{end}": value
        for name, numbers in found.items()
        for end, value in (("", numbers.mean), ("_sd", numbers.sd))
    }
