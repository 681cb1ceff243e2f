"""Ablation: remove singular values, and measure what the model loses.

evaluate_cuts  in:  sources/{model}.parquet, corpora/*.parquet, spectra, vectors and bulk of the model
               out: evaluations/{model}/{experiment}.parquet (contracts.EVALUATIONS)
"""


rule evaluate_cuts:
    input:
        source="<results>/sources/{model}.parquet",
        corpus=plan.corpus_of("<results>/corpora/{corpus}.parquet"),
        spectra=plan.parts_of("<results>/spectra/{model}/part-{part}.parquet"),
        vectors=plan.parts_of("<results>/vectors/{model}/part-{part}.parquet"),
        bulk="<results>/bulk/{model}.parquet",
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
        device=config["device"],
        remote_code=lookup(dpath="models/{model}/trust_remote_code", within=config),
        fused_split=lookup(dpath="models/{model}/fused_split", within=config),
        experiment=lookup(dpath="experiments/{experiment}", within=config),
    message:
        "Evaluate {wildcards.model} with every cut of the experiment {wildcards.experiment}"
    script:
        "../../scripts/evaluate_cuts.py"
