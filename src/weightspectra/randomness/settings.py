"""Settings of the tests against noise."""

from typing import Annotated

from pydantic import Field

from weightspectra.base.settings import Natural, Positive, Section


class Randomness(Section):
    """How singular values and vectors are tested against noise."""

    level: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Family-wise error level of a matrix's bounds, both ends together, and false discovery rate of the tests of its
    singular vectors."""
    window: Positive = 15
    """Neighbouring singular vectors over which p-values are averaged."""
    n_spectra: Annotated[int, Field(ge=20)] = 400
    """Noise matrices simulated for each shape; p-values of a spectrum are not smaller than one over this."""
    n_vectors: Annotated[int, Field(ge=1000)] = 50000
    """Random directions simulated for each dimension. With 50000, p-values of 0.05 are right to 2 %, and those of
    0.0001 to 15 %."""
    n_permutations: Natural = 0
    """Times the entries of every matrix are shuffled, as a null hypothesis for entries that are far from Gaussian; 0
    leaves it out. At the default level, 39 is the smallest useful number."""
