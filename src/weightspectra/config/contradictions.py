"""What stands against a configuration although every value of it is right and every name is there."""

import difflib
from collections.abc import Iterator

from weightspectra.ablation.settings import Cut, Experiment
from weightspectra.activations.settings import Observe
from weightspectra.config import birth_contradictions, originals
from weightspectra.config.configuration import Configuration
from weightspectra.sources.settings import Corpus, Selection


def found(configuration: Configuration) -> Iterator[str]:
    """Yield a line for each contradiction."""
    for name, model in configuration.models.items():
        kind, like = model.source.kind, model.source.original
        if like and configuration.models[like].source.original:
            yield f"models/{name}/source/{kind}/like: '{like}' is itself made like another; name the original"
        lender = model.tokenizer.like if model.tokenizer else None
        if lender and (lender == name or configuration.models[lender].tokenizer):
            yield f"models/{name}/tokenizer/like: '{lender}' has another's tokenizer itself; name the original"
    yield from _of_controls(configuration)
    for section in ("observe", "predict"):
        asked = getattr(configuration, section)
        if bool(asked.models) != bool(asked.corpora):
            yield f"{section}: found models without corpora or corpora without models; name both, or neither"
    for name, corpus in configuration.corpora.items():
        yield from _of_corpus(f"corpora/{name}", corpus)
    for name, experiment in configuration.experiments.items():
        yield from _of_experiment(f"experiments/{name}", experiment, configuration.observe)
    for name, task in configuration.tasks.items():
        if (task.data_set is None) != (task.prompt is None):
            yield f"tasks/{name}: a data set needs a prompt, and only a data set has one; name both, or neither"
        elif task.prompt is not None and "{text}" not in task.prompt:
            yield f"tasks/{name}/prompt: found {task.prompt!r}, which lacks the place of the text, {{text}}"
    for name, pair in configuration.comparisons.items():
        if pair.base == pair.tuned:
            yield f"comparisons/{name}: '{pair.base}' is compared with itself; name two models"
    yield from _of_export(configuration)
    yield from birth_contradictions.found(configuration)
    for name, finetuning in configuration.finetunings.items():
        if finetuning.n_seeds_removed > finetuning.n_seeds:
            yield (
                f"finetunings/{name}/n_seeds_removed: found {finetuning.n_seeds_removed}, more than the "
                f"{finetuning.n_seeds} untouched runs they are compared with"
            )


def _of_controls(configuration: Configuration) -> Iterator[str]:
    """Refuse to run a structure-keeping control: what it computes means nothing."""
    controls = originals.structured_controls(configuration)
    asked = {
        **{f"experiments/{name}": experiment.models for name, experiment in configuration.experiments.items()},
        "predict": configuration.predict.models,
        **{f"finetunings/{name}": finetuning.models for name, finetuning in configuration.finetunings.items()},
    }
    for where, models in asked.items():
        for model in (model for model in models if model in controls):
            yield (
                f"{where}/models: '{model}' is a structure-keeping control, of which only the matrices mean something, "
                f"and not what it computes; take it out, or name its original, '{controls[model]}'"
            )


def _of_export(configuration: Configuration) -> Iterator[str]:
    """Find out where the cut to export is from; whether it is there is known only with the model's matrices."""
    if configuration.cut is None:
        return
    *place, label = configuration.cut.split("/")
    pairs = [f"{model}/{name}" for name, asked in configuration.experiments.items() for model in asked.models]
    if not pairs:
        yield "cut: there is no experiment to take it from"
    elif not label.strip():
        yield f"cut: found '{configuration.cut}', expected the label of a cut, for example 'decile 1 of down'"
    elif not place and len(pairs) > 1:
        yield f"cut: several experiments may have '{label}'; write {' or '.join(f'{pair}/{label}' for pair in pairs)}"
    elif place and "/".join(place) not in pairs:
        near = difflib.get_close_matches("/".join(place), pairs, n=1) or pairs
        yield f"cut: no experiment '{'/'.join(place)}' (model/experiment); perhaps {near[0]}/{label}?"


def _of_experiment(where: str, experiment: Experiment, observe: Observe) -> Iterator[str]:
    if experiment.stride > experiment.window:
        yield (
            f"{where}/stride: {experiment.stride} is larger than the window of "
            f"{experiment.window} tokens, which would skip text; use at most the window"
        )
    if experiment.metrics and not experiment.corpus:
        yield f"{where}/metrics: {', '.join(experiment.metrics)} without a text; name a corpus"
    if not (experiment.metrics or experiment.tasks or experiment.probes):
        yield f"{where}: nothing is measured; name a corpus, tasks or probes"
    whitening = sorted({cut.compress.corpus for cut in experiment.cuts if cut.compress and cut.compress.corpus})
    if len(whitening) > 1:
        yield f"{where}/cuts: compress names the corpora {', '.join(whitening)}; whiten with one in each experiment"
    for number, cut in enumerate(experiment.cuts):
        for way in ("remove", "keep"):
            values = getattr(cut, way)
            if values and values.indices and values.indices[0] > values.indices[1]:
                first, last = values.indices
                yield f"{where}/cuts/{number}/{way}/indices: found {first} to {last}; the smaller rank comes first"
        yield from _of_compression(f"{where}/cuts/{number}", cut, experiment, observe)


def _of_compression(where: str, cut: Cut, experiment: Experiment, observe: Observe) -> Iterator[str]:
    compress = cut.compress
    if compress is None:
        return
    if cut.controls:
        yield f"{where}/controls: a compression has no matched controls; leave the key out"
    if not {"whitened", "whitened_boundary"} & set(compress.methods):
        return
    if compress.corpus is None:
        yield f"{where}/compress: whitening needs second moments; name the corpus they were collected on"
    elif compress.corpus not in observe.corpora or not set(experiment.models) <= set(observe.models):
        yield (
            f"{where}/compress/corpus: '{compress.corpus}' is not observed for "
            f"{', '.join(experiment.models)}; add both to observe"
        )


def _of_corpus(where: str, corpus: Corpus) -> Iterator[str]:
    observe, evaluate = corpus.observe, corpus.evaluate
    for name, part in (("observe", observe), ("evaluate", evaluate)):
        if part.kind in ("number_in_name", "share") and part.value[0] > part.value[1]:
            yield f"{where}/{name}/{part.kind}: found {_spelled(part, ' to ')}; the smaller number comes first"
    if observe.kind == evaluate.kind and _overlap(observe.kind, observe, evaluate):
        parts = " and ".join(f"[{_spelled(part)}]" for part in (observe, evaluate))
        yield f"{where}: observe and evaluate overlap ({observe.kind}: {parts}); choose parts that do not"


def _spelled(part: Selection, between: str = ", ") -> str:
    return part.value if isinstance(part.value, str) else between.join(f"{end:g}" for end in part.value)


def _overlap(kind: str, one: Selection, other: Selection) -> bool:
    """Say whether two selections of the same kind can choose the same document."""
    if kind == "number_in_name":  # both ends are included
        return max(one.value[0], other.value[0]) <= min(one.value[1], other.value[1])
    if kind == "share":
        return max(one.value[0], other.value[0]) < min(one.value[1], other.value[1])
    return one.value == other.value
