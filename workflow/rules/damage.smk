"""Damage: what removing singular values would do, predicted before anything is removed.

predict_damage  in:  sources/{model}.parquet, corpora/{corpus}.parquet, spectra and vectors of the model
                out: predictions/{model}/{corpus}.parquet (contracts.PREDICTIONS),
                     directions/{model}/{corpus}.parquet (DIRECTIONS)
"""


rule predict_damage:
    input:
        source="<results>/sources/{model}.parquet",
        corpus="<results>/corpora/{corpus}.parquet",
        spectra=plan.parts_of("<results>/spectra/{model}/part-{part}.parquet"),
        vectors=plan.parts_of("<results>/vectors/{model}/part-{part}.parquet"),
    output:
        predictions="<results>/predictions/{model}/{corpus}.parquet",
        directions="<results>/directions/{model}/{corpus}.parquet",
    log:
        "<logs>/predict_damage/{model}-{corpus}.log",
    benchmark:
        "<benchmarks>/predict_damage/{model}-{corpus}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        code=plan.code("predict_damage"),
        architecture=plan.architecture,
        seed=config["seed"],
        device=config["device"],
        remote_code=lookup(dpath="models/{model}/trust_remote_code", within=config),
        fused_split=lookup(dpath="models/{model}/fused_split", within=config),
        predict=plan.prediction,
    message:
        "Predict what removing singular values of {wildcards.model} does on {wildcards.corpus}"
    script:
        "../../scripts/predict_damage.py"
