"""Every Parquet file of the pipeline: its columns, and the only code that reads or writes one.

A contract names its columns, their types and their meaning, and carries a
version that is stamped into each file. Writers refuse rows that do not fit,
readers refuse files of another contract or version, and both check the pages'
checksums, so that a flipped bit is an error and never a number.

Two kinds of file share this code. *Tables* hold one row per thing and come back
as a data frame. *Matrix files* (``WEIGHTS``, ``VECTORS``, ``MOMENTS``) begin a
row group with each matrix, so that a single matrix can be read without the others.
"""

from weightspectra.base.parquet import read_provenance
from weightspectra.contracts.ablation import EVALUATIONS, TASKS
from weightspectra.contracts.activations import MOMENTS, OVERLAPS
from weightspectra.contracts.birth import (
    ATTENTION_MAPS,
    CHARACTERS,
    CHECKPOINTS,
    KNOCKOUTS,
    LEARNING,
    LOCATIONS,
    PROBES,
    SIMULATIONS,
)
from weightspectra.contracts.conclusions import FINDINGS
from weightspectra.contracts.contract import Column, Contract, Matrices, MatrixWriter
from weightspectra.contracts.damage import DIRECTIONS, PREDICTIONS
from weightspectra.contracts.finetuning import COMPARISONS, FINETUNINGS
from weightspectra.contracts.matrix_key import KEY_COLUMNS, ROLES, MatrixKey
from weightspectra.contracts.models import MATRICES, SOURCES, WEIGHTS
from weightspectra.contracts.randomness import (
    BULK,
    CLEANING,
    HEAD_TESTS,
    INFORMATION,
    LEVELS,
    NULLS,
    PERMUTATIONS,
    TAILS,
    VECTOR_TESTS,
)
from weightspectra.contracts.sources import CORPUS, EXAMPLES
from weightspectra.contracts.spectra import SPECTRA, VECTORS

ALL = (
    SOURCES,
    CORPUS,
    WEIGHTS,
    MATRICES,
    SPECTRA,
    VECTORS,
    NULLS,
    PERMUTATIONS,
    BULK,
    LEVELS,
    VECTOR_TESTS,
    HEAD_TESTS,
    TAILS,
    CLEANING,
    INFORMATION,
    MOMENTS,
    OVERLAPS,
    EXAMPLES,
    TASKS,
    EVALUATIONS,
    PREDICTIONS,
    DIRECTIONS,
    FINETUNINGS,
    COMPARISONS,
    CHARACTERS,
    CHECKPOINTS,
    LEARNING,
    PROBES,
    ATTENTION_MAPS,
    LOCATIONS,
    KNOCKOUTS,
    SIMULATIONS,
    FINDINGS,
)
"""Every contract, in the order in which data moves."""

__all__ = [
    "ALL",
    "ATTENTION_MAPS",
    "BULK",
    "CHARACTERS",
    "CHECKPOINTS",
    "CLEANING",
    "COMPARISONS",
    "CORPUS",
    "DIRECTIONS",
    "EVALUATIONS",
    "EXAMPLES",
    "FINDINGS",
    "FINETUNINGS",
    "HEAD_TESTS",
    "INFORMATION",
    "KEY_COLUMNS",
    "KNOCKOUTS",
    "LEARNING",
    "LEVELS",
    "LOCATIONS",
    "MATRICES",
    "MOMENTS",
    "NULLS",
    "OVERLAPS",
    "PERMUTATIONS",
    "PREDICTIONS",
    "PROBES",
    "ROLES",
    "SIMULATIONS",
    "SOURCES",
    "SPECTRA",
    "TAILS",
    "TASKS",
    "VECTORS",
    "VECTOR_TESTS",
    "WEIGHTS",
    "Column",
    "Contract",
    "Matrices",
    "MatrixKey",
    "MatrixWriter",
    "read_provenance",
]
