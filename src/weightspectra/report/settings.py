"""Settings of the report: what it shows closely, and under which title."""

from typing import Annotated, Any, Literal

from pydantic import Field

from weightspectra.base.settings import Name, Natural, Place, Reference, Section, Several, SomeNames
from weightspectra.birth.settings import follows
from weightspectra.models.settings import Role

OF_FIGURE: dict[str, dict[str, Any]] = {
    "curves": {"probes": ("in_context_accuracy",)},
    "transfer": {},
    "scaling": {"probes": ("in_context_accuracy",), "against": "dimension"},
    "timeline": {},
    "knockouts": {},
    "capacity": {},
    "attention": {},
}
"""What each kind of figure of births can be given, with defaults."""


class BirthFigure(Section):
    """One figure of births."""

    kind: Literal["curves", "transfer", "scaling", "timeline", "knockouts", "capacity", "attention"]
    """curves: probes over the iterations; transfer: accuracy by outputs of training and test; scaling: final probes
    against a setting; timeline: located values beside accuracy and recall; knockouts: accuracy without located values;
    capacity: located values and recall against memories per dimension; attention: maps of the first seed."""
    births: Annotated[SomeNames, Reference("birth")]
    """What is drawn."""
    probes: Annotated[Several[str], Field(min_length=1)] | None = follows("kind", OF_FIGURE, "probes")
    """Probes to draw (curves and scaling; default: in_context_accuracy)."""
    against: Literal["dimension", "n_triggers", "offset", "length"] | None = follows("kind", OF_FIGURE, "against")
    """The setting (scaling; default: dimension)."""


class ShownMatrix(Section):
    """A matrix to show closely."""

    model: Annotated[str, Reference("model")]
    """A model of this configuration."""
    layer: Natural
    """The block, counted from 0."""
    role: Role
    """What the matrix does in its block."""


class Report(Section):
    """How the results are presented."""

    title: str = "Singular values of transformer weights"
    """Title of the report."""
    published: Several[Place] = ()
    """YAML files of published numbers to put beside what is found, in the form of config/published/; paths are relative
    to the Snakefile's folder."""
    matrices: Several[ShownMatrix] = ()
    """Matrices to show closely: spectrum, bounds, vector tests and level spacings, beside the control's."""
    births: dict[Name, BirthFigure] = Field(default_factory=dict)
    """Figures of trained births, by a name of your choice (default: up to four of each birth)."""
    blocks: Annotated[dict[str, Annotated[Several[Natural], Field(min_length=1)]], Reference("model")] = Field(
        default_factory=dict
    )
    """For each model, the blocks whose spectra are drawn (default: the middle one)."""
