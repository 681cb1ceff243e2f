"""The finding on overlap with the data: whose singular vectors the layers' inputs prefer."""

from collections.abc import Mapping, Sequence

import pandas as pd

from weightspectra.report.findings.finding import Conclusions, Finding, counted, each, holds, share_of
from weightspectra.report.kit import wording

CLAIM = "overlap_with_data"
PLACES = {
    "above": "above the asymptotic upper edge",
    "inside": "inside the asymptotic edges",
    "below": "below the asymptotic lower edge",
}


def data_overlap(found: Conclusions) -> Finding | None:
    """Say whose singular vectors overlap with the data: above, below and inside the asymptotic edges, role by role."""
    shares: list[dict[str, float]] = []
    lines: list[str] = []
    chance = float("nan")
    for model, corpus, rows in each(found.trained(CLAIM), "model", "corpus"):
        whole = {row["region"]: row for row in rows[rows["role"] == ""].to_dict("records")}
        spelled = [f"{share_of(whole[place])} of the vectors {PLACES[place]}" for place in PLACES if whole[place]["n"]]
        chance = rows["reference"].iloc[0]
        shares.append({place: whole[place]["number"] for place in PLACES})
        lines.append(
            f"{found.title(model)} on {corpus}: beyond the null band are {wording.listing(spelled)}, "
            f"by chance {100 * chance:.3f} %. {_roles(rows)}".rstrip()
        )
    for control, rows in each(found.random(CLAIM, role=""), "model"):
        counts = [counted(row) for row in rows.to_dict("records")]
        k, n = (sum(column) for column in zip(*counts, strict=True))
        lines += [f"{found.title(control)}: {wording.share(k, n)} of all vectors."] if n else []
    return Finding(_headline(shares, chance), lines) if shares else None


def _roles(rows: pd.DataFrame) -> str:
    """Name the roles whose values beyond the edges do, and do not, overlap more often than chance."""
    tested = rows[rows["family"] != ""].assign(told=holds)
    parts = []
    for region, chosen in tested.groupby("region", sort=True):
        do, do_not = chosen.loc[chosen["told"], "role"], chosen.loc[~chosen["told"], "role"]
        if do.empty:
            parts.append(f"{PLACES[str(region)]} in no role")
        else:
            but = f", but not in {wording.roles(do_not)}" if len(do_not) else ""
            parts.append(f"{PLACES[str(region)]} in {wording.roles(do)}{but}")
    if not parts:
        return ""
    return f"More than chance {'; '.join(parts)} (Holm-corrected p at most {tested['level'].iloc[0]:g})."


def _headline(shares: Sequence[Mapping[str, float]], chance: float) -> str:
    """Say which vectors overlap more than those inside the edges, by a factor of two, in every model and corpus."""
    ends = [
        end
        for end in ("above", "below")
        if all(not found[end] <= 2 * max(found["inside"], chance) for found in shares)
        and any(found[end] == found[end] for found in shares)
    ]
    if len(ends) == 2:
        return (
            "Singular vectors beyond the asymptotic edges, at both ends, overlap with the data more often than those "
            "inside"
        )
    if ends:
        return f"Singular vectors {PLACES[ends[0]]} overlap with the data more often than those inside"
    if not any(value > 2 * chance for found in shares for value in found.values()):
        return "No singular vectors overlap with the data more often than chance"
    return "Overlap with the data is not confined to the singular vectors beyond the asymptotic edges"
