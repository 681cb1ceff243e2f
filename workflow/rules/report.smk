"""Report: every table and figure, and one page that holds them.

make_table   out: tables/{table}.{csv,md,tex,json,sha256}
make_figure  out: figures/{figure}.{svg,png,json,sha256}
make_report  out: report.html, findings.md, report.sha256

Each table and figure reads what it shows and nothing else; src/weightspectra/report/exhibits.py lists them.
"""


rule make_table:
    input:
        unpack(plan.presented.shown_from),
    output:
        csv=report(
            "<results>/tables/{table}.csv",
            category="Tables",
            caption="../report/exhibit.rst",
            labels=plan.presented.labels,
        ),
        md="<results>/tables/{table}.md",
        tex="<results>/tables/{table}.tex",
        json="<results>/tables/{table}.json",
        sha256="<results>/tables/{table}.sha256",
    log:
        "<logs>/make_table/{table}.log",
    benchmark:
        "<benchmarks>/make_table/{table}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=plan.presented.code,
        maker=plan.presented.maker,
        entry=plan.presented.entry,
        named=plan.presented.named,
        caption=plan.presented.caption,
    message:
        "Write the table {wildcards.table}"
    script:
        "../../scripts/make_table.py"


rule make_figure:
    input:
        unpack(plan.presented.shown_from),
    output:
        svg=report(
            "<results>/figures/{figure}.svg",
            category="Figures",
            caption="../report/exhibit.rst",
            labels=plan.presented.labels,
        ),
        png="<results>/figures/{figure}.png",
        json="<results>/figures/{figure}.json",
        sha256="<results>/figures/{figure}.sha256",
    log:
        "<logs>/make_figure/{figure}.log",
    benchmark:
        "<benchmarks>/make_figure/{figure}.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=plan.presented.code,
        maker=plan.presented.maker,
        entry=plan.presented.entry,
        named=plan.presented.named,
        heading=plan.presented.heading,
        caption=plan.presented.caption,
    message:
        "Draw the figure {wildcards.figure}"
    script:
        "../../scripts/make_figure.py"


rule make_report:
    input:
        **plan.presented.measurements,
        tables=expand("<results>/tables/{name}.json", name=plan.presented.tables),
        figures=expand("<results>/figures/{name}.json", name=plan.presented.figures),
        drawings=expand("<results>/figures/{name}.svg", name=plan.presented.figures),
        template=plan.presented.page_template,
    output:
        page=report(
            "<results>/report.html",
            category="Report",
            caption="../report/page.rst",
            labels={"page": "findings, figures, tables, provenance"},
        ),
        findings="<results>/findings.md",
        sha256="<results>/report.sha256",
    log:
        "<logs>/make_report.log",
    benchmark:
        "<benchmarks>/make_report.tsv"
    conda:
        "../../envs/weightspectra.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=plan.code("make_report"),
        named=plan.presented.named_in_report,
        title=plan.presented.title,
        config=config,
    message:
        "Write the report"
    script:
        "../../scripts/make_report.py"
