"""Ablation: remove singular values, and measure what the model loses; or predict it.

fetch_task      in:  tasks/{task} of the configuration; the data set it asks, the tokenizer it measures with
                out: tasks/{task}.parquet (contracts.TASKS), and beside it a folder with the task and its data
evaluate_cuts   in:  sources/{model}.parquet, spectra and vectors of the model, and what the experiment speaks of:
                     corpus, bulk, information, moments, tasks, data sets
                out: evaluations/{model}/{experiment}.parquet (EVALUATIONS)
predict_damage  in:  sources/{model}.parquet, corpora/{corpus}.parquet, spectra and vectors of the model
                out: predictions/{model}/{corpus}.parquet (PREDICTIONS), directions/{model}/{corpus}.parquet (DIRECTIONS)
export_cut      in:  as evaluate_cuts, and its evaluations (what the cut cost)
                out: exports/{model}/{experiment}/{cut}/ (a checkpoint, its card)
"""


localrules:
    fetch_task,


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
        seed=config["seed"],
        device=config["device"],
        remote_code=lookup(dpath="models/{model}/trust_remote_code", within=config),
        fused_split=lookup(dpath="models/{model}/fused_split", within=config),
        experiment=lookup(dpath="experiments/{experiment}", within=config),
    message:
        "Evaluate {wildcards.model} with every cut of the experiment {wildcards.experiment}"
    script:
        "../../scripts/evaluate_cuts.py"


rule predict_damage:
    input:
        source="<results>/sources/{model}.parquet",
        corpus="<results>/corpora/{corpus}.parquet",
        spectra=plan.parts_of("<results>/spectra/{model}/part-{part}.parquet"),
        vectors=plan.parts_of("<results>/vectors/{model}/part-{part}.parquet"),
    output:
        predictions="<results>/predictions/{model}/{corpus}.parquet",
        directions="<results>/directions/{model}/{corpus}.parquet",
    log:
        "<logs>/predict_damage/{model}-{corpus}.log",
    benchmark:
        "<benchmarks>/predict_damage/{model}-{corpus}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        code=plan.code("predict_damage"),
        seed=config["seed"],
        device=config["device"],
        remote_code=lookup(dpath="models/{model}/trust_remote_code", within=config),
        fused_split=lookup(dpath="models/{model}/fused_split", within=config),
        predict=plan.prediction,
    message:
        "Predict what removing singular values of {wildcards.model} does on {wildcards.corpus}"
    script:
        "../../scripts/predict_damage.py"
