"""Tasks of lm-eval asked of a model in memory, again and again, with what each item contributes to each metric."""

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lm_eval.api.metrics import mean
from lm_eval.evaluator import evaluate

from weightspectra.ablation.measure.metrics import Measurement
from weightspectra.ablation.measure.positions import NOT_IN_WINDOWS
from weightspectra.ablation.tasks.choices import calibrated
from weightspectra.ablation.tasks.harness import SEED, LiveModel, quiet_lm_eval
from weightspectra.ablation.tasks.item_scores import ItemScores, is_score, item_scores
from weightspectra.ablation.tasks.task_building import generated_code
from weightspectra.ablation.tasks.task_files import Resolved, load

ABSENT = -1.0
"""What RULER's tasks log for a length of which they have no documents."""


class _Named(NamedTuple):
    """The scores of one metric on one task of lm-eval, and the items that have one."""

    metric: str
    higher_is_better: bool
    items: list[str]
    scores: ItemScores


class Tasks:
    """The tasks that one entry of the configuration stands for; a metric.

    Parameters
    ----------
    name : str
        The entry's name, which begins the metrics' names.
    resolved : sequence of Resolved
        Its tasks, as :func:`load_tasks` reads them.
    tokenizer : transformers tokenizer
    batch_size : int
        Prompts per forward pass.
    """

    def __init__(self, name: str, resolved: Sequence[Resolved], tokenizer: Any, *, batch_size: int):
        self.name = name
        self._tasks = {each.settings["task"]: each for each in resolved}
        self._settings = resolved[0].settings
        self._tokenizer = tokenizer
        self._batch_size = batch_size
        self._live: LiveModel | None = None

    def measure(self, model: Any, first_layer: int = 0) -> list[Measurement]:
        """Ask a model.

        Parameters
        ----------
        model : transformers causal language model
        first_layer : int
            Not used: every prompt is run through all blocks.

        Returns
        -------
        list of Measurement
            ``<name>/<metric>``, with ``,<filter>`` where a task has several ways
            to read an answer, ``/<task>`` where the entry is a group, and
            ``(aux)`` where a task logs a score that it does not aggregate. Of a group
            also the averages that it asks for.

        Raises
        ------
        UserError
            When the model is no causal language model.
        """
        first = self._live is None or self._live.model is not model
        if first:
            options = {"batch_size": self._batch_size, "max_length": self._settings["max_length"]}
            self._live = LiveModel(model, self._tokenizer, **options)
        live: Any = self._live
        devices = [live.device] if live.device.type == "cuda" else []
        allowed = self._settings["run_generated_code"]
        with quiet_lm_eval(self.name) as truncations, generated_code(allowed), torch.random.fork_rng(devices):
            torch.manual_seed(SEED)
            for each in self._tasks.values():
                each.task.set_fewshot_seed(SEED)
            tasks = {leaf: _Unaggregated(each.task) for leaf, each in self._tasks.items()}
            found = evaluate(
                lm=live,
                task_dict={"tasks": tasks},
                limit=self._settings["limit"],
                bootstrap_iters=0,
                log_samples=True,
                confirm_run_unsafe_code=allowed,
            )
            by_task = {leaf: self._read(leaf, found["samples"][leaf], live) for leaf in self._tasks}
        if first and truncations.count:
            print(
                f"{self.name}: {truncations.count} prompts (or batches of them) are longer than {live.max_length} "
                "tokens and lost their beginning",
                file=sys.stderr,
            )
        unknown = {leaf: live.unknown_tokens.get(leaf, float("nan")) for leaf in by_task}
        return [*self._averages(by_task, unknown), *self._measurements(by_task, unknown)]

    def _read(self, leaf: str, samples: list[dict[str, Any]], live: LiveModel) -> list[_Named]:
        """Divide the metrics of one task among its items."""
        task = self._tasks[leaf].task
        named = list(_logged(task, samples))
        if self._settings["calibrated"]:
            named += _calibrated(task, samples, live)
            named = [_by_group(each, samples) for each in named]
        return named

    def _measurements(self, by_task: Mapping[str, list[_Named]], unknown: Mapping[str, float]) -> Iterator[Measurement]:
        several = len(by_task) > 1
        for leaf, found in by_task.items():
            unit = "document" if self._tasks[leaf].task.OUTPUT_TYPE == "loglikelihood_rolling" else "item"
            for metric, higher_is_better, items, scores in found:
                name = f"{self.name}/{metric}" + (f"/{leaf}" if several else "")
                read = NOT_IN_WINDOWS | {"unknown_tokens": unknown[leaf]}
                yield Measurement(
                    *(name, scores.statistic, higher_is_better, unit, items, scores.values, scores.weights, read)
                )

    def _averages(self, by_task: Mapping[str, list[_Named]], unknown: Mapping[str, float]) -> Iterator[Measurement]:
        """Average a group's metrics over all its items, or over its tasks.

        Those that it names, and those that all its tasks share: RULER's names one length only.
        """
        metrics = {named.metric: named.higher_is_better for found in by_task.values() for named in found}
        for metric, higher_is_better in metrics.items() if len(by_task) > 1 else ():
            parts = [(leaf, named) for leaf, found in by_task.items() for named in found if named.metric == metric]
            averages = self._settings["averages"]
            shared = next(iter(averages.values()), None) if len(parts) == len(by_task) else None
            by_size = averages.get(metric.partition(",")[0], shared)
            if by_size is None or any(named.scores.statistic != "mean" for _, named in parts):
                continue
            units = [f"{leaf}/{item}" for leaf, named in parts for item in named.items]
            shares = [1.0 if by_size else 1.0 / named.scores.weights.sum() for _, named in parts]
            weights = [share * named.scores.weights for share, (_, named) in zip(shares, parts, strict=True)]
            values = [share * named.scores.values for share, (_, named) in zip(shares, parts, strict=True)]
            yield Measurement(
                f"{self.name}/{metric}",
                "mean",
                higher_is_better,
                "item",
                units,
                np.concatenate(values),
                np.concatenate(weights),
                NOT_IN_WINDOWS | {"unknown_tokens": max(unknown[leaf] for leaf, _ in parts)},
            )


class _Unaggregated:
    """A task whose metrics lm-eval does not aggregate: that is done here, and scores beside them may be anything."""

    def __init__(self, task: Any):
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def aggregation(self) -> Mapping[str, Any]:
        """Return, for any metric, a way to leave it alone."""
        return defaultdict(lambda: _leave)


def _leave(items: Sequence[Any]) -> float:
    return float("nan")


def _logged(task: Any, samples: Sequence[Mapping[str, Any]]) -> Iterator[_Named]:
    """Take the metrics of one task apart, and the scores that it logs beside them."""
    aggregations, directions = task.aggregation(), task.higher_is_better()
    for way in dict.fromkeys(sample["filter"] for sample in samples):
        asked = [sample for sample in samples if sample["filter"] == way]
        suffix = "" if way == "none" else f",{way}"
        for metric in dict.fromkeys(metric for sample in asked for metric in sample["metrics"]):
            scored = [sample for sample in asked if metric in sample["metrics"]]
            items, found = [_item(sample) for sample in scored], [sample[metric] for sample in scored]
            if metric in aggregations and all(isinstance(each, float) and each == ABSENT for each in found):
                continue
            if metric in aggregations:
                scores = item_scores(found, aggregations[metric])
                yield _Named(f"{metric}{suffix}", directions.get(metric, True), items, scores)
            else:
                yield from _beside(f"{metric}{suffix}", items, found)


def _beside(metric: str, items: list[str], found: Sequence[Any]) -> Iterator[_Named]:
    """Take the numbers among scores that a task logs but does not aggregate, also those in a dictionary."""
    if all(isinstance(each, Mapping) for each in found):
        for key in dict.fromkeys(key for each in found for key in each):
            having = [(item, each[key]) for item, each in zip(items, found, strict=True) if key in each]
            yield from _beside(f"{metric}.{key}", [item for item, _ in having], [score for _, score in having])
    elif all(is_score(each) for each in found):
        yield _Named(f"{metric} (aux)", True, items, item_scores(found, mean))


def _item(sample: Mapping[str, Any]) -> str:
    """Name an item: as its data set of this configuration does, otherwise by its number."""
    return str(sample["doc"]["example"] if sample["doc"].keys() >= {"example", "prompt"} else sample["doc_id"])


def _by_group(named: _Named, samples: Sequence[Mapping[str, Any]]) -> _Named:
    """Add up what texts of one group contribute to a mean, since only groups are independent; leave an AUC alone."""
    groups = np.array([sample["doc"]["group"] or sample["doc"]["example"] for sample in samples])
    if named.scores.statistic != "mean" or len(set(groups)) == len(groups):
        return named
    names, member = np.unique(groups, return_inverse=True)
    values, weights = (np.bincount(member, array) for array in (named.scores.values, named.scores.weights))
    return named._replace(items=list(map(str, names)), scores=ItemScores("mean", values, weights))


def _calibrated(task: Any, samples: Sequence[Mapping[str, Any]], live: LiveModel) -> Iterator[_Named]:
    """Score answers to a data set's prompts without the model's bias towards a name."""
    answers = np.array([[score for score, _ in sample["filtered_resps"]] for sample in samples])
    labels = np.array([sample["doc"]["label"] for sample in samples])
    items = [_item(sample) for sample in samples]
    requests = []
    for row in task.dataset["content_free"]:
        context = task.fewshot_context(row, num_fewshot=task.config.num_fewshot)
        requests += task.construct_requests(row, context, metadata=(task.task_name, 0, 1))
    free = np.array([score for score, _ in live.loglikelihood(requests)]).reshape(-1, answers.shape[1])
    right = (calibrated(answers, free).argmax(axis=1) == labels).astype(np.float64)
    yield _Named("acc_calibrated", True, items, ItemScores("mean", right, np.ones(len(items))))
    if answers.shape[1] == 2:
        margins = answers[:, 1] - answers[:, 0]
        yield _Named("auc", True, items, ItemScores("auc", margins, labels.astype(np.float64)))


def load_tasks(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[Resolved]:
    """Load the tasks of one entry, as rows of ``contracts.TASKS`` and the folder beside them give them."""
    return [load(folder, row["file"], row["sha256"]) for row in rows]
