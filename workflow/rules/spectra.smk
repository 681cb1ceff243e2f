"""Spectra: weight matrices -> singular values and vectors.

decompose  in:  weights/{model}/part-*.parquet (contracts.WEIGHTS), matrices/{model}/part-*.parquet (MATRICES)
           out: spectra/{model}/part-*.parquet (SPECTRA), vectors/{model}/part-*.parquet (VECTORS)
"""


rule decompose:
    input:
        weights="<results>/weights/{model}/part-{part}.parquet",
        matrices="<results>/matrices/{model}/part-{part}.parquet",
    output:
        spectra="<results>/spectra/{model}/part-{part}.parquet",
        vectors="<results>/vectors/{model}/part-{part}.parquet",
    log:
        "<logs>/decompose/{model}-{part}.log",
    benchmark:
        "<benchmarks>/decompose/{model}-{part}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        code=plan.code("decompose"),
        device=config["device"],
    message:
        "Decompose the matrices of {wildcards.model}, part {wildcards.part}"
    script:
        "../../scripts/decompose.py"
