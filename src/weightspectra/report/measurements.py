"""What a report is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from weightspectra import contracts
from weightspectra.report import storage


@dataclass(frozen=True)
class Measurements:
    """Everything that a report is made from: the rows of the contracts, and the names of the models.

    Attributes
    ----------
    matrices, spectra, bulk, overlaps, evaluations : DataFrame
        Rows of the contracts of these names; the last two may be empty.
    controls : mapping
        From each random control to the model it is made like.
    titles : mapping
        From each model to what it is called, in the order of the report.
    origins : mapping
        From each model to the repository, package or folder it came from.
    published : mapping
        Published numbers to compare with, as in ``config/published/``; may be empty.
    """

    matrices: pd.DataFrame
    spectra: pd.DataFrame
    bulk: pd.DataFrame
    overlaps: pd.DataFrame
    evaluations: pd.DataFrame
    controls: Mapping[str, str]
    titles: Mapping[str, str]
    origins: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(
        cls, files: Mapping[str, Sequence[str]], *, controls: Mapping[str, str], titles: Mapping[str, str]
    ) -> "Measurements":
        """Read the contracts from their files, listed under the names of the attributes; no files are no rows."""
        known = (contracts.MATRICES, contracts.SPECTRA, contracts.BULK, contracts.OVERLAPS, contracts.EVALUATIONS)
        frames = {
            contract.name: contract.read(files[contract.name])
            if files[contract.name]
            else contract.schema.empty_table().to_pandas()
            for contract in known
        }
        sources = [contracts.read_provenance(path)["sources"] for path in files["sources"]]
        origins = {name: source["name"] for found in sources for name, source in found.items() if name in titles}
        published = {
            table: printed
            for path in files.get("published", ())
            for table, printed in yaml.safe_load(Path(path).read_text()).items()
        }
        return cls(**frames, controls=controls, titles=titles, origins=origins, published=published)

    @property
    def trained(self) -> list[str]:
        """The models that are no random control."""
        present = set(self.bulk["model"])
        return [model for model in self.titles if model in present and model not in self.controls]

    def control_of(self, model: str) -> str | None:
        """Return the first random control of a model, if there is one."""
        return next((name for name, like in self.controls.items() if like == model), None)

    @property
    def notices(self) -> list[str]:
        """One warning for each model whose storage format reaches into its spectra."""
        return storage.notices(storage.storage(self.matrices, self.bulk), self.titles)
