"""What a report shows: names of tables and figures, and what each figure is drawn from."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from weightspectra.birth.probes.names import probes_of

if TYPE_CHECKING:
    from plan import Plan

MAIN_PROBES = {
    "simplified": (
        *("induction_accuracy", "recall_output", "recall_output_corrected"),
        *("recall_key_2", "recall_key_1_early", "divergence_bigram"),
    ),
    "full": ("induction_accuracy", "in_context_loss", "attends_previous", "attends_repeat"),
}
"""What the curves of a birth show if the configuration does not say, by the kind of its model, where it applies."""

OF_ONE_BIRTH = ("timeline", "knockouts", "attention")
"""Kinds of figures that show one birth; asked for several, there is one figure of each."""


class Shown:
    """The tables and figures that a plan asks for.

    Parameters
    ----------
    plan : Plan
    """

    def __init__(self, plan: "Plan"):
        self.plan = plan
        self.config = plan.config
        self.root = Path(plan.root)

    @property
    def tables(self) -> list[str]:
        """Names of the tables."""
        optional = {
            "overlap": self.plan.observed,
            "cuts": self._with("metrics"),
            "contrasts": self._with_cuts("controls"),
            "tasks": [*self._with("tasks"), *self._with("probes")],
            "compression": self._with_cuts("compress"),
            "prediction": self.plan.predicted,
            "directions": self.plan.predicted if self.config["predict"]["n_directions"] else [],
            "finetuning": self.plan.finetuned,
            "difference": self.config["comparisons"],
            "births": self.plan.born,
            "locator": self.plan.located,
            "knockouts": self.plan.located,
            "memories": self.config["memories"]["dimensions"],
            "published": self.config["report"]["published"],
        }
        always = ["outliers", "share_outside", "randomness", "information", "tails"]
        return [*always, *(name for name, wanted in optional.items() if wanted)]

    def _with(self, key: str) -> list[str]:
        """Return the experiments whose entry has something under this key."""
        return [name for name, experiment in self.config["experiments"].items() if experiment[key]]

    def _with_cuts(self, key: str) -> list[str]:
        """Return the experiments some of whose cuts have something under this key."""
        experiments = self.config["experiments"].items()
        return [name for name, experiment in experiments if any(cut.get(key) for cut in experiment["cuts"])]

    @property
    def figures(self) -> dict[str, dict[str, Any]]:
        """From the name of each figure to what it shows: its kind, and names from the configuration."""
        return {
            **self._control_figures,
            **self._information_figures,
            **self._matrix_figures,
            **self._spectra_figures,
            **self._damage_figures,
            **self._prediction_figures,
            **self._finetuning_figures,
            **self._difference_figures,
            **self._birth_figures,
            **self._memory_figures,
        }

    def _control_of(self, model: str) -> str | None:
        """Return the first random control of a model, if there is one."""
        return next((name for name, like in self.plan.controls.items() if like == model), None)

    @property
    def _control_figures(self) -> dict[str, dict[str, Any]]:
        blocks = self.config["report"]["blocks"]
        return {
            f"controls-{control}": {
                "kind": "controls",
                "model": model,
                "control": control,
                "block": blocks.get(model, [None])[0],
            }
            for control, model in self.plan.controls.items()
        }

    @property
    def _information_figures(self) -> dict[str, dict[str, Any]]:
        return {
            f"information-{model}": {"kind": "information", "model": model, "control": self._control_of(model)}
            for model in self.config["models"]
            if model not in self.plan.controls
        }

    @property
    def _matrix_figures(self) -> dict[str, dict[str, Any]]:
        return {
            f"matrix-{shown['model']}-block_{shown['layer']}-{shown['role']}": {
                "kind": "matrix",
                "model": shown["model"],
                "control": self._control_of(shown["model"]),
                "block": shown["layer"],
                "role": shown["role"],
                "window": self.config["randomness"]["window"],
            }
            for shown in self.config["report"]["matrices"]
        }

    @property
    def _spectra_figures(self) -> dict[str, dict[str, Any]]:
        found = {}
        for model in (name for name in self.config["models"] if name not in self.plan.controls):
            corpora = [corpus for observed, corpus in self.plan.observed if observed == model] or [None]
            for block in self.config["report"]["blocks"].get(model, [None]):
                for corpus in corpora:
                    name = f"spectra-{model}"
                    name += f"-block_{block}" if block is not None else ""
                    name += f"-{corpus}" if len(corpora) > 1 else ""
                    found[name] = {
                        "kind": "spectra",
                        "model": model,
                        "control": self._control_of(model),
                        "block": block,
                        "corpus": corpus,
                    }
        return found

    @property
    def _damage_figures(self) -> dict[str, dict[str, Any]]:
        """The figures of experiments: what every cut costs, and where there are some, controls and compressions."""
        kinds = {
            "damage": list(self.config["experiments"]),
            "contrasts": self._with_cuts("controls"),
            "compression": self._with_cuts("compress"),
        }
        return {
            f"{kind}-{model}-{experiment}": {"kind": kind, "model": model, "experiment": experiment}
            for kind, experiments in kinds.items()
            for model, experiment in self.plan.evaluated
            if experiment in experiments
        }

    @property
    def _prediction_figures(self) -> dict[str, dict[str, Any]]:
        return {
            f"predicted-{model}-{corpus}": {"kind": "predicted", "model": model, "corpus": corpus}
            for model, corpus in self.plan.predicted
        }

    @property
    def _finetuning_figures(self) -> dict[str, dict[str, Any]]:
        return {
            f"finetuning-{model}-{name}": {"kind": "finetuning", "model": model, "finetuning": name}
            for model, name in self.plan.finetuned
        }

    @property
    def _difference_figures(self) -> dict[str, dict[str, Any]]:
        return {
            f"difference-{name}": {"kind": "difference", "model": comparison["base"], "comparison": name}
            for name, comparison in self.config["comparisons"].items()
        }

    @property
    def _birth_figures(self) -> dict[str, dict[str, Any]]:
        found = {}
        for name, wanted in (self.config["report"]["births"] or self._usual_birth_figures).items():
            settings = {key: wanted[key] for key in ("probes", "against") if key in wanted}
            kind = f"birth_{wanted['kind']}"
            if wanted["kind"] in OF_ONE_BIRTH and len(wanted["births"]) > 1:
                found |= {f"births-{name}-{birth}": {"kind": kind, "births": [birth]} for birth in wanted["births"]}
            else:
                found[f"births-{name}"] = {"kind": kind, "births": list(wanted["births"]), **settings}
        return found

    @property
    def _usual_birth_figures(self) -> dict[str, dict[str, Any]]:
        """The figures of births if the configuration names none: what each learned, where it is, where it looks."""
        found = {}
        for name, birth in self.config["births"].items():
            known = [*probes_of(birth["model"], birth["data"])]
            probes = [probe for probe in MAIN_PROBES[birth["model"]["kind"]] if probe in known]
            if birth["training"]["loss"] == "all":
                probes.insert(1, "global_loss")
            found[f"{name}-curves"] = {"kind": "curves", "births": [name], "probes": probes}
            kinds = ["timeline", "knockouts", "attention"] if birth["probe"]["locate"] else ["attention"]
            found |= {f"{name}-{kind}": {"kind": kind, "births": [name]} for kind in kinds}
        return found

    @property
    def _memory_figures(self) -> dict[str, dict[str, Any]]:
        return {"memories": {"kind": "birth_memories"}} if self.config["memories"]["dimensions"] else {}

    @property
    def captions(self) -> list[str]:
        """The files that say how to read each kind of figure."""
        kinds = dict.fromkeys(figure["kind"] for figure in self.figures.values())
        return [str(self.root / "workflow" / "report" / f"{kind}.rst") for kind in kinds]

    @property
    def page_template(self) -> str:
        """The template of the report's page."""
        return str(self.root / "src" / "weightspectra" / "report" / "kit" / "page.html.j2")

    def figure_labels(self, name: str) -> dict[str, str]:
        """Return the columns under which Snakemake's own report lists a figure."""
        figure = self.figures[name]
        role = figure.get("role", "").replace("_", " ")
        names = (figure.get(name) for name in ("experiment", "corpus", "finetuning", "comparison"))
        subject = next(filter(None, names), None) or role or ("control" if figure.get("control") else "")
        block = figure.get("block")
        births = [self.config["births"][birth].get("title", birth) for birth in figure.get("births", [])]
        return {
            "figure": figure["kind"].replace("_", " "),
            "model": self.plan.titles[figure["model"]] if "model" in figure else ", ".join(births),
            "subject": subject,
            "block": "" if block is None else str(block),
        }
