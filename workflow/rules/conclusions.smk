"""Conclusions: every test, interval, correction and verdict, computed once; the report only lays them out.

conclude         in:  the contracts that a subject speaks of, each subject's own
                 out: findings/{subject}.parquet (contracts.FINDINGS), of cuts findings/cuts/{model}/{experiment}.parquet,
                      of storage findings/storage/{model}.parquet
gather_findings  in:  findings/{subject}.parquet of all subjects
                 out: findings.parquet (contracts.FINDINGS), numbers.json (the same rows, for other programs),
                      numbers.sha256
"""


rule conclude:
    input:
        unpack(lambda wildcards: plan.conclusions[wildcards.subject]),
    output:
        "<results>/findings/{subject}.parquet",
    log:
        "<logs>/conclude/{subject}.log",
    benchmark:
        "<benchmarks>/conclude/{subject}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        code=plan.code("conclude"),
        told=plan.told,
    message:
        "Draw the conclusions on {wildcards.subject}"
    script:
        "../../scripts/conclude.py"


rule gather_findings:
    input:
        expand("<results>/findings/{subject}.parquet", subject=plan.conclusions),
    output:
        table="<results>/findings.parquet",
        numbers="<results>/numbers.json",
        sha256="<results>/numbers.sha256",
    log:
        "<logs>/gather_findings.log",
    benchmark:
        "<benchmarks>/gather_findings.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=plan.code("gather_findings"),
    message:
        "Gather all conclusions"
    script:
        "../../scripts/gather_findings.py"
