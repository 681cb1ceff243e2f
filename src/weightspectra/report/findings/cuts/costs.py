"""The finding on what cuts cost, and whether the smallest singular values cost more than the middle ones."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from weightspectra.conclusions.cuts.experiments import FIRST_POSITIONS
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD
from weightspectra.report.cuts.costs import metric_title
from weightspectra.report.findings.cuts.scores import EXPERIMENT, describe, main, untouched
from weightspectra.report.findings.finding import Conclusions, Finding, each, holds, worse
from weightspectra.report.kit import wording
from weightspectra.report.kit.storage import coarse_models
from weightspectra.report.kit.wording import ROLE_TITLES, probability

DEARER, CHEAPER = "smallest_costs_more_than_middle", "smallest_costs_less_than_middle"


def removal_cost(found: Conclusions) -> Finding | None:
    """Say what removing singular values costs, and whether the smallest cost more than the middle ones."""
    lines: list[str] = []
    middles: list[pd.DataFrame] = []
    everything = found.of("change_after_cut", subject="costs")
    for _, model, experiment, rows in each(everything, *EXPERIMENT):
        cuts = main(rows)
        first = cuts.to_dict("records")[0]
        names = {"model": model, "experiment": experiment, "metric": first["metric"]}
        middle, cheaper = found.of(DEARER, **names), found.of(CHEAPER, **names)
        middles.append(middle)
        worst = cuts.sort_values("number", kind="stable").iloc[-1]
        change = wording.measurement(worst["number"], worst["standard_error"], signed=True)
        lines.append(
            f"{found.title(model)}, {experiment} ({describe(found, untouched(found, first))}): the dearest of "
            f"{len(cuts)} cuts is {worst['cut']}, {change} in {metric_title(first['metric'])}; {_counts(cuts)}."
            f"{_too_few(cuts)}{_first_positions(found, worst.to_dict())}"
        )
        lines += [*_hurting_roles(cuts), *_middle_sentence(middle, cheaper)]
    if not lines:
        return None
    return Finding(_headline(pd.concat(middles)), lines + coarse_models(found.rows, found.titles, everything["model"]))


def _headline(middle: pd.DataFrame) -> str:
    if middle.empty:
        return "What removing singular values costs"
    dearer = middle.loc[holds(middle), "role"]
    if len(dearer):
        where = f"{wording.roles(dearer)} matrices"
        return f"Removing the smallest tenth costs significantly more than a middle one in {where}"
    if (middle["verdict"] == CANNOT_BE_TOLD).all():
        return "Too little was scored to tell whether removing the smallest tenth costs more than a middle one"
    return "Removing the smallest tenth costs significantly more than a middle one in no role"


def _counts(cuts: pd.DataFrame) -> str:
    """Count the cuts whose change is significant, and those whose change is not."""
    if cuts["p_corrected"].isna().all():
        return "no change was tested"
    told, harm = holds(cuts), worse(cuts)
    hurt, help_ = int((told & harm).sum()), int((told & ~harm).sum())
    counted = [(hurt, "hurt significantly"), (help_, "improve it significantly")]
    counted.append((len(cuts) - hurt - help_, "change it not significantly"))
    return wording.listing([f"{number} {what}" for number, what in counted if number])


def _too_few(cuts: pd.DataFrame) -> str:
    """Say that so few documents or items cannot show anything, if none of the verdicts can be told."""
    if not (cuts["verdict"] == CANNOT_BE_TOLD).all():
        return ""
    units = wording.count(int(cuts["n"].max()), str(cuts["resampled"].iloc[0]))
    return f" {units.capitalize()} cannot show that a change is significant: score more."


def _first_positions(found: Conclusions, cut: Mapping[Any, Any]) -> str:
    """Say so if most of a cut's damage lies at the first positions of windows, where few of the tokens are.

    Unless the cut was evaluated in windows of two lengths, say that it should be.
    """
    names = {name: cut[name] for name in ("model", "experiment", "metric", "cut")}
    early = found.one("damage_at_first_positions", subject="costs", **names)
    if early is None or early["number"] < max(0.5, 2 * early["reference"]):
        return ""
    moves = found.of("change_moves_with_window", model=cut["model"], cut=cut["cut"])
    again = (moves[["experiment", "beside"]] == cut["experiment"]).any(axis=None)
    advice = "" if again else ": evaluate it in a second experiment with another `window`"
    return (
        f" {100 * min(early['number'], 1):.0f} % of its damage lies at the first {FIRST_POSITIONS} positions of "
        f"windows, which have {wording.percent(early['reference'])} % of the tokens: with windows of another "
        f"length it costs something else per token{advice}."
    )


def _hurting_roles(cuts: pd.DataFrame) -> list[str]:
    """Say in which roles removing the smallest decile hurts significantly."""
    one_role = (cuts["scope"] == "role") & ~cuts["role"].str.contains("+", regex=False)
    smallest = cuts[one_role & (cuts["decile"] == 1) & (cuts["verdict"] != CANNOT_BE_TOLD)]
    if smallest.empty:
        return []
    hurt = smallest[holds(smallest) & worse(smallest)]
    which = f": {wording.roles(hurt['role'])}" if len(hurt) else ""
    return [
        f"Without decile 1 (smallest) of one role it is significantly worse in {len(hurt)} of {len(smallest)}{which}."
    ]


def _middle_sentence(middle: pd.DataFrame, cheaper: pd.DataFrame) -> list[str]:
    """Spell the contrast of decile 1 with deciles 5 and 6 as a change of perplexity, role by role."""
    if middle.empty:
        return []
    more, less = holds(middle), middle["cut"].isin(cheaper.loc[holds(cheaper), "cut"])
    rest = middle.loc[~more & ~less, "role"]
    parts = []
    if more.any():
        parts.append(f"higher in {wording.listing([_excess(row) for row in middle[more].to_dict('records')])}")
    if less.any():
        level = middle["level"].iloc[0]
        parts.append(f"lower in {wording.roles(middle.loc[less, 'role'])} (each q at most {level:g})")
    if len(rest):
        parts.append(f"not significantly different in {wording.roles(rest)}")
    return [
        "Perplexity without decile 1 (smallest) against without decile 5 or 6 (mean), paired over "
        f"{int(middle['n'].iloc[0])} documents, q corrected over roles: {'; '.join(parts)}."
    ]


def _excess(row: Mapping[Any, Any]) -> str:
    """Spell one role's contrast in per cent of perplexity: exp(number) - 1, with its standard error."""
    factor = math.exp(row["number"])
    change = wording.measurement(100 * (factor - 1), 100 * factor * row["standard_error"], signed=True)
    return f"{ROLE_TITLES[row['role']].lower()} ({change} %, {probability(row['p_corrected']).replace('p', 'q', 1)})"
