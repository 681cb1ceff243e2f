"""Trained matrices beside random ones, in words."""

from collections.abc import Sequence

from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, DOES_NOT, HOLDS
from weightspectra.report.findings.finding import Conclusions, Row, counted
from weightspectra.report.kit.wording import probability

TOO_FEW = "too few matrices to test against random ones"
NO_CONTROL = "no random control to compare with"

_NOTES = {HOLDS: "", DOES_NOT: "not significant, ", CANNOT_BE_TOLD: "too few to be significant, "}


def told(verdicts: Sequence[str]) -> list[str]:
    """Leave out what cannot be told."""
    return [verdict for verdict in verdicts if verdict != CANNOT_BE_TOLD]


def beside_control(found: Conclusions, tested: Row) -> str:
    """Spell a sign test of a model's matrices against its control's, with ties and matrices left out."""
    names = {name: tested[name] for name in ("subject", "model", "region")}
    other = found.one(str(tested["claim"]).replace("more", "fewer"), **names)
    same = found.one("same_as_control", **names)
    more, n = counted(tested)
    fewer = counted(other)[0] if other else 0
    changed = " that training changed" if same and same["number"] > 0 else ""
    less = f", fewer in {fewer}" if fewer else ""
    return (
        f"More than the control in {more} of {n} matrices{changed}{less} "
        f"(sign test, {_NOTES[tested['verdict']]}{probability(tested['p_corrected'])})."
    )
