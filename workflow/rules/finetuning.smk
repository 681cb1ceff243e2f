"""Fine-tuning: classifiers with singular values removed before or after; what fine-tuning changed.

finetune        in:  sources/{model}.parquet, data_sets/*.parquet, vectors of the model
                out: finetunings/{model}/{finetuning}.parquet (contracts.FINETUNINGS)
compare_models  in:  weights and matrices of two models, spectra and vectors of the first
                out: comparisons/{comparison}.parquet (COMPARISONS)
"""


rule finetune:
    input:
        source="<results>/sources/{model}.parquet",
        data_set=plan.data_set_of_finetuning,
        vectors=plan.parts_of("<results>/vectors/{model}/part-{part}.parquet"),
    output:
        "<results>/finetunings/{model}/{finetuning}.parquet",
    log:
        "<logs>/finetune/{model}-{finetuning}.log",
    benchmark:
        "<benchmarks>/finetune/{model}-{finetuning}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 480 * attempt,
    params:
        code=plan.code("finetune"),
        architecture=plan.architecture,
        seed=config["seed"],
        device=config["device"],
        remote_code=lookup(dpath="models/{model}/trust_remote_code", within=config),
        fused_split=lookup(dpath="models/{model}/fused_split", within=config),
        finetuning=lookup(dpath="finetunings/{finetuning}", within=config),
    message:
        "Fine-tune {wildcards.model} ({wildcards.finetuning}) with singular values removed before or after"
    script:
        "../../scripts/finetune.py"


rule compare_models:
    input:
        base_weights=plan.compared("weights", "base"),
        tuned_weights=plan.compared("weights", "tuned"),
        base_matrices=plan.compared("matrices", "base"),
        tuned_matrices=plan.compared("matrices", "tuned"),
        spectra=plan.compared("spectra", "base"),
        vectors=plan.compared("vectors", "base"),
    output:
        "<results>/comparisons/{comparison}.parquet",
    log:
        "<logs>/compare_models/{comparison}.log",
    benchmark:
        "<benchmarks>/compare_models/{comparison}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        code=plan.code("compare_models"),
        device=config["device"],
        level=lookup(dpath="randomness/level", within=config),
        comparison=lookup(dpath="comparisons/{comparison}", within=config),
    message:
        "Decompose what changed between the two models of {wildcards.comparison}"
    script:
        "../../scripts/compare_models.py"
