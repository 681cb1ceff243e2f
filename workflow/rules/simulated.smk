"""Memories made without training, beside what theory says of them.

simulate_memories  in:  counts that come with the workflow
                   out: simulations.parquet (contracts.SIMULATIONS)
"""

from weightspectra.config.needs import SHAKESPEARE


rule simulate_memories:
    input:
        str(SHAKESPEARE),
    output:
        "<results>/simulations.parquet",
    log:
        "<logs>/simulate_memories.log",
    benchmark:
        "<benchmarks>/simulate_memories.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=plan.code("simulate_memories"),
        seed=config["seed"],
        memories=config["memories"],
    message:
        "Store memories as sums of outer products, and by single gradient steps"
    script:
        "../../scripts/simulate_memories.py"
