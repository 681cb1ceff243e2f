"""What jobs read beside the files that their rules name, and what is asked of them: functions of the configuration."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from weightspectra.config.artifacts import moments, path, run_of
from weightspectra.config.originals import structured_controls

if TYPE_CHECKING:
    from weightspectra.birth.settings import TaskData
    from weightspectra.config.configuration import Configuration

SHAKESPEARE = Path(__file__).parents[3] / "config" / "published" / "tiny_shakespeare.csv"
"""Counts of the text that is used where none is named."""


def evaluation(configuration: "Configuration", model: str, name: str) -> dict[str, list[str]]:
    """Return what an experiment reads beside the model and its singular values: only what its entry speaks of.

    So that a change elsewhere (in a test against noise, say) does not run every evaluation anew.
    """
    experiment = configuration.experiments[name]
    values = [values for cut in experiment.cuts if (values := cut.remove or cut.keep)]
    compressions = [cut.compress for cut in experiment.cuts if cut.compress]
    whitening = sorted({compress.corpus for compress in compressions if compress.corpus})
    by_bulk = any(wanted.region for wanted in values) or any(cut.controls for cut in experiment.cuts)
    by_boundary = any({"boundary", "whitened_boundary"} & {*compress.methods} for compress in compressions)
    return {
        "corpus": [path("corpora", experiment.corpus)] if experiment.corpus else [],
        "bulk": [path("bulk", model)] if by_bulk else [],
        "information": [path("information", model)] if by_boundary else [],
        "moments": [file for corpus in whitening for file in moments(configuration, model, corpus)],
        "tasks": [path("tasks", task) for task in experiment.tasks],
        "data_sets": [path("data_sets", data_set) for data_set in experiment.probes],
    }


def task(configuration: "Configuration", name: str) -> dict[str, list[str]]:
    """Return what a task is made from in this configuration: a data set, a tokenizer."""
    entry = configuration.tasks[name]
    return {
        "data_set": [path("data_sets", entry.data_set)] if entry.data_set else [],
        "tokenizer": [path("sources", entry.tokenizer)] if entry.tokenizer else [],
    }


def corpus(configuration: "Configuration", name: str) -> list[str]:
    """Return the characters that a corpus of the bigram task is drawn from; other corpora need nothing."""
    drawn = configuration.corpora[name].source.birth
    return [path("characters", drawn.birth)] if drawn else []


def original(configuration: "Configuration", model: str) -> list[str]:
    """Return what a model is made from: its original's source, or its birth's checkpoints; nothing if it is fetched."""
    source = configuration.models[model].source
    if source.original:
        return [path("sources", source.original)]
    return [run_of("births", source.birth.birth, source.birth.seed)] if source.birth else []


def tokenizer(configuration: "Configuration", model: str) -> list[str]:
    """Return what another tokenizer than the model's own is taken from, so that it is taken anew when that changes."""
    wanted = configuration.models[model].tokenizer
    if wanted is None or wanted.hub:
        return []
    if wanted.like:
        return [path("sources", wanted.like)]
    place = Path(str(wanted.path)).expanduser()
    return sorted(map(str, place.glob("*.*") if place.is_dir() else [place] if place.is_file() else []))


def permutations(configuration: "Configuration", model: str) -> list[str]:
    """Return the shuffled spectra of a model, if the configuration asks for them."""
    return [path("permutations", model)] if configuration.randomness.n_permutations > 0 else []


def text_of(data: "TaskData") -> Path:
    """Return the text whose characters a birth's task is made of, or counts of one."""
    return Path(data.text) if data.text else SHAKESPEARE


def requested(configuration: "Configuration", model: str) -> dict[str, list[Any]]:
    """Return what will be asked of a model, as :func:`weightspectra.models.requests.check_request` takes it."""
    experiments = [experiment for experiment in configuration.experiments.values() if model in experiment.models]
    metrics = {metric for asked in experiments for metric in [*asked.metrics, *(["tasks"] if asked.tasks else [])]}
    cuts = [cut for experiment in experiments for cut in experiment.cuts]
    shown = configuration.report.blocks.get(model, ())
    not_run = structured_controls(configuration)
    given_texts = {
        "observe": model in {not_run.get(observed, observed) for observed in configuration.observe.models},
        "experiments": bool(experiments),
        "predict": model in configuration.predict.models,
        "finetunings": any(model in finetuning.models for finetuning in configuration.finetunings.values()),
    }
    return {
        "metrics": sorted(metrics | ({"predict"} if model in configuration.predict.models else set())),
        "roles": sorted({role for cut in cuts for role in cut.roles or ()}),
        "layers": sorted({*(layer for cut in cuts for layer in cut.layers or ()), *shown}),
        "texts": [section for section, is_given in given_texts.items() if is_given],
    }
