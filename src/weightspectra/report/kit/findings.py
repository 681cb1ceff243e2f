"""The findings that matter most, in words and numbers; a negative result is a finding too."""

import re
import textwrap
from collections.abc import Mapping, Sequence

import pandas as pd

from weightspectra.report.births import birth_findings
from weightspectra.report.cuts import costs, cut_findings
from weightspectra.report.damage import damage_findings
from weightspectra.report.finetuning import copy_findings, tuning_findings
from weightspectra.report.kit import storage, wording
from weightspectra.report.kit.finding import LEVEL, Finding
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.wording import percent, share
from weightspectra.report.spectra import noise_findings, summaries

WIDTH = 100
GLUE = "\N{NO-BREAK SPACE}"


def find(data: Measurements) -> list[Finding]:
    """Return the findings that the measurements allow: what is not noise, what it is for, and what limits them."""
    candidates = [
        *(noise_findings.above_bulk(data), noise_findings.below_bulk(data), noise_findings.informative_ends(data)),
        *(data_overlap(data), cut_findings.removal_cost(data), cut_findings.against_controls(data)),
        *(cut_findings.tasks(data), damage_findings.prediction(data), damage_findings.directions(data)),
        copy_findings.renoised(data),
        *(tuning_findings.finetuning(data), tuning_findings.difference(data), cut_findings.compression(data)),
        *(birth_findings.formation(data), birth_findings.knockouts(data), birth_findings.locator(data)),
        rounding(data),
    ]
    return [finding for finding in candidates if finding is not None]


def data_overlap(data: Measurements) -> Finding | None:
    """Say whose singular vectors overlap with the data: above, below and inside the bulk, role by role."""
    if data.overlaps.empty:
        return None
    counts = summaries.overlap_counts(data.overlaps, data.bulk)
    lines: list[str] = []
    numbers: dict[str, float] = {}
    shares = []
    for model in data.trained:
        for corpus, rows in counts[counts["model"] == model].groupby("corpus", sort=False):
            totals = rows.groupby("position")[["n_aligned", "n_vectors"]].sum()
            found = totals.reindex(["above", "inside", "below"], fill_value=0)
            spelled = [
                f"{share(k, n)} of the vectors {position} the bulk" for position, k, n in found.itertuples() if n
            ]
            shares.append({position: k / n if n else float("nan") for position, k, n in found.itertuples()})
            numbers |= {f"{model}/{corpus}/{position}": value for position, value in shares[-1].items()}
            lines.append(
                f"{data.titles[model]} on {corpus}: beyond the null band are {wording.listing(spelled)}, "
                f"by chance {100 * summaries.CHANCE:.3f} %. {_roles_that_overlap(rows)}".rstrip()
            )
    for control in data.controls:
        rows = counts[counts["model"] == control]
        k, n = int(rows["n_aligned"].sum()), int(rows["n_vectors"].sum())
        if n:
            numbers[f"{control}/all"] = k / n
            lines.append(f"{data.titles[control]}: {share(k, n)} of all vectors.")
    return Finding(_overlap_headline(shares), lines, numbers) if shares else None


def _roles_that_overlap(rows: pd.DataFrame) -> str:
    """Name the roles whose outliers do, and do not, overlap more often than chance (Holm over roles and ends)."""
    ends = rows[(rows["position"] != "inside") & (rows["n_vectors"] > 0)].copy()
    ends["told"] = costs.holm(ends["p_value"].to_numpy()) < LEVEL
    parts = []
    for position, chosen in ends.groupby("position", sort=True):
        do, do_not = chosen.loc[chosen["told"], "role"], chosen.loc[~chosen["told"], "role"]
        if do.empty:
            parts.append(f"{position} the bulk in no role")
        else:
            but = f", but not in {wording.roles(do_not)}" if len(do_not) else ""
            parts.append(f"{position} the bulk in {wording.roles(do)}{but}")
    return f"More than chance {'; '.join(parts)} (Holm-corrected p < {LEVEL})." if parts else ""


def _overlap_headline(shares: Sequence[Mapping[str, float]]) -> str:
    """Say which vectors overlap more than those inside the bulk, by a factor of two, in every model and corpus."""
    ends = [
        end
        for end in ("above", "below")
        if all(not found[end] <= 2 * max(found["inside"], summaries.CHANCE) for found in shares)
        and any(found[end] == found[end] for found in shares)
    ]
    if len(ends) == 2:
        return "Singular vectors outside the bulk, at both ends, overlap with the data more often than those inside"
    if ends:
        return f"Singular vectors {ends[0]} the bulk overlap with the data more often than those inside"
    if not any(value > 2 * summaries.CHANCE for found in shares for value in found.values()):
        return "No singular vectors overlap with the data more often than chance"
    return "Overlap with the data is not confined to the singular vectors outside the bulk"


def rounding(data: Measurements) -> Finding | None:
    """Say how much of the spectra is rounding, and what therefore cannot be concluded."""
    lines: list[str] = []
    numbers: dict[str, float] = {}
    stored = storage.storage(data.matrices, data.bulk).loc[data.trained]
    for model, row in zip(data.trained, stored.to_dict("records"), strict=True):
        numbers |= {f"{model}/share_below_floor": row["share_below_floor"], f"{model}/noise_share": row["noise_share"]}
        lines.append(
            f"{data.titles[model]} ({row['dtype']}): {share(row['n_below_floor'], row['n_values'])} of the singular "
            f"values lie below the rounding floor; rounding is {percent(row['noise_share'])} % of the norm."
        )
    coarse = [model for model, is_coarse in zip(data.trained, stored["coarse"], strict=True) if is_coarse]
    for model in coarse:
        lines.append(f"{data.titles[model]}: {_limits(data.bulk[data.bulk['model'] == model])}")
    if coarse:
        names = wording.listing([data.titles[model] for model in coarse])
        return Finding(f"Rounding hides the smallest singular values of {names}", lines, numbers)
    return Finding("Rounding of the stored weights does not limit these results", lines, numbers) if lines else None


def _limits(bulk: pd.DataFrame) -> str:
    """Say which conclusions a coarse storage format leaves standing, and which not."""
    shares = summaries.shares_by_role(bulk)
    covered = shares.loc[shares["share_below_floor"] >= 0.1, "role"]
    n_below = int(bulk["n_below"].sum())
    n_hidden = int(bulk[["n_below", "n_below_floor"]].min(axis=1).sum())
    decile = f"the whole smallest decile of {wording.roles(covered)} lies below the floor; " if len(covered) else ""
    return (
        f"{decile}of {n_below:,} values below the bulk, {n_hidden:,} do. What lies below it cannot be told from "
        "rounding, which also widens the bulk; conclusions on that need full-precision weights."
    )


def to_markdown(findings: Sequence[Finding]) -> str:
    """Return the findings as a numbered list that reads well in a terminal, at most 100 columns wide."""
    blocks = []
    for number, finding in enumerate(findings, start=1):
        lines = _wrapped(finding.headline, f"{number}. ")
        for sentence in finding.sentences:
            lines += _wrapped(sentence, "   - ")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _wrapped(text: str, start: str) -> list[str]:
    """Wrap a text without parting a number from its sign, error or unit."""
    glued = re.sub(r" (%|± \S+)|(?<=\bp) ([=<]) ", lambda found: found.group().replace(" ", GLUE), text)
    lines = textwrap.wrap(glued, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))
    return [line.replace(GLUE, " ") for line in lines]
