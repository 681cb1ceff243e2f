"""Activations: text -> second moments of layer inputs -> overlap with the singular vectors.

collect_activations  in:  sources/{model}.parquet, corpora/{corpus}.parquet
                     out: activations/{model}/{corpus}/part-*.parquet (contracts.MOMENTS)
measure_overlap      in:  all parts of activations (a structure-keeping control is not run: its original's), weights,
                          spectra and vectors
                     out: overlaps/{model}/{corpus}.parquet (OVERLAPS)
"""


rule collect_activations:
    input:
        source="<results>/sources/{model}.parquet",
        corpus="<results>/corpora/{corpus}.parquet",
    output:
        "<results>/activations/{model}/{corpus}/part-{part}.parquet",
    log:
        "<logs>/collect_activations/{model}-{corpus}-{part}.log",
    benchmark:
        "<benchmarks>/collect_activations/{model}-{corpus}-{part}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        code=plan.code("collect_activations"),
        architecture=plan.architecture,
        device=config["device"],
        remote_code=lookup(dpath="models/{model}/trust_remote_code", within=config),
        observe=plan.observation,
    message:
        "Run {wildcards.model} over {wildcards.corpus} and collect the moments of its layers' inputs"
    script:
        "../../scripts/collect_activations.py"


rule measure_overlap:
    input:
        moments=plan.moments_of,
        weights=plan.parts_of("<results>/weights/{model}/part-{part}.parquet"),
        spectra=plan.parts_of("<results>/spectra/{model}/part-{part}.parquet"),
        vectors=plan.parts_of("<results>/vectors/{model}/part-{part}.parquet"),
    output:
        "<results>/overlaps/{model}/{corpus}.parquet",
    log:
        "<logs>/measure_overlap/{model}-{corpus}.log",
    benchmark:
        "<benchmarks>/measure_overlap/{model}-{corpus}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        code=plan.code("measure_overlap"),
    message:
        "Compare the singular vectors of {wildcards.model} with what {wildcards.corpus} excites"
    script:
        "../../scripts/measure_overlap.py"
