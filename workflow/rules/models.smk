"""Models: configuration -> local files -> weight matrices.

fetch_model      in:  models/{model}/source of the configuration
                 out: sources/{model}.parquet (contracts.SOURCES), and the files in sources/{model}/
extract_weights  in:  sources/{model}.parquet
                 out: weights/{model}/part-*.parquet (WEIGHTS), matrices/{model}/part-*.parquet (MATRICES)
"""


localrules:
    fetch_model,


rule fetch_model:
    input:
        plan.original_of,
    output:
        "<results>/sources/{model}.parquet",
    log:
        "<logs>/fetch_model/{model}.log",
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        code=plan.code_of_fetch,
        architecture=plan.row_of_original,
        seed=plan.seed_of,
        entry=plan.fetched_of,
        requested=plan.requested_of,
    message:
        "Fetch {wildcards.model}: everything after this needs no network"
    script:
        "../../scripts/fetch_model.py"


rule extract_weights:
    input:
        "<results>/sources/{model}.parquet",
    output:
        weights=plan.keep_or_drop("<results>/weights/{model}/part-{part}.parquet"),
        matrices="<results>/matrices/{model}/part-{part}.parquet",
    log:
        "<logs>/extract_weights/{model}-{part}.log",
    benchmark:
        "<benchmarks>/extract_weights/{model}-{part}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        code=plan.code("extract_weights"),
        architecture=plan.architecture,
        fused_split=lookup(dpath="models/{model}/fused_split", within=config),
    message:
        "Cut the weight matrices out of the checkpoint of {wildcards.model}"
    script:
        "../../scripts/extract_weights.py"
