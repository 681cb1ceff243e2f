"""What the rules of the report need to know of each table and figure, told by the registry of exhibits."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from weightspectra.base.code import Target
from weightspectra.base.digests import Digests
from weightspectra.config import artifacts, originals
from weightspectra.config.configuration import Configuration
from weightspectra.report import exhibits
from weightspectra.report.kit.exhibit import Entry, Exhibit

Wildcards = Any
PUBLISHED = "published"


class Presented:
    """The tables and figures that a configuration asks for.

    Parameters
    ----------
    settings : Configuration
    config : dict
        The same, untyped.
    root : path
        The folder of the Snakefile.

    Attributes
    ----------
    tables, figures : dict
        From the name of each to its entry, in the order of the page.
    """

    def __init__(self, settings: Configuration, config: dict[str, Any], root: Path, digests: Digests):
        self.settings, self.config, self.root = settings, config, root
        self._digests = digests
        self.tables = exhibits.tables(settings)
        self.figures = exhibits.figures(settings)

    @property
    def measurements(self) -> dict[str, list[str]]:
        """Everything that is presented, as named inputs."""
        files = self._files([*artifacts.measurements(self.settings), PUBLISHED], {})
        return files | {"findings": [artifacts.path("findings")]}

    @property
    def page_template(self) -> str:
        """The template of the report's page."""
        return str(self.root / "src" / "weightspectra" / "report" / "kit" / "page.html.j2")

    @property
    def named_in_report(self) -> dict[str, Any]:
        """Titles and controls of all models, and all births."""
        return self._named(set(self.settings.models), set(self.settings.births))

    def shown_from(self, wildcards: Wildcards) -> dict[str, list[str]]:
        """Return what an exhibit reads, as named inputs."""
        exhibit, entry = self._kind(wildcards), self.entry(wildcards)
        files = self._files(exhibit.reads, entry)
        found = {"findings": artifacts.findings(self.settings, exhibit.findings, entry)} if exhibit.findings else {}
        return files | found

    def entry(self, wildcards: Wildcards, *_: Any) -> Entry:
        """Return what an exhibit shows."""
        of_table = "table" in wildcards.keys()  # noqa: SIM118 (wildcards are a list with names)
        return self.tables[wildcards.table] if of_table else self.figures[wildcards.figure]

    def named(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return titles and controls of the models that an exhibit shows, and its births."""
        entry = self.entry(wildcards)
        return self._named(artifacts.names(entry, "model"), artifacts.names(entry, "birth"))

    def code(self, wildcards: Wildcards) -> str:
        """Return the digest of the code behind an exhibit: of its script, and of the function that makes it."""
        script = "make_table" if "table" in wildcards.keys() else "make_figure"  # noqa: SIM118
        module, _, name = self._kind(wildcards).maker.partition(":")
        maker = Target(f"weightspectra.report.{module}", name)
        return self._digests.of_script(script, [maker])

    def maker(self, wildcards: Wildcards) -> str:
        """Return where the function that makes an exhibit is."""
        return self._kind(wildcards).maker

    def heading(self, wildcards: Wildcards) -> str:
        """Return what stands over figures of a kind."""
        return self._kind(wildcards).heading

    def caption(self, wildcards: Wildcards) -> str:
        """Return how to read an exhibit."""
        return (self.root / "workflow" / "report" / f"{self._kind(wildcards).kind}.rst").read_text().strip()

    def title(self, _: Wildcards) -> str:
        """Return the report's title; of a parameter that is no function, Snakemake takes braces for wildcards."""
        return self.settings.report.title

    def labels(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the columns under which Snakemake's own report lists an exhibit.

        Snakemake takes braces in them for wildcards, unless something stands in between that is no letter: here what
        nobody sees.
        """
        return {name: label.replace("{", "{\N{WORD JOINER}") for name, label in self._labels(wildcards).items()}

    def _labels(self, wildcards: Wildcards) -> dict[str, str]:
        entry = self.entry(wildcards)
        if "table" in wildcards.keys():  # noqa: SIM118
            return {"table": entry["kind"].replace("_", " ")}
        role = entry.get("role", "").replace("_", " ")
        names = (entry.get(name) for name in ("experiment", "corpus", "finetuning", "comparison"))
        block = entry.get("block")
        births = [self.settings.births[birth].title or birth for birth in entry.get("births", [])]
        return {
            "figure": entry["kind"].replace("_", " "),
            "model": artifacts.titles(self.settings)[entry["model"]] if "model" in entry else ", ".join(births),
            "subject": next(filter(None, names), None) or role or ("control" if entry.get("control") else ""),
            "block": "" if block is None else str(block),
        }

    def _kind(self, wildcards: Wildcards) -> Exhibit:
        kinds = exhibits.TABLES if "table" in wildcards.keys() else exhibits.FIGURES  # noqa: SIM118
        return kinds[self.entry(wildcards)["kind"]]

    def _named(self, models: set[str], births: set[str]) -> dict[str, Any]:
        controls, titles = originals.random_controls(self.settings), artifacts.titles(self.settings)
        structured = originals.structured_controls(self.settings)
        return {
            "titles": {name: title for name, title in titles.items() if name in models},
            "controls": {name: like for name, like in controls.items() if name in models},
            "structured": {name: like for name, like in structured.items() if name in models},
            "births": {name: birth for name, birth in self.config["births"].items() if name in births},
        }

    def _files(self, kinds: Collection[str], entry: Entry) -> dict[str, list[str]]:
        """Return the files of these kinds that an entry speaks of; those of published numbers are no artifacts."""
        made = artifacts.read_by(self.settings, [kind for kind in kinds if kind != PUBLISHED], entry)
        printed = [str(self.root / path) for path in self.settings.report.published]
        return made | ({PUBLISHED: printed} if PUBLISHED in kinds else {})
