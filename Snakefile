"""weightspectra: which singular values of a transformer's weights carry information?

Data moves in the order of the includes below. Every file between two rules is a
Parquet file whose form src/weightspectra/contracts/ defines.
"""

import sys

from snakemake.utils import min_version

min_version("9.27")
sys.path[:0] = [f"{workflow.basedir}/src", f"{workflow.basedir}/workflow"]

if "models" not in config:

    configfile: f"{workflow.basedir}/config/config.yaml"


import incomplete
from weightspectra.base import lifetime
from plan import Plan, one_of
from snakemake.pathvars import Pathvars

lifetime.name_this_process()
plan = Plan(config, root=workflow.basedir, files=workflow.configfiles)
workflow.pathvars.update(Pathvars.from_config(config))


wildcard_constraints:
    model=plan.pattern("models"),
    corpus=plan.pattern("corpora"),
    experiment=plan.pattern("experiments"),
    data_set=plan.pattern("data_sets"),
    task=plan.pattern("tasks"),
    finetuning=plan.pattern("finetunings"),
    comparison=plan.pattern("comparisons"),
    birth=plan.pattern("births"),
    seed=r"\d+",
    subject=one_of(plan.conclusions),
    part=r"\d{2}-of-\d{2}",
    table=one_of(plan.presented.tables),
    figure=one_of(plan.presented.figures),


localrules:
    all,


rule all:
    default_target: True
    input:
        "<results>/report.html",
        plan.kept,


include: "workflow/rules/sources.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/spectra.smk"
include: "workflow/rules/noise.smk"
include: "workflow/rules/randomness.smk"
include: "workflow/rules/activations.smk"
include: "workflow/rules/ablation.smk"
include: "workflow/rules/damage.smk"
include: "workflow/rules/finetuning.smk"
include: "workflow/rules/birth.smk"
include: "workflow/rules/simulated.smk"
include: "workflow/rules/conclusions.smk"
include: "workflow/rules/report.smk"


onstart:
    plan.claim.make(workflow)
    plan.hash_anew()
    plan.print_doubts()


onerror:
    incomplete.write_report(workflow, plan.settings)
    plan.claim.end()


onsuccess:
    plan.print_findings()
    plan.claim.end()
