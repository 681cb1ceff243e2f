"""The files that a plan keeps: what is presented, and what that was made from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plan import Plan


def measurements(plan: "Plan") -> dict[str, list[str]]:
    """Everything that is presented, as named inputs."""
    models = plan.config["models"]
    parts = [(model, part) for model in models for part in plan.parts(model)]
    return {
        "sources": [f"<results>/sources/{model}.parquet" for model in models],
        "matrices": [f"<results>/matrices/{model}/part-{part}.parquet" for model, part in parts],
        "spectra": [f"<results>/spectra/{model}/part-{part}.parquet" for model, part in parts],
        "bulk": [f"<results>/bulk/{model}.parquet" for model in models],
        "levels": [f"<results>/levels/{model}.parquet" for model in models],
        "vector_tests": [f"<results>/vector_tests/{model}/part-{part}.parquet" for model, part in parts],
        "head_tests": [f"<results>/head_tests/{model}/part-{part}.parquet" for model, part in parts],
        "tails": [f"<results>/tails/{model}.parquet" for model in models],
        "cleaning": [f"<results>/cleaning/{model}.parquet" for model in models],
        "information": [f"<results>/information/{model}.parquet" for model in models],
        "overlaps": [f"<results>/overlaps/{model}/{corpus}.parquet" for model, corpus in plan.observed],
        "evaluations": [f"<results>/evaluations/{model}/{name}.parquet" for model, name in plan.evaluated],
        "predictions": [f"<results>/predictions/{model}/{corpus}.parquet" for model, corpus in plan.predicted],
        "directions": [f"<results>/directions/{model}/{corpus}.parquet" for model, corpus in plan.predicted],
        "finetunings": [f"<results>/finetunings/{model}/{name}.parquet" for model, name in plan.finetuned],
        "comparisons": [f"<results>/comparisons/{name}.parquet" for name in plan.config["comparisons"]],
        "learning": [f"<results>/learning/{birth}/seed-{seed}.parquet" for birth, seed in plan.born],
        "probes": [f"<results>/probes/{birth}/seed-{seed}.parquet" for birth, seed in plan.born],
        "attention_maps": [f"<results>/attention_maps/{birth}/seed-{seed}.parquet" for birth, seed in plan.born],
        "locations": [f"<results>/locations/{birth}/seed-{seed}.parquet" for birth, seed in plan.located],
        "knockouts": [f"<results>/knockouts/{birth}/seed-{seed}.parquet" for birth, seed in plan.located],
        "simulations": ["<results>/simulations.parquet"] if plan.config["memories"]["dimensions"] else [],
        "findings": ["<results>/findings.parquet"],
        "published": [str(plan.root / path) for path in plan.config["report"]["published"]],
    }


def artifacts(plan: "Plan") -> list[str]:
    """Every file to keep: one that is missing is made again, even if all that follows from it is there."""
    models = plan.config["models"]
    observed = [(model, corpus, part) for model, corpus in plan.observed for part in plan.parts(model)]
    kept = ["weights", "vectors"] if plan.config["keep_weights"] else ["vectors"]
    return [
        *(path for paths in measurements(plan).values() for path in paths),
        *(f"<results>/nulls/{model}.parquet" for model in models if model not in plan.controls),
        *(
            f"<results>/{kind}/{model}/part-{part}.parquet"
            for kind in kept
            for model in models
            for part in plan.parts(model)
        ),
        *(f"<results>/births/{birth}/seed-{seed}.parquet" for birth, seed in plan.born),
        *(f"<results>/characters/{birth}.parquet" for birth in plan.config["births"]),
        *(f"<results>/tasks/{task}.parquet" for task in plan.config["tasks"]),
        *(f"<results>/data_sets/{name}.parquet" for name in plan.config["data_sets"]),
        *(f"<results>/activations/{model}/{corpus}/part-{part}.parquet" for model, corpus, part in observed),
    ]
