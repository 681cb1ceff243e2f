"""Report: every table and figure, and one page that holds them.

make_tables   out: tables/*.{csv,md,tex}
make_figures  out: figures/*.{svg,png}
make_report   out: report.html, findings.md
"""


rule make_tables:
    """Write the tables."""
    input:
        **plan.measurements,
    output:
        report(
            expand("<results>/tables/{name}.csv", name=plan.tables),
            category="Tables",
            caption="../report/tables.rst",
        ),
        expand("<results>/tables/{name}.{format}", name=plan.tables, format=["md", "tex"]),
    log:
        "<logs>/make_tables.log",
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=plan.code("make_tables"),
        controls=plan.controls,
    script:
        "../../scripts/make_tables.py"


rule make_figures:
    """Draw the figures."""
    input:
        **plan.measurements,
    output:
        report(
            expand("<results>/figures/{name}.svg", name=plan.figures),
            category="Figures",
            caption="../report/figures.rst",
        ),
        expand("<results>/figures/{name}.png", name=plan.figures),
    log:
        "<logs>/make_figures.log",
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=plan.code("make_figures"),
        controls=plan.controls,
        titles=plan.titles,
        blocks=lookup(dpath="report/blocks", within=config),
    script:
        "../../scripts/make_figures.py"


rule make_report:
    """Write the report."""
    input:
        **plan.measurements,
        tables=expand("<results>/tables/{name}.md", name=plan.tables),
        figures=expand("<results>/figures/{name}.svg", name=plan.figures),
    output:
        page=report("<results>/report.html", category="Report", caption="../report/page.rst"),
        findings="<results>/findings.md",
    log:
        "<logs>/make_report.log",
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=plan.code("make_report"),
        controls=plan.controls,
        titles=plan.titles,
        title=lookup(dpath="report/title", within=config),
        config=config,
    script:
        "../../scripts/make_report.py"
