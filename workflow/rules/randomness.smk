"""Randomness: what noise explains of singular values and vectors, and what it does not.

fit_bulk         in:  all parts of spectra and matrices, nulls, permutations
                 out: bulk/{model}.parquet (contracts.BULK)
fit_levels       in:  all parts of spectra/{model}, bulk/{model}.parquet, nulls
                 out: levels/{model}.parquet (LEVELS)
score_vectors    in:  one part of weights, spectra and vectors, sources, nulls
                 out: vector_tests/{model}/part-*.parquet (VECTOR_TESTS), head_tests/{model}/part-*.parquet (HEAD_TESTS)
measure_tails    in:  all parts of spectra, bulk
                 out: tails/{model}.parquet (TAILS)
map_information  in:  all parts of spectra and vector_tests, bulk
                 out: information/{model}.parquet (INFORMATION), cleaning/{model}.parquet (CLEANING)
"""


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
    benchmark:
        "<benchmarks>/fit_bulk/{model}.tsv"
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


rule fit_levels:
    input:
        spectra=plan.parts_of("<results>/spectra/{model}/part-{part}.parquet"),
        bulk="<results>/bulk/{model}.parquet",
        nulls=plan.nulls_of,
    output:
        "<results>/levels/{model}.parquet",
    log:
        "<logs>/fit_levels/{model}.log",
    benchmark:
        "<benchmarks>/fit_levels/{model}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=4000,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        code=plan.code("fit_levels"),
        seed=config["seed"],
    message:
        "Unfold the levels of {wildcards.model}"
    script:
        "../../scripts/fit_levels.py"


rule score_vectors:
    input:
        source="<results>/sources/{model}.parquet",
        weights="<results>/weights/{model}/part-{part}.parquet",
        spectra="<results>/spectra/{model}/part-{part}.parquet",
        vectors="<results>/vectors/{model}/part-{part}.parquet",
        nulls=plan.nulls_of,
    output:
        vectors="<results>/vector_tests/{model}/part-{part}.parquet",
        heads="<results>/head_tests/{model}/part-{part}.parquet",
    log:
        "<logs>/score_vectors/{model}-{part}.log",
    benchmark:
        "<benchmarks>/score_vectors/{model}-{part}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        code=plan.code("score_vectors"),
        architecture=plan.architecture,
        level=lookup(dpath="randomness/level", within=config),
        window=lookup(dpath="randomness/window", within=config),
        device=config["device"],
    message:
        "Test the singular vectors of {wildcards.model} for randomness, part {wildcards.part}"
    script:
        "../../scripts/score_vectors.py"


rule measure_tails:
    input:
        spectra=plan.parts_of("<results>/spectra/{model}/part-{part}.parquet"),
        bulk="<results>/bulk/{model}.parquet",
    output:
        "<results>/tails/{model}.parquet",
    log:
        "<logs>/measure_tails/{model}.log",
    benchmark:
        "<benchmarks>/measure_tails/{model}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=2000,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        code=plan.code("measure_tails"),
    message:
        "Fit power laws to the spectra of {wildcards.model}"
    script:
        "../../scripts/measure_tails.py"


rule map_information:
    input:
        spectra=plan.parts_of("<results>/spectra/{model}/part-{part}.parquet"),
        vectors=plan.parts_of("<results>/vector_tests/{model}/part-{part}.parquet"),
        bulk="<results>/bulk/{model}.parquet",
    output:
        information="<results>/information/{model}.parquet",
        cleaning="<results>/cleaning/{model}.parquet",
    log:
        "<logs>/map_information/{model}.log",
    benchmark:
        "<benchmarks>/map_information/{model}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=plan.code("map_information"),
    message:
        "Map what noise does not explain in {wildcards.model}"
    script:
        "../../scripts/map_information.py"
