"""Report: every table and figure, and one page that holds them.

make_tables   out: tables/*.{csv,md,tex}
make_figures  out: figures/*.{svg,png}
make_report   out: report.html, findings.md
"""


rule make_tables:
    input:
        **plan.measurements,
    output:
        csv=[
            report(
                f"<results>/tables/{name}.csv",
                category="Tables",
                caption=f"../report/{name}.rst",
                labels={"table": name.replace("_", " ")},
            )
            for name in plan.shown.tables
        ],
        md=expand("<results>/tables/{name}.md", name=plan.shown.tables),
        tex=expand("<results>/tables/{name}.tex", name=plan.shown.tables),
    log:
        "<logs>/make_tables.log",
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=plan.code("make_tables"),
        tables=plan.shown.tables,
        controls=plan.controls,
        titles=plan.titles,
        births=config["births"],
    message:
        "Write the tables"
    script:
        "../../scripts/make_tables.py"


rule make_figures:
    input:
        **plan.measurements,
    output:
        svg=[
            report(
                f"<results>/figures/{name}.svg",
                category="Figures",
                caption=f"../report/{figure['kind']}.rst",
                labels=plan.shown.figure_labels(name),
            )
            for name, figure in plan.shown.figures.items()
        ],
        png=expand("<results>/figures/{name}.png", name=plan.shown.figures),
    log:
        "<logs>/make_figures.log",
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=plan.code("make_figures"),
        figures=plan.shown.figures,
        controls=plan.controls,
        titles=plan.titles,
        births=config["births"],
    message:
        "Draw the figures"
    script:
        "../../scripts/make_figures.py"


rule make_report:
    input:
        **plan.measurements,
        tables=expand("<results>/tables/{name}.md", name=plan.shown.tables),
        figures=expand("<results>/figures/{name}.svg", name=plan.shown.figures),
        template=plan.shown.page_template,
        captions=plan.shown.captions,
    output:
        page=report(
            "<results>/report.html",
            category="Report",
            caption="../report/page.rst",
            labels={"page": "findings, figures, tables, provenance"},
        ),
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
        tables=plan.shown.tables,
        figures=plan.shown.figures,
        controls=plan.controls,
        titles=plan.titles,
        births=config["births"],
        title=lookup(dpath="report/title", within=config),
        config=config,
    message:
        "Write the report"
    script:
        "../../scripts/make_report.py"
