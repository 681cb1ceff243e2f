"""The findings that matter most, in the order in which they are told; a negative result is a finding too."""

import re
import textwrap
from collections.abc import Sequence

from weightspectra.report.findings import bounds, differences, ends, finetuning, overlap, prediction, storage
from weightspectra.report.findings.births import formation, knockouts, locator
from weightspectra.report.findings.cuts import compression, controls, copies, costs, tasks, windows
from weightspectra.report.findings.finding import Conclusions, Finding

MAKERS = (
    *(bounds.above, bounds.below, ends.informative_ends, overlap.data_overlap),
    *(costs.removal_cost, windows.two_windows, controls.against_controls, tasks.tasks),
    *(prediction.prediction, prediction.directions, copies.renoised),
    *(finetuning.finetuning, differences.difference, compression.compression),
    *(formation.formation, knockouts.knockouts, locator.locator, storage.rounding),
)
"""What is not noise, what it is for, and what limits all that."""

WIDTH = 100
GLUE = "\N{NO-BREAK SPACE}"


def tell(found: Conclusions) -> list[Finding]:
    """Return the findings that the conclusions allow."""
    return [finding for make in MAKERS if (finding := make(found)) is not None]


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
