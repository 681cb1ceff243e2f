"""The finding on rounding: how much of the spectra it is, and what therefore cannot be concluded."""

from weightspectra.contracts.conclusions import CANNOT_BE_TOLD
from weightspectra.report.findings.finding import Conclusions, Finding, counted, holds, share_of
from weightspectra.report.kit import wording
from weightspectra.report.kit.wording import percent


def rounding(found: Conclusions) -> Finding | None:
    """Say how much of the spectra is rounding, and what therefore cannot be concluded."""
    stored = found.of("rounding_coarse")
    lines = []
    for row in stored.to_dict("records"):
        floor = found.one("below_floor", model=row["model"])
        if row["verdict"] == CANNOT_BE_TOLD:
            lines.append(
                f"{found.title(row['model'])} ({wording.listing(row['names'])}): how much of its norm, and how many of "
                "its singular values, are rounding is unknown, since the format does not tell; conclusions on the "
                "small ones need full-precision weights."
            )
            continue
        lines.append(
            f"{found.title(row['model'])} ({wording.listing(row['names'])}): {share_of(floor) if floor else 0} of the "
            f"singular values lie below the rounding floor; rounding is {percent(row['number'])} % of the norm."
        )
    coarse = list(stored.loc[holds(stored), "model"])
    lines += [f"{found.title(model)}: {_limits(found, model)}" for model in coarse]
    lines += _low_rank(found)
    unknown = list(stored.loc[stored["verdict"] == CANNOT_BE_TOLD, "model"])
    if coarse:
        names = wording.listing([found.title(model) for model in coarse])
        return Finding(f"Rounding hides the smallest singular values of {names}", lines)
    if unknown:
        names = wording.listing([found.title(model) for model in unknown])
        return Finding(f"How far rounding reaches into the singular values of {names} is unknown", lines)
    return Finding("Rounding of the stored weights does not limit these results", lines) if lines else None


def _low_rank(found: Conclusions) -> list[str]:
    """Say which models were truncated, or made with fewer directions than they have room for."""
    lines = []
    for row in found.of("low_rank").to_dict("records"):
        n_low, n_all = counted(row)
        without = found.one("without_law", model=row["model"])
        n_without = counted(without)[0] if without else 0
        no_law = f"; to {n_without:,} of them no law of noise can be fitted" if n_without else ""
        if n_low:
            lines.append(
                f"{found.title(row['model'])}: {n_low:,} of {n_all:,} matrices are of low rank (less than nine tenths "
                "of their singular values lie above the rounding floor); what was lost is in no fit, test or "
                f"share{no_law}."
            )
    return lines


def _limits(found: Conclusions, model: str) -> str:
    """Say which conclusions a coarse storage format leaves standing, and which not."""
    roles = found.of("decile_below_floor", model=model)
    covered = roles.loc[holds(roles), "role"]
    hidden = found.one("hidden_below_bound", model=model)
    n_hidden, n_below = counted(hidden) if hidden else (0, 0)
    decile = f"the whole smallest decile of {wording.roles(covered)} lies below the floor; " if len(covered) else ""
    return (
        f"{decile}of {n_below:,} values below the asymptotic lower edge, {n_hidden:,} do. What lies below it cannot be "
        "told from rounding, which also widens the bulk; conclusions on that need full-precision weights."
    )
