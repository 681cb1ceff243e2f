"""Findings on singular values beyond the calibrated bounds of noise."""

from collections.abc import Sequence

from weightspectra.contracts.conclusions import HOLDS
from weightspectra.report.findings.beside_random import NO_CONTROL, TOO_FEW, beside_control, told
from weightspectra.report.findings.finding import Conclusions, Finding, Row, counted, share_of
from weightspectra.report.kit.wording import ROLE_TITLES, percent

TEST = "more_beyond_bound_than_control"


def above(found: Conclusions) -> Finding | None:
    """Compare the counts above the calibrated upper bound with those of the random controls."""
    return _outside(found, "above")


def below(found: Conclusions) -> Finding | None:
    """Compare the counts below the calibrated lower bound with those of the random controls."""
    return _outside(found, "below")


def _outside(found: Conclusions, region: str) -> Finding | None:
    rows = found.trained("beyond_bound", region=region, role="").to_dict("records")
    lines: list[str] = []
    for row in rows:
        lines.append(f"{found.title(row['model'])}: {_counts(found, row, region)}")
        if region == "above":
            lines.append(f"{found.title(row['model'])}: {_rest_of_bulk(found, row['model'])}")
    if not lines:
        return None
    verdicts = list(found.of(TEST, region=region)["verdict"])
    some = any(row["number"] > 0 for row in rows)
    return Finding(_headline(region, verdicts, some=some), [*lines, _by_chance(found, region)])


def _counts(found: Conclusions, row: Row, region: str) -> str:
    """Spell how many values of one model lie beyond the bound, beside its control's, and what explains them."""
    model, (n, _) = row["model"], counted(row)
    matrices = found.one("matrices_beyond_bound", model=model, region=region)
    line = f"{share_of(row)} in {int(matrices['n']) if matrices else 0} matrices{_most(found, model, region)}"
    tested = found.one(TEST, model=model, region=region)
    control = tested and found.one("beyond_bound", model=tested["beside"], region=region, role="")
    line += f"; its random control: {share_of(control)}. {beside_control(found, tested)}" if tested and control else "."
    explained = found.one("beyond_bound_explained", model=model, region=region)
    if n and explained:
        line += f" Unequal variances of rows and columns explain {counted(explained)[0]:,} of the {n:,}."
    return line


def _most(found: Conclusions, model: str, region: str) -> str:
    """Name the role with the largest share of values beyond a bound, if there are any."""
    roles = found.of("beyond_bound", model=model, region=region)
    shares = roles[roles["role"] != ""].set_index("role")["number"]
    return f", most in {ROLE_TITLES[str(shares.idxmax())].lower()} ({percent(shares.max())} %)" if shares.any() else ""


def _rest_of_bulk(found: Conclusions, model: str) -> str:
    """Say in how many matrices the values within the bounds follow the law, and what follows if in few."""
    fits, tested = found.one("bulk_fits", model=model, role=""), found.one(TEST, model=model)
    n_fit, n = counted(fits) if fits else (0, 0)
    text = f"the values within the calibrated bounds follow the law of noise in {n_fit:,} of {n:,} matrices"
    random = tested and found.one("bulk_fits", model=tested["beside"], role="")
    text += " (random control: {:,} of {:,})".format(*counted(random)) if random else ""
    doubt = "; where they do not, a value beyond the bounds is a departure from noise, not one separate signal"
    return f"{text}{doubt if n_fit < n else ''}."


def _by_chance(found: Conclusions, region: str) -> str:
    """Say how many matrices have a value beyond the bound by chance, and how many of the controls do."""
    trained = found.trained("matrices_beyond_bound", region=region)
    random = found.random("matrices_beyond_bound", region=region)
    chance, n = trained["reference"].iloc[0], int(trained["n"].sum())
    text = (
        f"By chance {100 * chance:g} % of matrices have any value {region} the calibrated bound, {chance * n:.2g} of "
        f"these {n:,}"
    )
    if len(random):
        n_any = sum(counted(row)[0] for row in random.to_dict("records"))
        text += f"; of {int(random['n'].sum()):,} random ones {n_any:,} do"
    return text + "."


def _headline(region: str, verdicts: Sequence[str], *, some: bool) -> str:
    known, where = told(verdicts), f"{region} the calibrated bound"
    if not known:
        why = TOO_FEW if verdicts else NO_CONTROL
        return f"{'Some' if some else 'No'} singular values lie {where} ({why})"
    if all(verdict == HOLDS for verdict in known):
        return f"More singular values lie {where} in trained matrices than in random ones"
    if HOLDS in known:
        return f"Some models, not all, have more singular values {where} than their random controls"
    return f"Trained matrices have no more singular values {where} than random ones"
