"""The cuts of an experiment, from what is known of a model before it is loaded."""

from collections.abc import Iterable, Sequence

import pandas as pd

from weightspectra import contracts
from weightspectra.ablation import settings
from weightspectra.ablation.choose.cuts import PlannedCut, plan_cuts
from weightspectra.ablation.choose.selection import spectra_of
from weightspectra.ablation.edit.compression import Compression, informative_directions
from weightspectra.models.attention import head_counts
from weightspectra.models.layouts import Config


def tables_of_model(spectra: Iterable[str], bulk: Iterable[str], information: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Read what cuts are planned from, as :func:`experiment_cuts` takes it; a table without files is left out."""
    files = {contracts.SPECTRA: spectra, contracts.BULK: bulk, contracts.INFORMATION: information}
    return {contract.name: contract.read(paths) for contract, paths in files.items() if paths}


def experiment_cuts(
    entries: Sequence[settings.Cut],
    spectra: pd.DataFrame,
    bulk: pd.DataFrame | None = None,
    information: pd.DataFrame | None = None,
    *,
    config: Config,
    model: str,
    seed: int,
) -> list[PlannedCut]:
    """Plan the cuts of one experiment on one model; whoever evaluates or exports one plans them alike.

    Parameters
    ----------
    entries : sequence of settings.Cut
        The experiment's ``cuts``.
    spectra : DataFrame
        Rows of ``contracts.SPECTRA``.
    bulk : DataFrame, optional
        Rows of ``contracts.BULK``; for regions and controls.
    information : DataFrame, optional
        Rows of ``contracts.INFORMATION``; for compressions that go by the boundary.
    config : mapping
        The model's ``config.json``.
    model : str
        Its name.
    seed : int
        The configuration's.

    Raises
    ------
    UserError
        As :func:`weightspectra.ablation.choose.cuts.plan_cuts` does.
    """
    known = spectra_of(spectra, bulk)
    shapes = {key: (spectrum.n_out, spectrum.n_in) for key, spectrum in known.items()}
    n_informative = informative_directions(information) if information is not None else {}
    heads = head_counts(config) if any(entry.scope == "head" for entry in entries) else None
    compressor = Compression(shapes, n_informative)
    return plan_cuts(entries, known, seed=seed, model=model, head_counts=heads, compressor=compressor)
