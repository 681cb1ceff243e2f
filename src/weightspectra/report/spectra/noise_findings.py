"""Findings on what noise does not explain: singular values beyond its bounds, and directions at both ends."""

from collections.abc import Mapping, Sequence

import pandas as pd

from weightspectra.report.kit.finding import Finding, more_than_control
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.wording import ROLE_TITLES, percent, share

ENDS = {"largest tenth": "largest", "smallest tenth": "smallest"}


def above_bulk(data: Measurements) -> Finding | None:
    """Compare the counts above the calibrated upper bound with those of the random controls."""
    return _outside(data, "above")


def below_bulk(data: Measurements) -> Finding | None:
    """Compare the counts below the calibrated lower bound with those of the random controls."""
    return _outside(data, "below")


def _outside(data: Measurements, side: str) -> Finding | None:
    column = f"n_{side}_bound"
    lines: list[str] = []
    numbers: dict[str, float] = {}
    verdicts = []
    for model in data.trained:
        rows = data.bulk[data.bulk["model"] == model]
        n, n_values = int(rows[column].sum()), int(rows["n_values"].sum())
        explained = int((rows[column] - rows[f"n_{side}_profile"]).clip(lower=0).sum())
        numbers |= {f"{model}/n_{side}": n, f"{model}/n_values": n_values, f"{model}/n_{side}_explained": explained}
        line = f"{data.titles[model]}: {share(n, n_values)} in {len(rows)} matrices{_most(rows, column)}"
        control = data.control_of(model)
        random = data.bulk[data.bulk["model"] == control]
        if len(random):
            compared, p, verdict = more_than_control(rows, random, column, data.unchanged(model))
            n_random = int(random[column].sum())
            numbers |= {f"{control}/n_{side}": n_random, f"{model}/p_{side}": p}
            verdicts.append(verdict)
            line += f"; its random control: {share(n_random, int(random['n_values'].sum()))}. {compared}"
        line += "" if line.endswith(".") else "."
        if n:
            line += f" Unequal variances of rows and columns explain {explained:,} of the {n:,}."
        lines.append(line)
        if side == "above":
            lines.append(f"{data.titles[model]}: {_rest_of_bulk(rows, random)}")
    if not lines:
        return None
    return Finding(_outside_headline(side, verdicts, numbers), [*lines, _by_chance(data, side)], numbers)


def _most(rows: pd.DataFrame, column: str) -> str:
    """Name the role with the largest share of values beyond a bound, if there are any."""
    sums = rows.groupby("role")[[column, "n_values"]].sum()
    shares = sums[column] / sums["n_values"]
    return f", most in {ROLE_TITLES[str(shares.idxmax())].lower()} ({percent(shares.max())} %)" if shares.any() else ""


def _rest_of_bulk(rows: pd.DataFrame, random: pd.DataFrame) -> str:
    """Say in how many matrices the values within the bounds follow the law, and what follows if in few."""
    n_fit = int((rows["bulk_p_value"] >= rows["level"]).sum())
    text = f"the values within the bounds follow the law of noise in {n_fit:,} of {len(rows):,} matrices"
    if len(random):
        text += f" (random control: {int((random['bulk_p_value'] >= random['level']).sum()):,} of {len(random):,})"
    doubt = "; where they do not, a value beyond the bounds is a departure from noise, not one separate signal"
    return f"{text}{doubt if n_fit < len(rows) else ''}."


def _by_chance(data: Measurements, side: str) -> str:
    """Say how many matrices have a value beyond the bound by chance, and how many of the controls do."""
    chance = data.bulk["level"].iloc[0] / 2
    trained = data.bulk[data.bulk["model"].isin(data.trained)]
    text = (
        f"By chance {100 * chance:g} % of matrices have any value {side} the bound, {chance * len(trained):.2g} of "
        f"these {len(trained):,}"
    )
    random = data.bulk[data.bulk["model"].isin(list(data.controls))]
    if len(random):
        text += f"; of {len(random):,} random ones {int((random[f'n_{side}_bound'] > 0).sum()):,} do"
    return text + "."


def _outside_headline(side: str, verdicts: Sequence[bool | None], numbers: Mapping[str, float]) -> str:
    told = [verdict for verdict in verdicts if verdict is not None]
    if not told:
        found = any(value for name, value in numbers.items() if name.endswith(f"/n_{side}"))
        return f"{'Some' if found else 'No'} singular values lie {side} the bulk ({_untested(verdicts)})"
    if all(told):
        return f"More singular values lie {side} the bulk in trained matrices than in random ones"
    if any(told):
        return f"Some models, not all, have more singular values {side} the bulk than their random controls"
    return f"Trained matrices have no more singular values {side} the bulk than random ones"


def _untested(verdicts: Sequence[bool | None]) -> str:
    return "too few matrices to test against random ones" if verdicts else "no random control to compare with"


def informative_ends(data: Measurements) -> Finding | None:
    """Say which ends of the spectra hold directions that noise does not explain, in which roles, and which vectors."""
    lines: list[str] = []
    numbers: dict[str, float] = {}
    verdicts: dict[str, list[bool | None]] = {region: [] for region in ENDS}
    for model in data.trained:
        for region in ENDS:
            rows, random = (_map_of(data, name, region) for name in (model, data.control_of(model)))
            if rows.empty:
                continue
            numbers[f"{model}/{region}"] = float(rows["information"].mean())
            line = f"{data.titles[model]}: {_end_sentence(rows, region)}"
            if len(random):
                compared, p, verdict = more_than_control(rows, random, "information", data.unchanged(model))
                numbers |= {f"{model}/{region}/random": float(random["information"].mean()), f"{model}/{region}/p": p}
                verdicts[region].append(verdict)
                mean = percent(random["information"].mean())
                line += f"; random control {mean} %, beyond 0 in {_told(random)}. {compared}"
            lines.append(line + ("" if line.endswith(".") else "."))
        lines += _vector_sentence(data, model)
    return Finding(_ends_headline(verdicts), lines, numbers) if numbers else None


def _map_of(data: Measurements, model: str | None, region: str) -> pd.DataFrame:
    return data.information[(data.information["model"] == model) & (data.information["region"] == region)]


def _end_sentence(rows: pd.DataFrame, region: str) -> str:
    """Spell the mean share of one end, the roles with most and least, and in how many matrices it is beyond chance."""
    by_role = rows.groupby("role")["information"].mean()
    ordered = [f"{ROLE_TITLES[str(role)].lower()} {percent(mean)} %" for role, mean in by_role.sort_values().items()]
    least, most = ordered[0], ordered[-1]
    roles = f" (most: {most}; least: {least})" if by_role.max() > by_role.min() else ""
    return (
        f"in the {region} noise does not explain {percent(rows['information'].mean())} % of the directions{roles}, "
        f"the 95 % interval is beyond 0 in {_told(rows)}"
    )


def _told(rows: pd.DataFrame) -> str:
    return f"{int((rows['information_low'] > 0).sum()):,} of {len(rows):,} matrices"


def _vector_sentence(data: Measurements, model: str) -> list[str]:
    """Count the singular vectors that are no random directions, beside the control's."""
    parts: list[str] = []
    for name in (model, data.control_of(model)):
        rows = data.vector_counts[data.vector_counts["model"] == name]
        if rows.empty:
            continue
        sides = rows.groupby("side")[["n_nonrandom", "n_vectors"]].sum()
        shares = [f"{side} {percent(k / n)} %" for side, (k, n) in sides.iterrows()]
        found = f"{share(int(sides['n_nonrandom'].sum()), int(sides['n_vectors'].sum()))}, {', '.join(shares)}"
        parts.append(f"of its random control {found}" if parts else f"{found}")
    if not parts:
        return []
    level = data.bulk["level"].iloc[0]
    return [
        f"{data.titles[model]}: singular vectors that are no random directions (false discovery rate {100 * level:g} "
        f"%): {'; '.join(parts)}."
    ]


def _ends_headline(verdicts: Mapping[str, Sequence[bool | None]]) -> str:
    """Say which ends differ from the random controls in every model that has matrices enough to test."""
    tested = {region: [told for told in found if told is not None] for region, found in verdicts.items()}
    if not any(tested.values()):
        why = _untested([told for found in verdicts.values() for told in found])
        return f"What noise does not explain at both ends of the spectra ({why})"
    told = [ENDS[region] for region, found in tested.items() if found and all(found)]
    if len(told) == len(ENDS):
        return "At both ends of the spectra, trained matrices have directions that noise does not explain"
    if told:
        (rest,) = (name for name in ENDS.values() if name not in told)
        return (
            f"The {told[0]} singular values hold directions that noise does not explain; the {rest} not in every model"
        )
    if any(any(found) for found in tested.values()):
        return "Some models, not all, have directions at the ends of their spectra that noise does not explain"
    return "Noise explains the ends of trained spectra as well as those of random ones"
