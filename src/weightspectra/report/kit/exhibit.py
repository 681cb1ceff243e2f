"""What an exhibit is: a table or figure, what it reads, and where it is made.

Declarations are read whenever the workflow is planned, so they import nothing that draws or computes: the function that
makes an exhibit is named, and imported by the job that calls it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weightspectra.config.configuration import Configuration

CHAPTERS = Path(__file__).parents[1]

Entry = Mapping[str, Any]
"""What one exhibit shows: its ``kind``, and names from the configuration under the keys of ``artifacts.NAMED_BY``."""

Entries = Callable[["Configuration"], dict[str, Entry]]


class Exhibit(NamedTuple):
    """One kind of table or figure.

    Attributes
    ----------
    kind : str
        Its name; ``workflow/report/{kind}.rst`` says how to read it.
    maker : str
        Chapter, module and function: ``spectra.bulk_tables:outliers``. The function gets
        the entry and the measurements, and returns a Table or a Drawing.
    reads : tuple of str
        The kinds of artifacts it is made from.
    entries : callable
        From a configuration to the exhibits of this kind that it asks for: from the name of each to its entry.
    heading : str
        Over figures of this kind, on the page.
    findings : tuple of str
        The subjects whose conclusions it shows.
    """

    kind: str
    maker: str
    reads: tuple[str, ...]
    entries: Entries
    heading: str = ""
    findings: tuple[str, ...] = ()

    @property
    def module(self) -> Path:
        """The file of its maker."""
        return CHAPTERS.joinpath(*self.maker.partition(":")[0].split(".")).with_suffix(".py")


@dataclass(frozen=True)
class Named:
    """What an exhibit is told of the configuration beside its entry: titles and controls of its models, and its births.

    Titles are in the order of the report; random controls, and structure-keeping ones (``structured``), go to the model
    that each is made like; births have plain settings.
    """

    titles: Mapping[str, str]
    controls: Mapping[str, str]
    births: Mapping[str, Any] = field(default_factory=dict)
    structured: Mapping[str, str] = field(default_factory=dict)

    @property
    def drawn(self) -> "Named":
        """The same with titles as a figure is given them: a dollar sign in one begins no formula."""
        return Named(
            {name: escaped(title) for name, title in self.titles.items()},
            self.controls,
            {
                name: {**birth, "title": escaped(birth["title"])} if birth.get("title") else birth
                for name, birth in self.births.items()
            },
            self.structured,
        )


def escaped(text: str) -> str:
    """Return text that a figure shows as it is: between bare dollar signs it would read a formula."""
    return text.replace("$", r"\$")


def unescaped(text: str) -> str:
    """Return what :func:`escaped` was given."""
    return text.replace(r"\$", "$")


class Drawing(NamedTuple):
    """A figure, and the line that says what it shows."""

    title: str
    figure: "Figure"


def maker_of(maker: str) -> Callable[[Entry, Any], Any]:
    """Import the function that makes an exhibit."""
    module, _, name = maker.partition(":")
    made: Callable[[Entry, Any], Any] = getattr(import_module(f"weightspectra.report.{module}"), name)
    return made
