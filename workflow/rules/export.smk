"""Export: one cut of one experiment as a checkpoint.

export      in:  the configuration's cut ("decile 1 of down", or "model/experiment/label"); a target, made on demand:
                 snakemake export --config cut="decile 1 of down"
export_cut  in:  as evaluate_cuts, and its evaluations (what the cut cost)
            out: exports/{model}/{experiment}/{cut}/ (a checkpoint, factorised/ where that is smaller, and a card)
"""


localrules:
    export,


rule export:
    input:
        plan.exported,


rule export_cut:
    input:
        unpack(plan.evaluation_inputs),
        source="<results>/sources/{model}.parquet",
        spectra=plan.parts_of("<results>/spectra/{model}/part-{part}.parquet"),
        vectors=plan.parts_of("<results>/vectors/{model}/part-{part}.parquet"),
        evaluations="<results>/evaluations/{model}/{experiment}.parquet",
    output:
        directory("<results>/exports/{model}/{experiment}/{cut}"),
    log:
        "<logs>/export_cut/{model}-{experiment}-{cut}.log",
    benchmark:
        "<benchmarks>/export_cut/{model}-{experiment}-{cut}.tsv"
    wildcard_constraints:
        cut="[a-z0-9][a-z0-9._-]*",
    conda:
        "../../envs/weightspectra.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        code=plan.code("export_cut"),
        seed=config["seed"],
        device=config["device"],
        remote_code=lookup(dpath="models/{model}/trust_remote_code", within=config),
        fused_split=lookup(dpath="models/{model}/fused_split", within=config),
        experiment=lookup(dpath="experiments/{experiment}", within=config),
    message:
        "Export {wildcards.model} after the cut {wildcards.cut}"
    script:
        "../../scripts/export_cut.py"
