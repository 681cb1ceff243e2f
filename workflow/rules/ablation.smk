"""Ablation: remove singular values, measure what the model loses, and keep a cut as a checkpoint.

fetch_task     in:  tasks/{task} of the configuration; the data set it asks, the tokenizer it measures with
               out: tasks/{task}.parquet (contracts.TASKS), and beside it a folder with the task and its data
evaluate_cuts  in:  sources/{model}.parquet, spectra and vectors of the model, and what the experiment speaks of:
                    corpus, bulk, information, moments, tasks, data sets
               out: evaluations/{model}/{experiment}.parquet (EVALUATIONS)
export         in:  exports/{model}/{experiment}/{cut}/ of the configuration's cut; a target, made on demand:
                    snakemake export --config cut="decile 1 of down", or cut="model/experiment/decile 1 of down"
export_cut     in:  as evaluate_cuts, and its evaluations (what the cut cost)
               out: exports/{model}/{experiment}/{cut}/ (a checkpoint, factorised/ where that is smaller, and a card)
"""


localrules:
    fetch_task,
    export,


rule fetch_task:
    input:
        unpack(plan.task_inputs),
    output:
        "<results>/tasks/{task}.parquet",
    log:
        "<logs>/fetch_task/{task}.log",
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=plan.code("fetch_task"),
        entry=lookup(dpath="tasks/{task}", within=config),
        tables=plan.given.task_tables,
    message:
        "Resolve the task {wildcards.task} and fetch its data"
    script:
        "../../scripts/fetch_task.py"


rule evaluate_cuts:
    input:
        unpack(plan.evaluation_inputs),
        source="<results>/sources/{model}.parquet",
        spectra=plan.parts_of("<results>/spectra/{model}/part-{part}.parquet"),
        vectors=plan.parts_of("<results>/vectors/{model}/part-{part}.parquet"),
    output:
        "<results>/evaluations/{model}/{experiment}.parquet",
    log:
        "<logs>/evaluate_cuts/{model}-{experiment}.log",
    benchmark:
        "<benchmarks>/evaluate_cuts/{model}-{experiment}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 480 * attempt,
    params:
        code=plan.code("evaluate_cuts"),
        architecture=plan.architecture,
        seed=config["seed"],
        device=config["device"],
        remote_code=lookup(dpath="models/{model}/trust_remote_code", within=config),
        fused_split=lookup(dpath="models/{model}/fused_split", within=config),
        experiment=lookup(dpath="experiments/{experiment}", within=config),
    message:
        "Evaluate {wildcards.model} with every cut of the experiment {wildcards.experiment}"
    script:
        "../../scripts/evaluate_cuts.py"


rule export:
    input:
        plan.exported,


rule export_cut:
    input:
        unpack(plan.evaluation_inputs),
        source="<results>/sources/{model}.parquet",
        spectra=plan.parts_of("<results>/spectra/{model}/part-{part}.parquet"),
        vectors=plan.parts_of("<results>/vectors/{model}/part-{part}.parquet"),
        evaluations="<results>/evaluations/{model}/{experiment}.parquet",
    output:
        directory("<results>/exports/{model}/{experiment}/{cut}"),
    log:
        "<logs>/export_cut/{model}-{experiment}-{cut}.log",
    benchmark:
        "<benchmarks>/export_cut/{model}-{experiment}-{cut}.tsv"
    wildcard_constraints:
        cut="[a-z0-9][a-z0-9._-]*",
    conda:
        "../../envs/weightspectra.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        code=plan.code("export_cut"),
        architecture=plan.architecture,
        seed=config["seed"],
        device=config["device"],
        remote_code=lookup(dpath="models/{model}/trust_remote_code", within=config),
        fused_split=lookup(dpath="models/{model}/fused_split", within=config),
        experiment=lookup(dpath="experiments/{experiment}", within=config),
    message:
        "Export {wildcards.model} after the cut {wildcards.cut}"
    script:
        "../../scripts/export_cut.py"
