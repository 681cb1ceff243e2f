"""Findings on trained births: when the induction head forms, what located values do, and how the locator scores."""

from collections.abc import Mapping, Sequence

import pandas as pd
from scipy import stats

from weightspectra.report.births import birth_settings
from weightspectra.report.births.birth_summaries import (
    FORMED,
    INDUCTION,
    MATRIX_TITLES,
    RUN,
    Spread,
    by_matrix,
    distance,
    final_probe,
    formed_from,
    last_of,
    leads,
    spell,
    spread,
)
from weightspectra.report.births.birth_tables import CUTS, by_cut, change, knockout_effects
from weightspectra.report.births.locator_tables import LOCATORS
from weightspectra.report.kit import wording
from weightspectra.report.kit.finding import Finding
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.wording import percent, share

N_NAMED = 3
"""Births of which a finding speaks one by one; of the others it gives counts and spreads."""

PROMISING = ("blind", "informed")
"""The locators that keep to a level of false alarms."""

LOCATOR = "blind"
"""The locator of which findings on time speak: the one that sees no more than a user has."""


def formation(data: Measurements) -> Finding | None:
    """Say when the induction head forms, and whether located values come before it."""
    if data.probes.empty:
        return None
    formed = formed_from(data.probes)
    found = leads(data.locations, data.probes, LOCATOR)
    told = found[found["formed"].notna()]
    learned = [name for name in data.births if name in formed.index and formed.loc[[name]].notna().any()]
    lines = [_birth_line(name, data, formed.loc[[name]], found[found["birth"] == name]) for name in learned[:N_NAMED]]
    counts = {matrix: _order_of_events(rows) for matrix, rows in by_matrix(told)}
    n_runs, n_told = int(formed.notna().sum()), len(told[RUN].drop_duplicates())
    lines += [_counted(counts, n_runs, n_told, distance(data.probes))] if counts else []
    without = [name for name in data.births if name not in learned]
    lines += [_without(without, len(formed) - n_runs, data)] if n_runs < len(formed) else []
    numbers = {f"{matrix}/{kind}": float(n) for matrix, kinds in counts.items() for kind, n in kinds.items()}
    for name in learned:
        numbers[f"{name}/formed"] = spread(formed.loc[[name]]).mean
        for matrix, rows in by_matrix(found[found["birth"] == name]):
            numbers[f"{name}/{matrix}/lead"] = spread(rows["lead"]).mean
    return Finding(_formation_headline(formed, counts, n_told), lines, numbers)


def _birth_line(name: str, data: Measurements, formed: pd.Series, found: pd.DataFrame) -> str:
    accuracy = spell(spread(final_probe(data.probes, INDUCTION).loc[[name]]))
    text = (
        f"{birth_settings.title(data.births, name)} ({wording.count(len(formed), 'run')}): induction accuracy is "
        f"{FORMED:g} or more from iteration {spell(spread(formed))} on, and {accuracy} at last."
    )
    spelled = [_event(matrix, rows) for matrix, rows in by_matrix(found)]
    return f"{text} Located by the {LOCATOR} locator: {'; '.join(spelled)}." if spelled else text


def _event(matrix: str, rows: pd.DataFrame) -> str:
    """Spell when a matrix's values are located, and how long before the induction head."""
    title, located, lead = MATRIX_TITLES[matrix], spread(rows["located"]), spread(rows["lead"])
    if not located.n:
        return f"{title} never"
    text = f"{title} from {spell(located)} on"
    if not lead.n:
        return text
    if lead.mean == 0:
        return f"{text}, at the same checkpoint on average"
    size = spell(lead._replace(mean=abs(lead.mean)))
    return f"{text}, {size} iterations {'earlier' if lead.mean > 0 else 'later'}"


def _order_of_events(rows: pd.DataFrame) -> dict[str, int]:
    """Count the runs in which located values come before, with, and not before the induction head."""
    first, same = int((rows["lead"] > 0).sum()), int((rows["lead"] == 0).sum())
    return {"first": first, "same": same, "later": len(rows) - first - same}


def _counted(counts: Mapping[str, Mapping[str, int]], n_runs: int, n_told: int, apart: float) -> str:
    spelled = [
        f"{MATRIX_TITLES[matrix]} in {found['first']}"
        + (f" (in {found['same']} at the same checkpoint)" if found["same"] else "")
        + (f" (in {found['later']} later or never)" if found["later"] else "")
        for matrix, found in counts.items()
    ]
    some = "" if n_told == n_runs else f", of which {n_told} were searched"
    return (
        f"An induction head formed in {wording.count(n_runs, 'run')}{some}; located values came first for "
        f"{wording.listing(spelled)}. Checkpoints lie up to {apart:,.0f} iterations apart there; what is located in "
        "the initialisation does not count."
    )


def _without(births: Sequence[str], n_runs: int, data: Measurements) -> str:
    last = final_probe(data.probes, INDUCTION)
    names = [
        f"{birth_settings.title(data.births, name)} (induction accuracy {spell(spread(last.loc[[name]]))} at last)"
        for name in births[:N_NAMED]
        if name in last.index
    ]
    more = [wording.count(len(births) - N_NAMED, "other birth")] if len(births) > N_NAMED else []
    all_of = f", among them all of {wording.listing([*names, *more])}" if names else ""
    return f"None formed in {wording.count(n_runs, 'run')}{all_of}."


def _formation_headline(formed: pd.Series, counts: Mapping[str, Mapping[str, int]], n_told: int) -> str:
    n = int(formed.notna().sum())
    if not n:
        return f"No induction head formed in {wording.count(len(formed), 'run')}"
    if not counts:
        return f"An induction head formed in {n} of {wording.count(len(formed), 'run')}"
    before = [MATRIX_TITLES[matrix] for matrix, found in counts.items() if found["first"] == sum(found.values())]
    others = [MATRIX_TITLES[matrix] for matrix, found in counts.items() if found["first"] < sum(found.values())]
    if not before:
        every = f"every one of {wording.count(n_told, 'run')}"
        return f"Outliers of no matrix appear before the induction head forms in {every}"
    which = "in which it does" if n_told == n else "that were searched"
    runs = f"in the one run {which}" if n_told == 1 else f"in all {n_told} runs {which}"
    but = f", those of {wording.listing(others)} not in all" if others else ""
    return f"Outliers of {wording.listing(before)} appear before the induction head forms {runs}{but}"


def knockouts(data: Measurements) -> Finding | None:
    """Say what keeping only located values, and removing them, does to births that learned."""
    effects = knockout_effects(data.knockouts)
    learned = effects[effects["untouched"] >= FORMED]
    names = [name for name in data.births if (learned["birth"] == name).any()]
    if not names:
        return None
    lines = [_knockout_line(name, learned[learned["birth"] == name], data) for name in names[:N_NAMED]]
    whole = learned[learned["matrix"] == "all"]
    left = {
        cut: spread(rows["accuracy"] / rows["untouched"])
        for cut, rows in ((cut, whole[whole["cut"] == cut]) for cut in CUTS)
        if len(rows)
    }
    if len(names) > 1 and left:
        told = [f"{CUTS[cut].lower()}, {_percents(found)} %" for cut, found in left.items()]
        lines.append(
            f"Left of the accuracy over {len(names)} births, all matrices at once: {'; '.join(told)} (mean ± standard "
            "deviation over births)."
        )
    omitted = effects["birth"].nunique() - len(names)
    if omitted:
        lines.append(f"Left out: {wording.count(omitted, 'birth')} whose accuracy is below {FORMED:g}.")
    numbers = {
        f"{row['birth']}/{row['matrix']}/{row['cut']}": float(row["change"]) for row in learned.to_dict("records")
    }
    return Finding(_knockout_headline(left), lines, numbers)


def _knockout_line(name: str, rows: pd.DataFrame, data: Measurements) -> str:
    """Spell one birth: all matrices together, and what each alone loses without its located values."""
    by_cuts = {matrix: by_cut(of_matrix) for matrix, of_matrix in by_matrix(rows)}
    together = by_cuts.pop("all", {})
    changes = [f"{change(together[cut])} {words}" for cut, words in _DONE.items() if cut in together]
    alone = [
        f"{change(cuts['remove_located'])} in {MATRIX_TITLES[matrix]}"
        for matrix, cuts in by_cuts.items()
        if "remove_located" in cuts
    ]
    start = spell(Spread.of_row(rows.to_dict("records")[0], "untouched", "n"))
    text = f"{birth_settings.title(data.births, name)}, accuracy {start}."
    text += f" All matrices together: {', '.join(changes)}." if changes else ""
    return text + (f" Without the located values of one matrix: {', '.join(alone)}." if alone else "")


_DONE = {
    "keep_located": "with nothing but located values",
    "remove_located": "without them",
    "remove_smallest": "without as many of the smallest",
}


def _percents(found: Spread) -> str:
    return percent(found.mean) + (f" ± {percent(found.sd)}" if found.sd > 0 else "")


def _knockout_headline(left: Mapping[str, Spread]) -> str:
    if not {"keep_located", "remove_located"} <= left.keys():
        return "What located singular values do"
    kept, removed = left["keep_located"].mean, left["remove_located"].mean
    return (
        f"Located singular values alone keep {percent(kept)} % of the accuracy in context; without them "
        f"{percent(removed)} % is left"
    )


def locator(data: Measurements) -> Finding | None:
    """Score the locator against known memories: false alarms before training, precision and recall after it."""
    if data.locations.empty:
        return None
    lines: list[str] = []
    numbers: dict[str, float] = {}
    headline = ""
    chance = float(data.bulk["level"].iloc[0]) / 2
    for name in LOCATORS:
        rows = data.locations[data.locations["locator"] == name]
        if rows.empty:
            continue
        first, last = initial(rows), last_of(rows[rows["iteration"] > 0])
        numbers |= {f"{name}/alarms": int((first["n_located"] > 0).sum()), f"{name}/initial": len(first)}
        numbers[f"{name}/located"] = int(last["n_located"].sum())
        numbers[f"{name}/learned"] = int(last["n_learned"].sum())
        headline = headline or _locator_headline(name, first, last)
        runs = last[RUN].drop_duplicates()
        over = f"{wording.count(len(runs), 'run')} of {wording.count(runs['birth'].nunique(), 'birth')}"
        lines.append(f"{_alarms(name, first, chance)}. After training, mean over {over}: {'; '.join(_scored(last))}.")
        for matrix, of_matrix in by_matrix(last):
            numbers |= {f"{name}/{matrix}/{what}": spread(of_matrix[what]).mean for what in ("precision", "recall")}
    return Finding(headline, lines, numbers)


def initial(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each different random matrix: births of one seed and width begin with the same ones."""
    first = rows[rows["iteration"] == 0]
    return first.drop_duplicates(["seed", "matrix", "entry_std", "bound", "n_located"])


def _alarms(name: str, first: pd.DataFrame, chance: float) -> str:
    """Spell a locator's false alarms, and how many its level allows, if it keeps to one."""
    alarms, title = int((first["n_located"] > 0).sum()), LOCATORS[name]
    text = (
        f"{title[0].upper()}{title[1:]}, at initialisation, where there is nothing to find: values located in "
        f"{share(alarms, len(first))} of the random matrices"
    )
    or_more = float(stats.binom.sf(alarms - 1, len(first), chance))
    promised = f", by chance in {100 * chance:g} % (so many or more: {wording.probability(or_more)})"
    return text + promised if name in PROMISING else text


def _scored(last: pd.DataFrame) -> list[str]:
    """Spell precision, recall and expected number of every matrix."""
    parts = []
    for matrix, rows in by_matrix(last):
        located, learned, visible = (spell(spread(rows[name])) for name in ("n_located", "n_learned", "n_visible"))
        counts = f"{located} located, {learned} of them learned, {visible} expected"
        precision, recall = spread(rows["precision"]), spread(rows["recall"])
        if not rows["n_true"].notna().any():
            counts += ", true or false cannot be told"
        else:
            counts += f", precision {spell(precision)}, recall {spell(recall)}"
        parts.append(f"{MATRIX_TITLES[matrix]} {counts}")
    return parts


def _locator_headline(name: str, first: pd.DataFrame, last: pd.DataFrame) -> str:
    """Say what is located for a reason: because it was learned, and because it is a known memory."""
    told = last[last["n_true"].notna() & (last["n_located"] > 0)]
    n_located, n_learned = int(last["n_located"].sum()), int(last["n_learned"].sum())
    alarms = f"in random matrices before it, false alarms in {int((first['n_located'] > 0).sum())} of {len(first)}"
    if not n_located:
        return f"The {LOCATORS[name]} finds nothing after training; {alarms}"
    held = ""
    if len(told):
        # Where memories fill the whole space, nobody can say what is one.
        share_held = percent(told["n_true"].sum() / told["n_located"].sum())
        held = f", and {share_held} % hold known memories" + (
            " where that can be told" if len(told) < len(last) else ""
        )
    return (
        f"Of the singular values that the {LOCATORS[name]} finds after training, {percent(n_learned / n_located)} % "
        f"were learned{held}; {alarms}"
    )
