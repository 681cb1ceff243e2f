"""Findings on cuts: what they cost, whether others cost as much, what tasks lose, and how small a model can be made."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from weightspectra.report.cuts import compressions, contrasts, costs
from weightspectra.report.kit import storage, wording
from weightspectra.report.kit.finding import LEVEL, Finding
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.wording import ROLE_TITLES, probability
from weightspectra.statistics.paired import contrast

MAX_NAMED = 6
"""Cuts named in one sentence."""


def removal_cost(data: Measurements) -> Finding | None:
    """Say what removing singular values costs, and whether the smallest cost more than the middle ones."""
    lines: list[str] = []
    numbers: dict[str, float] = {}
    dearer: set[str] = set()
    compared = False
    text = data.evaluations[~costs.is_task(data.evaluations["metric"])]
    for rows in costs.experiments(text):
        method, _ = compressions.methods(rows)
        cuts = costs.labelled(rows[method == ""])
        if cuts.empty:
            continue
        worst = cuts.sort_values("difference", kind="stable").to_dict("records")[-1]
        where = f"{worst['model']}/{worst['experiment']}"
        change = wording.measurement(worst["difference"], worst["difference_se"], signed=True)
        lines.append(
            f"{data.titles[worst['model']]}, {worst['experiment']} ({costs.describe(costs.untouched(rows))}): "
            f"the dearest of {len(cuts)} cuts is {worst['cut']}, {change} in {costs.metric_title(worst['metric'])}; "
            f"{_harmless(cuts)}.{_too_few(rows)}"
        )
        numbers |= {f"{where}/largest": float(worst["difference"]), f"{where}/n_cuts": len(cuts)}
        middle = costs.smallest_against_middle(rows)
        compared |= len(middle) > 0
        for role, excess, p in middle[["role", "excess", "p_value"]].itertuples(index=False):
            numbers |= {f"{where}/{role}/excess": excess, f"{where}/{role}/p": p}
        significant = middle[(middle["p_value"] < LEVEL) & (middle["excess"] > 0)]
        dearer |= set(significant["role"])
        lines += [*_hurting_roles(rows), *_smallest_sentence(middle)]
    if not lines:
        return None
    lines += quantised(data, text)
    if not compared:
        return Finding("What removing singular values costs", lines, numbers)
    if dearer:
        return Finding(
            "Removing the smallest tenth costs significantly more than a middle one in "
            f"{wording.roles(dearer)} matrices",
            lines,
            numbers,
        )
    headline = "Removing the smallest tenth costs significantly more than a middle one in no role"
    return Finding(headline, lines, numbers)


def _harmless(cuts: pd.DataFrame) -> str:
    """Count the cuts whose change is not significant."""
    if cuts["q_value"].isna().all():
        return "no change was tested"
    worse = cuts["difference"] < 0 if cuts["higher_is_better"].iloc[0] else cuts["difference"] > 0
    hurt, help_ = int((cuts["told"] & worse).sum()), int((cuts["told"] & ~worse).sum())
    counted = [(hurt, "hurt significantly"), (help_, "improve it significantly")]
    counted.append((len(cuts) - hurt - help_, "change it not significantly"))
    return wording.listing([f"{number} {what}" for number, what in counted if number])


def _too_few(rows: pd.DataFrame) -> str:
    if not costs.too_few_units(rows):
        return ""
    return f" {costs.describe_units(rows).capitalize()} cannot show that a change is significant: score more."


def _hurting_roles(rows: pd.DataFrame) -> list[str]:
    """Say in which roles removing the smallest decile hurts significantly."""
    smallest = costs.one_role_deciles(rows)
    smallest = smallest[(smallest["decile"] == 1) & smallest["q_value"].notna()]
    if smallest.empty or costs.too_few_units(rows):
        return []
    hurt = smallest[(smallest["q_value"] <= costs.SIGNIFICANT) & worse(smallest)]
    where = f": {wording.roles(hurt['role'])}" if len(hurt) else ""
    return [
        f"Without decile 1 (smallest) of one role it is significantly worse in {len(hurt)} of {len(smallest)}{where}."
    ]


def worse(rows: pd.DataFrame) -> pd.Series:
    """Return whether the difference of each row is to the worse, by what its metric wants."""
    return (rows["difference"] > 0) != rows["higher_is_better"].astype(bool)


def quantised(data: Measurements, rows: pd.DataFrame) -> list[str]:
    """Warn, for models stored in a few bits, that their small singular values hold the quantiser's noise, too."""
    stored = storage.storage(data.matrices, data.bulk)
    models = [model for model in dict.fromkeys(rows["model"]) if model in stored.index and stored.loc[model, "coarse"]]
    return [
        f"{data.titles[model]} is stored as {stored.loc[model, 'dtype']}: what its small singular values do, or do not "
        "do, here need not be so in the model before quantisation."
        for model in models
    ]


def _smallest_sentence(middle: pd.DataFrame) -> list[str]:
    """Spell the contrast of decile 1 with deciles 5 and 6 as a change of perplexity, role by role."""
    if middle.empty:
        return []
    told = middle["p_value"] < LEVEL
    parts = []
    more, less = (told & (middle["excess"] > 0), told & (middle["excess"] < 0))
    if more.any():
        parts.append(f"higher in {wording.listing([_excess(row) for row in middle[more].to_dict('records')])}")
    if less.any():
        parts.append(f"lower in {wording.roles(middle.loc[less, 'role'])} (each p < {LEVEL})")
    if (~told).any():
        parts.append(f"not significantly different in {wording.roles(middle.loc[~told, 'role'])}")
    return [
        "Perplexity without decile 1 (smallest) against without decile 5 or 6 (mean), paired over "
        f"{middle['n_documents'].iloc[0]} documents, p corrected over roles: {'; '.join(parts)}."
    ]


def _excess(row: Mapping[Any, Any]) -> str:
    """Spell one role's contrast in per cent of perplexity: exp(excess) - 1, with its standard error."""
    factor = math.exp(row["excess"])
    change = wording.measurement(100 * (factor - 1), 100 * factor * row["excess_se"], signed=True)
    return f"{ROLE_TITLES[row['role']].lower()} ({change} %, {probability(row['p_value'])})"


def against_controls(data: Measurements) -> Finding | None:
    """Say which cuts hurt more than as much taken elsewhere."""
    lines: list[str] = []
    numbers: dict[str, float] = {}
    n_cuts, n_worse = 0, 0
    for rows in costs.experiments(data.evaluations):
        found = contrasts.contrasts(rows)
        if found["p_value"].isna().all() or costs.too_few_units(rows):
            continue
        model, experiment = found[["model", "experiment"]].iloc[0]
        found = found.assign(told=found["q_value"] <= costs.SIGNIFICANT, worse=worse(found))
        everywhere = found.assign(both=found["told"] & found["worse"]).groupby("cut", sort=False)["both"].all()
        n_cuts, n_worse = n_cuts + len(everywhere), n_worse + int(everywhere.sum())
        numbers |= {
            f"{model}/{experiment}/n_cuts_with_controls": len(everywhere),
            f"{model}/{experiment}/n_worse_than_controls": int(everywhere.sum()),
        }
        where = f"{data.titles[model]}, {experiment}"
        lines += [f"{where}: {_against(str(kind), part)}" for kind, part in found.groupby("kind", sort=False)]
    if not lines:
        return None
    headline = (
        f"{n_worse} of {n_cuts} cuts hurt more than every kind of matched control"
        if n_worse
        else "No cut hurts more than every kind of its matched controls"
    )
    return Finding(headline, [*lines, *quantised(data, data.evaluations)], numbers)


def _against(kind: str, part: pd.DataFrame) -> str:
    """Compare the cuts of one experiment with one kind of control."""
    more, less = part[part["told"] & part["worse"]], part[part["told"] & ~part["worse"]]
    parts = [
        f"{len(some)} of {len(part)} hurt {how} ({_named(some)})"
        for some, how in ((more, "more"), (less, "less"))
        if len(some)
    ]
    rest = len(part) - len(more) - len(less)
    parts += [f"{rest} not significantly otherwise"] if rest else []
    name = contrasts.KINDS.get(kind, kind)
    return f"against {name}, {wording.listing(parts)} (paired, q at most {costs.SIGNIFICANT})."


def _named(rows: pd.DataFrame) -> str:
    """Name the cuts that differ most, with their differences."""
    ordered = rows.reindex(rows["difference"].abs().sort_values(ascending=False, kind="stable").index)
    named = [f"{cut} {wording.signed_number(d)}" for cut, d in ordered[["cut", "difference"]].to_numpy()[:MAX_NAMED]]
    others = [f"{len(rows) - MAX_NAMED} others"] if len(rows) > MAX_NAMED else []
    return wording.listing([*named, *others])


def tasks(data: Measurements) -> Finding | None:
    """Say what cuts do to tasks and probes, metric by metric."""
    lines: list[str] = []
    numbers: dict[str, float] = {}
    n_cuts, n_hurt = 0, 0
    rows_of_tasks = data.evaluations[costs.is_task(data.evaluations["metric"])]
    for rows in costs.by_metric(rows_of_tasks):
        untouched, cuts = costs.untouched(rows), rows[(rows["cut"] != costs.UNTOUCHED) & (rows["control_of"] == "")]
        hurt = cuts[(cuts["q_value"] <= costs.SIGNIFICANT) & worse(cuts)]
        n_cuts, n_hurt = n_cuts + len(cuts), n_hurt + len(hurt)
        name = f"{untouched['model']}/{untouched['experiment']}/{untouched['metric']}"
        numbers |= {f"{name}/untouched": float(untouched["value"]), f"{name}/n_hurt": len(hurt)}
        named = f" ({_named(hurt)})" if len(hurt) else ""
        lines.append(
            f"{data.titles[untouched['model']]}, {untouched['experiment']}: {costs.describe(untouched)}; "
            f"{len(hurt)} of {len(cuts)} cuts make it significantly worse{named}.{_no_better_than_chance(untouched)}"
        )
    if not lines:
        return None
    headline = f"{n_hurt} of {n_cuts} measurements of tasks after cuts are significantly worse"
    return Finding(headline if n_hurt else "No cut makes a task significantly worse", lines, numbers)


def _no_better_than_chance(untouched: pd.Series) -> str:
    auc = untouched["statistic"] == "auc"
    if auc and untouched["value"] - 2 * untouched["standard_error"] <= 0.5:
        return " The untouched model is within two standard errors of chance (0.5), so that there is little to lose."
    return ""


def compression(data: Measurements) -> Finding | None:
    """Say what low-rank factors cost, and compare each method with plain truncation at the same size."""
    lines: list[str] = []
    numbers: dict[str, float] = {}
    for title, rows, small in compressions.of_measurements(data):
        untouched = costs.untouched(rows)
        methods = small[small["method"] != ""]
        for (_, where), part in methods.groupby(["size", "where"], sort=False):
            size = float(part["size"].iloc[0])
            spelled = [
                f"{compressions.METHODS[row['method']]} {wording.number(row['value'])}"
                for row in part.to_dict("records")
            ]
            name = f"{untouched['model']}/{untouched['experiment']}/{size:g}"
            numbers |= {f"{name}/{row['method']}": float(row["value"]) for row in part.to_dict("records")}
            lines.append(
                f"{title}, {where} at {wording.whole_percent(size)} % of their parameters: "
                f"{wording.listing(spelled)} ({costs.metric_title(untouched['metric'])}; untouched "
                f"{wording.number(untouched['value'])}).{_against_plain(rows, part)}"
            )
    return Finding("What factorising the matrices costs without retraining", lines, numbers) if lines else None


def _against_plain(rows: pd.DataFrame, part: pd.DataFrame) -> str:
    """Say which methods differ from plain truncation to the same size, on the same documents."""
    by_cut = {row["cut"]: row for row in rows.to_dict("records")}
    plain = part.loc[part["method"] == "svd", "cut"]
    others = part[part["method"] != "svd"]
    if plain.empty or others.empty:
        return ""
    said = []
    for cut, method in others[["cut", "method"]].to_numpy():
        found = contrast(by_cut[cut], [by_cut[plain.iloc[0]]])
        difference, _, low, high, p = (float(column[0]) for column in found)
        if not math.isnan(p):
            said.append(f"{compressions.METHODS[method]} {wording.interval(difference, low, high)}, {probability(p)}")
    return f" Against plain SVD, paired: {'; '.join(said)}." if said else ""
