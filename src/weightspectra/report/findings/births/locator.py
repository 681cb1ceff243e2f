"""The finding on the locator: false alarms before training, precision and recall after it."""

from collections.abc import Iterator

from weightspectra.contracts.conclusions import CANNOT_BE_TOLD
from weightspectra.report.births.locator_tables import LOCATORS
from weightspectra.report.births.summaries import MATRIX_TITLES, spell, spread_of
from weightspectra.report.findings.finding import Conclusions, Finding, Row, counted, share_of
from weightspectra.report.kit import wording
from weightspectra.report.kit.wording import percent


def locator(found: Conclusions) -> Finding | None:
    """Score the locator against known memories: false alarms before training, precision and recall after it."""
    alarms = found.of("false_alarms").to_dict("records")
    if not alarms:
        return None
    lines = []
    for row in alarms:
        n_runs, n_births = (
            int(found.of(claim, detail=row["detail"])["number"].iloc[0]) for claim in ("runs_scored", "births_scored")
        )
        over = f"{wording.count(n_runs, 'run')} of {wording.count(n_births, 'birth')}"
        scored = "; ".join(_scores(found, row["detail"]))
        lines.append(f"{_alarms(row)}. After training, mean over {over}: {scored}.")
    return Finding(_headline(found, alarms[0]), lines)


def _alarms(row: Row) -> str:
    """Spell a locator's false alarms, and how many its level allows, if it keeps to one."""
    title = LOCATORS[row["detail"]]
    text = (
        f"{title[0].upper()}{title[1:]}, at initialisation, where there is nothing to find: values located in "
        f"{share_of(row)} of the random matrices"
    )
    if not row["test"]:
        return text
    or_more = wording.probability(row["p_value"])
    return f"{text}, by chance in {100 * row['reference']:g} % (so many or more: {or_more})"


def _scores(found: Conclusions, name: str) -> Iterator[str]:
    """Spell precision, recall and expected number of every matrix."""
    for matrix in found.of("located", detail=name)["matrix"]:
        claims = ("located", "located_learned", "located_expected", "located_precision", "located_recall")
        rows = [found.of(claim, detail=name, matrix=matrix).to_dict("records")[0] for claim in claims]
        located, learned, visible, precision, recall = (spell(spread_of(row)) for row in rows)
        counts = f"{located} located, {learned} of them learned, {visible} expected"
        if rows[3]["verdict"] == CANNOT_BE_TOLD:
            counts += ", true or false cannot be told"
        else:
            counts += f", precision {precision}, recall {recall}"
        yield f"{MATRIX_TITLES[matrix]} {counts}"


def _headline(found: Conclusions, alarms: Row) -> str:
    """Say what is located for a reason: because it was learned, and because it is a known memory."""
    name = alarms["detail"]
    learned, true = (found.of(claim, detail=name).iloc[0] for claim in ("learned_share", "true_share"))
    n_alarms, n_random = counted(alarms)
    false = f"in random matrices before it, false alarms in {n_alarms} of {n_random}"
    if not learned["n"]:
        return f"The {LOCATORS[name]} finds nothing after training; {false}"
    held = f", and {percent(true['number'])} % hold known memories" if true["n"] else ""
    held += " where that can be told" if held and true["why"] else ""
    return (
        f"Of the singular values that the {LOCATORS[name]} finds after training, {percent(learned['number'])} % "
        f"were learned{held}; {false}"
    )
