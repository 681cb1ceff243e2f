"""Where every artifact lies and what it is of: pure functions of the resolved configuration.

Paths begin with one of Snakemake's path variables (``<results>``), which the workflow fills in.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from weightspectra.config.originals import copies, random_controls, structured_controls

if TYPE_CHECKING:
    from weightspectra.config.configuration import Configuration

OF_A_MODEL = ("sources", "bulk", "levels", "tails", "cleaning", "information")
"""Kinds of measurements with one file for each model."""

OF_A_PART = ("matrices", "spectra", "vector_tests", "head_tests")
"""Kinds of measurements with one file for each part of a model."""

NAMED_BY = {
    "model": ("model", "control", "tuned", "models"),
    "corpus": ("corpus",),
    "experiment": ("experiment", "experiments"),
    "finetuning": ("finetuning",),
    "comparison": ("comparison",),
    "birth": ("births",),
}
"""From what an artifact can be of to the keys under which an exhibit's entry names it."""


class Artifact(NamedTuple):
    """One file: its path, and what of the configuration it is of (``{"model": "bert", "corpus": "prose"}``)."""

    path: str
    of: Mapping[str, str]

    def shown_by(self, entry: Mapping[str, Any]) -> bool:
        """Return whether this is of what an exhibit's entry names, of each kind for which the entry has a key."""
        asked = (kind for kind in self.of if set(NAMED_BY[kind]) & entry.keys())
        return all(self.of[kind] in names(entry, kind) for kind in asked)


class Conclusion(NamedTuple):
    """What one file of conclusions is drawn from, by kind, and what of the configuration it is of; nothing: of all."""

    files: Mapping[str, list[str]]
    of: Mapping[str, str]


def path(kind: str, *names: str) -> str:
    """Return where the file of one kind lies that is of these names; without names, the only one of its kind."""
    return "/".join(("<results>", kind, *names)) + ".parquet"


def export(model: str, experiment: str, cut: str) -> str:
    """Return the folder of a cut that is kept as a checkpoint."""
    return f"<results>/exports/{model}/{experiment}/{cut}"


def run_of(kind: str, birth: str, seed: int) -> str:
    """Return the file of one kind of a birth's run."""
    return path(kind, birth, f"seed-{seed}")


def parts(configuration: "Configuration", model: str) -> list[str]:
    """Return the names of a model's parts: ``00-of-02``, ``01-of-02``."""
    count = configuration.models[model].parts
    return [f"{part:02d}-of-{count:02d}" for part in range(count)]


def parts_of(configuration: "Configuration", kind: str, model: str, *names: str) -> list[str]:
    """Return the files of one kind that hold the parts of a model (and are of these other names)."""
    return [path(kind, model, *names, f"part-{part}") for part in parts(configuration, model)]


def titles(configuration: "Configuration") -> dict[str, str]:
    """Return from each model to what tables and figures call it."""
    return {name: model.title or name for name, model in configuration.models.items()}


def observed(configuration: "Configuration") -> list[tuple[str, str]]:
    """Return the (model, corpus) pairs to observe."""
    return [(model, corpus) for model in configuration.observe.models for corpus in configuration.observe.corpora]


def moments(configuration: "Configuration", model: str, corpus: str) -> list[str]:
    """Return the moments of the inputs that a model's vectors are held against: its original's, if it is not run."""
    ran = structured_controls(configuration).get(model, model)
    return parts_of(configuration, "activations", ran, corpus)


def nulls(configuration: "Configuration", model: str) -> str:
    """Return the table of noise of a model's shapes; a control of either kind has that of its original."""
    controls = random_controls(configuration) | structured_controls(configuration)
    return path("nulls", controls.get(model, model))


def evaluated(configuration: "Configuration") -> list[tuple[str, str]]:
    """Return the (model, experiment) pairs to evaluate."""
    return [(model, name) for name, experiment in configuration.experiments.items() for model in experiment.models]


def predicted(configuration: "Configuration") -> list[tuple[str, str]]:
    """Return the (model, corpus) pairs whose damage to predict."""
    return [(model, corpus) for model in configuration.predict.models for corpus in configuration.predict.corpora]


def finetuned(configuration: "Configuration") -> list[tuple[str, str]]:
    """Return the (model, fine-tuning) pairs to run."""
    return [(model, name) for name, finetuning in configuration.finetunings.items() for model in finetuning.models]


def born(configuration: "Configuration") -> list[tuple[str, int]]:
    """Return the (birth, seed) pairs to train."""
    return [(name, seed) for name, birth in configuration.births.items() for seed in birth.seeds]


def located_births(configuration: "Configuration") -> list[tuple[str, int]]:
    """Return the (birth, seed) pairs on which the locator is scored."""
    return [(name, seed) for name, seed in born(configuration) if configuration.births[name].probe.locate]


def measurements(configuration: "Configuration") -> dict[str, list[Artifact]]:
    """Return every file that something is shown from, by kind: the name of its contract."""
    models = list(configuration.models)

    def pairs(kind: str, second: str, wanted: Iterable[tuple[str, str]]) -> list[Artifact]:
        return [Artifact(path(kind, model, name), {"model": model, second: name}) for model, name in wanted]

    def runs(kind: str, wanted: Iterable[tuple[str, int]]) -> list[Artifact]:
        return [Artifact(run_of(kind, birth, seed), {"birth": birth}) for birth, seed in wanted]

    def of_models(kind: str) -> list[Artifact]:
        return [Artifact(path(kind, model), {"model": model}) for model in models]

    def of_parts(kind: str) -> list[Artifact]:
        return [Artifact(file, {"model": model}) for model in models for file in parts_of(configuration, kind, model)]

    return {
        "sources": of_models("sources"),
        "matrices": of_parts("matrices"),
        "spectra": of_parts("spectra"),
        "bulk": of_models("bulk"),
        "levels": of_models("levels"),
        "vector_tests": of_parts("vector_tests"),
        "head_tests": of_parts("head_tests"),
        "tails": of_models("tails"),
        "cleaning": of_models("cleaning"),
        "information": of_models("information"),
        "overlaps": pairs("overlaps", "corpus", observed(configuration)),
        "evaluations": pairs("evaluations", "experiment", evaluated(configuration)),
        "predictions": pairs("predictions", "corpus", predicted(configuration)),
        "directions": pairs("directions", "corpus", predicted(configuration)),
        "finetunings": pairs("finetunings", "finetuning", finetuned(configuration)),
        "comparisons": [
            Artifact(path("comparisons", name), {"comparison": name}) for name in configuration.comparisons
        ],
        "learning": runs("learning", born(configuration)),
        "probes": runs("probes", born(configuration)),
        "attention_maps": runs("attention_maps", born(configuration)),
        "locations": runs("locations", located_births(configuration)),
        "knockouts": runs("knockouts", located_births(configuration)),
        "simulations": [Artifact(path("simulations"), {})] if configuration.memories.dimensions else [],
    }


def window_pairs(configuration: "Configuration") -> list[tuple[str, str, str, str]]:
    """Return each model and two of its experiments that differ in the window, the shorter first, and their corpus.

    They score perplexity, of the same part of the same text, in the same number format and with BOS in both or neither.
    """
    text = [(name, told) for name, told in configuration.experiments.items() if "perplexity" in told.metrics]
    return [
        (model, shorter, longer, str(one.corpus))
        for shorter, one in text
        for longer, other in text
        if one.window < other.window and (one.corpus, one.bos, one.dtype) == (other.corpus, other.bos, other.dtype)
        for model in one.models
        if model in other.models
    ]


def conclusions(configuration: "Configuration") -> dict[str, Conclusion]:
    """Return what each file of conclusions is drawn from, by the name of its subject; what has nothing is left out.

    Only files that speak of it, so that a task that is refused, or a corpus that is missing, stops only what is
    concluded from it. What is concluded of cuts has a file for each evaluation (``cuts/MODEL/EXPERIMENT``), and how
    weights are stored one for each model (``storage/MODEL``), so that an exhibit needs those that it shows alone.
    """
    everything = {kind: [artifact.path for artifact in found] for kind, found in measurements(configuration).items()}
    models = list(dict.fromkeys(model for model, _ in observed(configuration)))
    in_two_windows = {(m, name) for m, *names_of_two, _ in window_pairs(configuration) for name in names_of_two}
    copied = {*copies(configuration), *copies(configuration).values()}

    def those(*kinds: str) -> dict[str, list[str]]:
        return {kind: everything[kind] for kind in kinds}

    def evaluations(wanted: Callable[[str, str], Any]) -> dict[str, list[str]]:
        pairs = [pair for pair in evaluated(configuration) if wanted(*pair)]
        return {"evaluations": [path("evaluations", *pair) for pair in pairs]}

    def cuts(model: str, name: str) -> Conclusion:
        return Conclusion({"evaluations": [path("evaluations", model, name)]}, {"model": model, "experiment": name})

    def storage(model: str) -> Conclusion:
        files = {"matrices": parts_of(configuration, "matrices", model), "bulk": [path("bulk", model)]}
        return Conclusion(files, {"model": model})

    whole = {
        "bounds": those("bulk", "matrices"),
        "ends": those("information", "bulk", "matrices"),
        "vectors": those("vector_tests", "bulk"),
        "spacings": those("levels", "bulk"),
        "overlap": {**those("overlaps"), "bulk": [path("bulk", model) for model in models]},
        "copies": evaluations(lambda model, _: model in copied),
        "windows": evaluations(lambda *pair: pair in in_two_windows),
        "prediction": {
            **those("predictions", "directions"),
            **evaluations(lambda m, n: m in configuration.predict.models and configuration.experiments[n].metrics),
        },
        "finetuning": those("finetunings"),
        "differences": those("comparisons"),
        "births": those("probes", "locations", "knockouts"),
    }
    controls = random_controls(configuration) | structured_controls(configuration)
    return {
        **{subject: Conclusion(files, {}) for subject, files in whole.items() if any(files.values())},
        **{f"cuts/{model}/{name}": cuts(model, name) for model, name in evaluated(configuration)},
        **{f"storage/{model}": storage(model) for model in configuration.models if model not in controls},
    }


def findings(configuration: "Configuration", subjects: Iterable[str], entry: Mapping[str, Any]) -> list[str]:
    """Return the files of conclusions on these subjects that are of what an exhibit's entry names."""
    known = {name: Artifact(path("findings", name), found.of) for name, found in conclusions(configuration).items()}
    chosen = {*subjects}
    return [file.path for name, file in known.items() if name.partition("/")[0] in chosen and file.shown_by(entry)]


def names(entry: Mapping[str, Any], kind: str) -> set[str]:
    """Return the models, corpora, births ... that an exhibit's entry names; empty if it names none of that kind."""
    found = [entry[key] for key in NAMED_BY[kind] if entry.get(key) is not None]
    return {name for value in found for name in ([value] if isinstance(value, str) else value)}


def read_by(configuration: "Configuration", kinds: Iterable[str], entry: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the files of these kinds that are of what an exhibit's entry names.

    What the entry has a key for, even one with None, must be named there; where it has no such key, all files count.
    """
    known = measurements(configuration)
    return {kind: [artifact.path for artifact in known[kind] if artifact.shown_by(entry)] for kind in kinds}


def kept(configuration: "Configuration") -> list[str]:
    """Return every file to keep: one that is missing is made again, even if all that follows from it is there."""
    models = list(configuration.models)
    vectors = ["weights", "vectors"] if configuration.keep_weights else ["vectors"]
    return [
        *(artifact.path for files in measurements(configuration).values() for artifact in files),
        path("findings"),
        *dict.fromkeys(nulls(configuration, model) for model in models),
        *(file for kind in vectors for model in models for file in parts_of(configuration, kind, model)),
        *(run_of("births", birth, seed) for birth, seed in born(configuration)),
        *(path("characters", birth) for birth in configuration.births),
        *(path("tasks", task) for task in configuration.tasks),
        *(path("data_sets", name) for name in configuration.data_sets),
        *dict.fromkeys(file for pair in observed(configuration) for file in moments(configuration, *pair)),
    ]
