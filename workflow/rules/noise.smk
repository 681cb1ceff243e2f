"""Noise: what matrices of a model's shapes would look like if nothing had been learned.

simulate_nulls   in:  all parts of matrices, sources/{model}.parquet (its config.json says how many heads there are)
                 out: nulls/{model}.parquet (contracts.NULLS)
permute_entries  in:  weights/{model}/part-*.parquet
                 out: permutations/{model}.parquet (PERMUTATIONS), if the configuration asks for it
"""


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
        architecture=plan.architecture,
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
