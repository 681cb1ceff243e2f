"""Birth: a text's characters -> transformers trained on the bigram task -> what they learned, known in closed form.

count_characters   in:  the text of births/{birth} of the configuration, or counts that come with the workflow
                   out: characters/{birth}.parquet (contracts.CHARACTERS)
train_birth        in:  characters/{birth}.parquet
                   out: births/{birth}/seed-{seed}.parquet (CHECKPOINTS), learning/{birth}/seed-{seed}.parquet (LEARNING)
probe_birth        in:  births/{birth}/seed-{seed}.parquet, characters/{birth}.parquet
                   out: probes/{birth}/seed-{seed}.parquet (PROBES), attention_maps/{birth}/seed-{seed}.parquet
                        (ATTENTION_MAPS)
score_locator      in:  as probe_birth
                   out: locations/{birth}/seed-{seed}.parquet (LOCATIONS), knockouts/{birth}/seed-{seed}.parquet
                        (KNOCKOUTS)

A seed is a wildcard, as a part is: runs of different seeds are jobs of their own.
"""


localrules:
    count_characters,


rule count_characters:
    input:
        plan.text_of_birth,
    output:
        "<results>/characters/{birth}.parquet",
    log:
        "<logs>/count_characters/{birth}.log",
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=plan.code("count_characters"),
        data=lookup(dpath="births/{birth}/data", within=config),
    message:
        "Count the characters and bigrams that {wildcards.birth} is trained on"
    script:
        "../../scripts/count_characters.py"


rule train_birth:
    input:
        "<results>/characters/{birth}.parquet",
    output:
        checkpoints="<results>/births/{birth}/seed-{seed}.parquet",
        learning="<results>/learning/{birth}/seed-{seed}.parquet",
    log:
        "<logs>/train_birth/{birth}-{seed}.log",
    benchmark:
        "<benchmarks>/train_birth/{birth}-{seed}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        code=plan.code("train_birth"),
        seed=config["seed"],
        device=config["device"],
        data=lookup(dpath="births/{birth}/data", within=config),
        model=lookup(dpath="births/{birth}/model", within=config),
        training=lookup(dpath="births/{birth}/training", within=config),
    message:
        "Train {wildcards.birth}, seed {wildcards.seed}"
    script:
        "../../scripts/train_birth.py"


rule probe_birth:
    input:
        checkpoints="<results>/births/{birth}/seed-{seed}.parquet",
        characters="<results>/characters/{birth}.parquet",
    output:
        probes="<results>/probes/{birth}/seed-{seed}.parquet",
        attention_maps="<results>/attention_maps/{birth}/seed-{seed}.parquet",
    log:
        "<logs>/probe_birth/{birth}-{seed}.log",
    benchmark:
        "<benchmarks>/probe_birth/{birth}-{seed}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        code=plan.code("probe_birth"),
        seed=config["seed"],
        device=config["device"],
        data=lookup(dpath="births/{birth}/data", within=config),
        probe=lookup(dpath="births/{birth}/probe", within=config),
    message:
        "Probe the checkpoints of {wildcards.birth}, seed {wildcards.seed}"
    script:
        "../../scripts/probe_birth.py"


rule score_locator:
    input:
        checkpoints="<results>/births/{birth}/seed-{seed}.parquet",
        characters="<results>/characters/{birth}.parquet",
    output:
        locations="<results>/locations/{birth}/seed-{seed}.parquet",
        knockouts="<results>/knockouts/{birth}/seed-{seed}.parquet",
    log:
        "<logs>/score_locator/{birth}-{seed}.log",
    benchmark:
        "<benchmarks>/score_locator/{birth}-{seed}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        code=plan.code("score_locator"),
        seed=config["seed"],
        device=config["device"],
        level=lookup(dpath="randomness/level", within=config),
        n_spectra=lookup(dpath="randomness/n_spectra", within=config),
        n_vectors=lookup(dpath="randomness/n_vectors", within=config),
        data=lookup(dpath="births/{birth}/data", within=config),
        training=lookup(dpath="births/{birth}/training", within=config),
        probe=lookup(dpath="births/{birth}/probe", within=config),
    message:
        "Score the locator on the known memories of {wildcards.birth}, seed {wildcards.seed}"
    script:
        "../../scripts/score_locator.py"
