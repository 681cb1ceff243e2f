"""Spectra: weight matrices -> singular values and vectors -> Marchenko-Pastur bulk.

decompose        in:  weights/{model}/part-*.parquet (WEIGHTS), matrices/{model}/part-*.parquet (MATRICES)
                 out: spectra/{model}/part-*.parquet (SPECTRA), vectors/{model}/part-*.parquet (VECTORS)
simulate_nulls   in:  all parts of matrices, sources/{model}.parquet (its config.json says how many heads there are)
                 out: nulls/{model}.parquet (NULLS); each shape's own table stays in nulls/shapes/ for all models
permute_entries  in:  weights/{model}/part-*.parquet
                 out: permutations/{model}.parquet (PERMUTATIONS), if the configuration asks for it
fit_bulk         in:  all parts of spectra and matrices, nulls, permutations
                 out: bulk/{model}.parquet (BULK)
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


rule simulate_nulls:
    input:
        source="<results>/sources/{model}.parquet",
        matrices=plan.parts_of("<results>/matrices/{model}/part-{part}.parquet"),
    output:
        "<results>/nulls/{model}.parquet",
    log:
        "<logs>/simulate_nulls/{model}.log",
    benchmark:
        "<benchmarks>/simulate_nulls/{model}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=4000,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        code=plan.code("simulate_nulls"),
        seed=config["seed"],
        n_spectra=lookup(dpath="randomness/n_spectra", within=config),
        n_vectors=lookup(dpath="randomness/n_vectors", within=config),
    message:
        "Simulate noise of the shapes of {wildcards.model}"
    script:
        "../../scripts/simulate_nulls.py"


rule permute_entries:
    input:
        plan.parts_of("<results>/weights/{model}/part-{part}.parquet"),
    output:
        "<results>/permutations/{model}.parquet",
    log:
        "<logs>/permute_entries/{model}.log",
    benchmark:
        "<benchmarks>/permute_entries/{model}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        code=plan.code("permute_entries"),
        seed=config["seed"],
        n_permutations=lookup(dpath="randomness/n_permutations", within=config),
        device=config["device"],
    message:
        "Shuffle the entries of every matrix of {wildcards.model}"
    script:
        "../../scripts/permute_entries.py"


rule fit_bulk:
    input:
        spectra=plan.parts_of("<results>/spectra/{model}/part-{part}.parquet"),
        matrices=plan.parts_of("<results>/matrices/{model}/part-{part}.parquet"),
        nulls=plan.nulls_of,
        permutations=plan.permutations_of,
    output:
        "<results>/bulk/{model}.parquet",
    log:
        "<logs>/fit_bulk/{model}.log",
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=plan.code("fit_bulk"),
        level=lookup(dpath="randomness/level", within=config),
    message:
        "Fit the Marchenko-Pastur law to every spectrum of {wildcards.model}"
    script:
        "../../scripts/fit_bulk.py"
