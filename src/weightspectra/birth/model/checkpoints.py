"""One training run, read back: its parameters at every checkpoint."""

import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from weightspectra import contracts
from weightspectra.birth.model import born
from weightspectra.birth.model.bigram_config import BigramConfig
from weightspectra.birth.model.bigram_transformer import BigramTransformer


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes
    ----------
    birth : str
        Its name in the configuration.
    seed : int
    config : dict
        The model's configuration, as its ``config.json`` holds it.
    iterations : list of int
        Those of the checkpoints, rising; the first is 0.
    """

    birth: str
    seed: int
    config: dict[str, Any]
    iterations: list[int]
    _checkpoints: pd.DataFrame

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Run":
        """Read a file of ``contracts.CHECKPOINTS``."""
        return cls.of(contracts.CHECKPOINTS.read(path))

    @classmethod
    def of(cls, checkpoints: pd.DataFrame) -> "Run":
        """Take rows of ``contracts.CHECKPOINTS`` of one run."""
        first = checkpoints.iloc[0]
        iterations = sorted({int(iteration) for iteration in checkpoints["iteration"]})
        return cls(str(first["birth"]), int(first["seed"]), json.loads(first["config"]), iterations, checkpoints)

    def parameters(self, iteration: int) -> dict[str, np.ndarray]:
        """Return all parameters after so many iterations (:func:`weightspectra.birth.model.born.parameters_at`)."""
        return born.parameters_at(self._checkpoints, iteration)

    def model(self, iteration: int) -> BigramTransformer:
        """Return the model after so many iterations, in evaluation mode; raises as :meth:`parameters` does."""
        return born.rebuilt(BigramConfig(**self.config), self.parameters(iteration))
