"""The finding on two models: in which singular directions of the first further training changed its weights."""

from collections.abc import Iterator

from weightspectra.contracts.conclusions import HOLDS
from weightspectra.report.findings.finding import Conclusions, Finding, Row, counted
from weightspectra.report.finetuning.differences import KINDS
from weightspectra.report.kit import wording


def difference(found: Conclusions) -> Finding | None:
    """Say in which singular directions of a model further training changed its weights."""
    lines: list[str] = []
    for row in found.of("matrices_changed").to_dict("records"):
        pair = f"{row['experiment']}: {found.title(row['model'])} → {found.title(row['beside'])}"
        n, n_all = counted(row)
        if not n:
            lines.append(f"{pair}: no matrix changed.")
            continue
        change, rank, above = (
            found.of(claim, experiment=row["experiment"])["number"].iloc[0]
            for claim in ("relative_change", "change_stable_rank", "change_above_noise")
        )
        lines.append(
            f"{pair}: {n} of {n_all} matrices changed, by {wording.percent(change)} % of their norm (mean); stable "
            f"rank of the change {rank:.1f}, singular values above noise {above:.1f} (means)."
        )
        for kind, of in KINDS.items():
            places = _places(found, row["experiment"], kind)
            lines.append(f"Share of {of}, as a multiple of chance: {'; '.join(places)}.")
    return Finding("Where further training changed the weights", lines) if lines else None


def _places(found: Conclusions, name: str, kind: str) -> Iterator[str]:
    """Spell the shares of both ends on both sides, with how many matrices leave the null band."""
    for row in found.of("change_in_decile", experiment=name, detail=kind).to_dict("records"):
        side, decile = ("output" if row["side"] == "left" else "input"), row["decile"]
        yield f"{side} side, decile {decile}, {row['number']:.2f} times ({_outside(found, row)})"


def _outside(found: Conclusions, row: Row) -> str:
    names = {name: row[name] for name in ("experiment", "detail", "side", "decile")}
    rows = found.of("change_outside_band", **names).to_dict("records")
    told = [f"{one['region']} the band in {counted(one)[0]}" for one in rows if one["verdict"] == HOLDS]
    return f"{wording.listing(told)} of {int(row['n'])} matrices" if told else "outside the band as by chance"
