"""The finding on knock-outs: what located values do in births that learned."""

from collections.abc import Mapping

import pandas as pd

from weightspectra.report.births import settings_in_words
from weightspectra.report.births.summaries import MATRIX_TITLES, spell, spread_of
from weightspectra.report.births.tables import CUTS
from weightspectra.report.findings.births.formation import N_NAMED
from weightspectra.report.findings.finding import Conclusions, Finding, Row
from weightspectra.report.kit import wording
from weightspectra.report.kit.wording import percent
from weightspectra.statistics.spread import Spread

_DONE = {
    "keep_located": "with nothing but located values",
    "remove_located": "without them",
    "remove_smallest": "without as many of the smallest",
}


def knockouts(found: Conclusions) -> Finding | None:
    """Say what keeping only located values, and removing them, does to births that learned."""
    names = list(found.of("accuracy_before_knockout")["birth"])
    if not names:
        return None
    lines = [_of_birth(found, name) for name in names[:N_NAMED]]
    left = {row["cut"]: spread_of(row) for row in found.of("accuracy_left").to_dict("records")}
    if len(names) > 1 and left:
        told = [f"{CUTS[cut].lower()}, {_percents(of_cut)} %" for cut, of_cut in left.items()]
        lines.append(
            f"Left of the accuracy over {len(names)} births, all matrices at once: {'; '.join(told)} (mean ± standard "
            "deviation over births)."
        )
    omitted = found.of("births_left_out").iloc[0]
    if omitted["number"]:
        n = wording.count(int(omitted["number"]), "birth")
        lines.append(f"Left out: {n} whose accuracy is below {omitted['reference']:g}.")
    return Finding(_headline(left), lines)


def _of_birth(found: Conclusions, name: str) -> str:
    """Spell one birth: all matrices together, and what each alone loses without its located values."""
    rows = found.of("knockout_change", birth=name)
    together = _by_cut(rows, "all")
    changes = [f"{_change(together[cut])} {words}" for cut, words in _DONE.items() if cut in together]
    alone = [
        f"{_change(cuts['remove_located'])} in {title}"
        for matrix, title in MATRIX_TITLES.items()
        if matrix != "all" and "remove_located" in (cuts := _by_cut(rows, matrix))
    ]
    start = spell(spread_of(found.of("accuracy_before_knockout", birth=name).to_dict("records")[0]))
    text = f"{settings_in_words.title(found.births, name)}, accuracy {start}."
    text += f" All matrices together: {', '.join(changes)}." if changes else ""
    return text + (f" Without the located values of one matrix: {', '.join(alone)}." if alone else "")


def _by_cut(rows: pd.DataFrame, matrix: str) -> dict[str, Row]:
    return {str(row["cut"]): row for row in rows[rows["matrix"] == matrix].to_dict("records")}


def _change(row: Row) -> str:
    """Spell a change of accuracy with the larger of its spread over runs and its error over sequences."""
    error = max(row["standard_error"], row["sd"] if row["n"] > 1 else 0)
    return wording.measurement(row["number"], error, signed=True)


def _percents(found: Spread) -> str:
    return percent(found.mean) + (f" ± {percent(found.sd)}" if found.sd > 0 else "")


def _headline(left: Mapping[str, Spread]) -> str:
    if not {"keep_located", "remove_located"} <= left.keys():
        return "What located singular values do"
    kept, removed = left["keep_located"].mean, left["remove_located"].mean
    return (
        f"Located singular values alone keep {percent(kept)} % of the accuracy in context; without them "
        f"{percent(removed)} % is left"
    )
