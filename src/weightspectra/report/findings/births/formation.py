"""The finding on time: when the induction head forms, and whether located values come before it."""

from collections.abc import Mapping, Sequence

import pandas as pd

from weightspectra.report.births import settings_in_words
from weightspectra.report.births.summaries import MATRIX_TITLES, spell, spread_of
from weightspectra.report.findings.finding import Conclusions, Finding, counted
from weightspectra.report.kit import wording

N_NAMED = 3
"""Births of which a finding speaks one by one; of the others it gives counts and spreads."""


def formation(found: Conclusions) -> Finding | None:
    """Say when the induction head forms, and whether located values come before it."""
    heads = found.of("induction_head_forms")
    if heads.empty:
        return None
    n_formed, n_runs = counted(found.of("runs_formed").to_dict("records")[0])
    n_told, _ = counted(found.of("runs_searched").to_dict("records")[0])
    learned = list(heads.loc[heads["n"] > 0, "birth"])
    lines = [_of_birth(found, name) for name in learned[:N_NAMED]]
    counts = _counts(found)
    if counts:
        apart = found.of("checkpoints_apart")["number"].iloc[0]
        lines.append(_counted(counts, n_formed, n_told, apart))
    without = [name for name in heads["birth"] if name not in learned]
    lines += [_without(found, without, n_runs - n_formed)] if n_formed < n_runs else []
    return Finding(_headline(counts, n_formed, n_runs, n_told), lines)


def _of_birth(found: Conclusions, name: str) -> str:
    formed = found.of("induction_head_forms", birth=name).to_dict("records")[0]
    text = (
        f"{settings_in_words.title(found.births, name)} ({wording.count(int(formed['n_all']), 'run')}): induction "
        f"accuracy is {formed['reference']:g} or more from iteration {spell(spread_of(formed))} on, and "
        f"{_final(found, name)} at last."
    )
    located = found.of("located_from", birth=name)
    spelled = [_event(found, name, matrix) for matrix in located["matrix"]]
    return f"{text} Located by the {located['detail'].iloc[0]} locator: {'; '.join(spelled)}." if spelled else text


def _final(found: Conclusions, name: str) -> str:
    return spell(spread_of(found.of("induction_accuracy", birth=name).to_dict("records")[0]))


def _event(found: Conclusions, birth: str, matrix: str) -> str:
    """Spell when a matrix's values are located, and how long before the induction head."""
    located, lead = (
        spread_of(found.of(claim, birth=birth, matrix=matrix).to_dict("records")[0])
        for claim in ("located_from", "located_before")
    )
    if not located.n:
        return f"{MATRIX_TITLES[matrix]} never"
    text = f"{MATRIX_TITLES[matrix]} from {spell(located)} on"
    if not lead.n:
        return text
    if lead.mean == 0:
        return f"{text}, at the same checkpoint on average"
    size = spell(lead._replace(mean=abs(lead.mean)))
    return f"{text}, {size} iterations {'earlier' if lead.mean > 0 else 'later'}"


def _counts(found: Conclusions) -> dict[str, dict[str, int]]:
    """Count for each matrix the runs in which located values come first, with, and not before the induction head."""
    order = ("located_first", "located_with", "located_later")
    rows: Mapping[str, pd.DataFrame] = {claim: found.of(claim).set_index("matrix") for claim in order}
    return {
        str(matrix): {claim: counted(of_claim.loc[matrix].to_dict())[0] for claim, of_claim in rows.items()}
        for matrix in rows[order[0]].index
    }


def _counted(counts: Mapping[str, Mapping[str, int]], n_formed: int, n_told: int, apart: float) -> str:
    spelled = [
        f"{MATRIX_TITLES[matrix]} in {n['located_first']}"
        + (f" (in {n['located_with']} at the same checkpoint)" if n["located_with"] else "")
        + (f" (in {n['located_later']} later or never)" if n["located_later"] else "")
        for matrix, n in counts.items()
    ]
    some = "" if n_told == n_formed else f", of which {n_told} were searched"
    return (
        f"An induction head formed in {wording.count(n_formed, 'run')}{some}; located values came first for "
        f"{wording.listing(spelled)}. Checkpoints lie up to {apart:,.0f} iterations apart there; what is located in "
        "the initialisation does not count."
    )


def _without(found: Conclusions, births: Sequence[str], n_runs: int) -> str:
    names = [
        f"{settings_in_words.title(found.births, name)} (induction accuracy {_final(found, name)} at last)"
        for name in births[:N_NAMED]
    ]
    more = [wording.count(len(births) - N_NAMED, "other birth")] if len(births) > N_NAMED else []
    all_of = f", among them all of {wording.listing([*names, *more])}" if names else ""
    return f"None formed in {wording.count(n_runs, 'run')}{all_of}."


def _headline(counts: Mapping[str, Mapping[str, int]], n_formed: int, n_runs: int, n_told: int) -> str:
    if not n_formed:
        return f"No induction head formed in {wording.count(n_runs, 'run')}"
    if not counts:
        return f"An induction head formed in {n_formed} of {wording.count(n_runs, 'run')}"
    first = {matrix: n["located_first"] == sum(n.values()) for matrix, n in counts.items()}
    before = [MATRIX_TITLES[matrix] for matrix, always in first.items() if always]
    others = [MATRIX_TITLES[matrix] for matrix, always in first.items() if not always]
    if not before:
        every = f"every one of {wording.count(n_told, 'run')}"
        return f"Outliers of no matrix appear before the induction head forms in {every}"
    which = "in which it does" if n_told == n_formed else "that were searched"
    runs = f"in the one run {which}" if n_told == 1 else f"in all {n_told} runs {which}"
    but = f", those of {wording.listing(others)} not in all" if others else ""
    return f"Outliers of {wording.listing(before)} appear before the induction head forms {runs}{but}"
