"""Sources: what comes from outside beside models -> texts, plain and labelled.

fetch_corpus    in:  corpora/{corpus} of the configuration; characters/{birth}.parquet for text of the bigram task
                out: corpora/{corpus}.parquet (contracts.CORPUS)
fetch_data_set  in:  data_sets/{data_set} of the configuration
                out: data_sets/{data_set}.parquet (EXAMPLES)
"""


localrules:
    fetch_corpus,
    fetch_data_set,


rule fetch_corpus:
    input:
        plan.corpus_inputs,
    output:
        "<results>/corpora/{corpus}.parquet",
    log:
        "<logs>/fetch_corpus/{corpus}.log",
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=plan.code("fetch_corpus"),
        entry=lookup(dpath="corpora/{corpus}", within=config),
        data=plan.corpus_task,
        seed=plan.corpus_seed,
        given=plan.given.texts,
    message:
        "Fetch the corpus {wildcards.corpus} and divide it into its two parts"
    script:
        "../../scripts/fetch_corpus.py"


rule fetch_data_set:
    output:
        "<results>/data_sets/{data_set}.parquet",
    log:
        "<logs>/fetch_data_set/{data_set}.log",
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=plan.code("fetch_data_set"),
        seed=config["seed"],
        entry=lookup(dpath="data_sets/{data_set}", within=config),
        given=plan.given.tables,
    message:
        "Fetch the labelled texts {wildcards.data_set} and divide them into training and test"
    script:
        "../../scripts/fetch_data_set.py"
