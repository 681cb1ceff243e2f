"""What an experiment needs beside its cuts: the metrics that it asks for, and the model, loaded once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from weightspectra.ablation.choose.cuts import PlannedCut
from weightspectra.ablation.edit.truncation import Stored
from weightspectra.ablation.measure.evaluation import EditableModel, first_layer
from weightspectra.ablation.measure.metrics import Metric
from weightspectra.ablation.measure.perplexity import Perplexity
from weightspectra.ablation.measure.pseudo_perplexity import PseudoPerplexity
from weightspectra.ablation.settings import Experiment
from weightspectra.activations import windows
from weightspectra.activations.unknown import unknown_share
from weightspectra.models import live, loading, requests


def names_of_metrics(experiment: Experiment) -> list[str]:
    """Return what an experiment measures, as :func:`requests.check_request` and :func:`requests.head_for` take it."""
    return [*experiment.metrics, *(["tasks"] if experiment.tasks else [])]


def load_metrics(
    experiment: Experiment,
    tokenizer: Any,
    *,
    cuts: Sequence[PlannedCut],
    device: torch.device | str,
    corpus: pd.DataFrame | None,
    tasks: Mapping[Path, pd.DataFrame],
    data_sets: Sequence[pd.DataFrame],
) -> list[Metric]:
    """Make ready everything that an experiment measures; what it does not ask for is not even imported.

    Parameters
    ----------
    experiment : Experiment
    tokenizer : transformers tokenizer
    cuts : sequence of PlannedCut
        Those to come, so that what they have in common may be kept.
    device : torch device
        Where the model will be.
    corpus : DataFrame or None
        Rows of ``contracts.CORPUS``; the documents to evaluate are scored.
    tasks : mapping from folder to DataFrame
        Rows of ``contracts.TASKS``: resolved tasks, each with the folder that holds it and its data.
    data_sets : sequence of DataFrame
        Rows of ``contracts.EXAMPLES`` of each data set to probe.

    Raises
    ------
    UserError
        When the texts are shorter than one window, the tokenizer cannot mask,
        or a data set has too few texts.
    """
    documents = [] if corpus is None else corpus[corpus["part"] == "evaluate"].itertuples()
    texts = {str(row.document): str(row.text) for row in documents}
    layers = sorted({first_layer(cut) for cut in cuts})
    found = [_text_metric(name, experiment, texts, tokenizer, layers) for name in experiment.metrics]
    if tasks:
        from weightspectra.ablation.tasks.asking import Tasks, load_tasks

        for folder, table in tasks.items():
            rows = [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
            found.append(Tasks(rows[0]["task"], load_tasks(folder, rows), tokenizer, batch_size=experiment.batch_size))
    if data_sets:
        from weightspectra.ablation.measure.probe import LinearProbe

        for examples in data_sets:
            found.append(LinearProbe(examples["data_set"].iloc[0], examples, tokenizer, experiment.batch_size, device))
    return found


def load_subject(
    folder: Path,
    experiment: Experiment,
    stored: Stored,
    *,
    device: torch.device | str,
    trust_remote_code: bool,
    fused_split: str,
) -> EditableModel:
    """Load the model of an experiment with the head that its metrics need.

    Parameters
    ----------
    folder : path
        Of the model.
    experiment : Experiment
    stored : Stored
        What edits may read.
    device, trust_remote_code
        As in :func:`loading.load`.
    fused_split : str
        As in :func:`live.matrices`.

    Raises
    ------
    UserError
        When the checkpoint lacks the head, or the model positions for the windows.
    """
    model = loading.load(
        folder,
        head=requests.head_for(names_of_metrics(experiment)),
        dtype=getattr(torch, experiment.dtype),
        device=device,
        trust_remote_code=trust_remote_code,
    )
    if experiment.metrics:
        windows.check_window(experiment.window, model)
    return EditableModel(model, live.matrices(model, fused_split), stored)


def _text_metric(
    name: str, experiment: Experiment, texts: Mapping[str, str], tokenizer: Any, layers: Sequence[int]
) -> Metric:
    """Cut texts into windows and return the metric that scores them."""
    sampling = {"window": experiment.window, "stride": experiment.stride, "n_windows": experiment.n_windows}
    read: dict[str, Any] = {"window": experiment.window, "stride": experiment.stride}
    known: dict[str, Any] = {"texts": texts, "tokenizer": tokenizer, "batch_size": experiment.batch_size}
    if name == "pseudo_perplexity":
        masked = windows.masked_windows(texts, tokenizer, **sampling)
        read |= {"bos": bool(windows.special_tokens(tokenizer)[0]), "unknown_tokens": _unknown(masked, tokenizer)}
        return PseudoPerplexity(masked, **known, read=read)
    scored = windows.evaluation_windows(texts, tokenizer, **sampling, bos=experiment.bos)
    with_bos = experiment.bos and tokenizer.bos_token_id is not None
    read |= {"bos": with_bos, "unknown_tokens": _unknown(scored, tokenizer)}
    return Perplexity(scored, **known, first_layers=layers, read=read)


def _unknown(cut: Sequence[windows.Window], tokenizer: Any) -> float:
    return unknown_share([window.input_ids for window in cut], tokenizer)
