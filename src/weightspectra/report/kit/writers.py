"""A table as CSV, Markdown, LaTeX and JSON: deterministic text, nothing but the table."""

import json
import re

import pandas as pd

from weightspectra.report.kit.table import Block, Table

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "√": r"$\surd$",
    "†": r"$\dagger$",
    "→": r"$\rightarrow$",
    "␣": r"\textvisiblespace{}",
    "⏎": r"$\hookleftarrow$",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
}


WIDE = 110
"""Letters in a line from which on a LaTeX block is shrunk to the width of the page."""


def to_csv(table: Table) -> str:
    """Return the numbers of a table, one thing a row, in full precision."""
    return table.data.to_csv(index=False, lineterminator="\n")


def to_markdown(table: Table) -> str:
    """Return a table as GitHub Markdown: title, one pipe table a block, notes."""
    parts = [f"# {table.title}"]
    parts += [f"## {block.heading}\n\n{_pipe_table(block)}" for block in table.blocks]
    parts.append("\n".join(f"- {note}" for note in [*table.notes, *table.warnings]))
    return "\n\n".join(parts) + "\n"


def to_latex(table: Table) -> str:
    r"""Return a table as LaTeX: one booktabs ``tabular`` a block, notes below.

    Needs ``\usepackage{booktabs}``, and where a block is wider than a page ``\usepackage{graphicx}``.
    """
    parts = ["\\begin{table*}", "\\centering\\small", f"\\caption{{{escape_latex(table.title)}}}"]
    parts.append(f"\\label{{tab:{table.name}}}")
    parts += [_tabular(block) for block in table.blocks]
    notes = " ".join(escape_latex(note) for note in [*table.notes, *table.warnings])
    parts += [f"\\par\\smallskip\\parbox{{\\linewidth}}{{\\footnotesize {notes}}}", "\\end{table*}"]
    return "\n".join(parts) + "\n"


def to_json(table: Table) -> str:
    """Return what a page shows of a table: its title, blocks and notes, every cell as people read it."""
    blocks = [
        {
            "heading": block.heading,
            "columns": _head(block),
            "words": [name in block.words for name in block.cells.columns],
            "lines": _rows(block),
            "folded": block.folded,
        }
        for block in table.blocks
    ]
    shown = {"name": table.name, "title": table.title, "blocks": blocks, "notes": list(table.notes)}
    return json.dumps(shown, ensure_ascii=False, indent=1) + "\n"


def escape_latex(text: str) -> str:
    """Return text with everything that LaTeX would read as a command made to print as itself."""
    return re.sub("|".join(map(re.escape, _LATEX)), lambda found: _LATEX[found.group()], text)


def _rows(block: Block) -> list[list[str]]:
    cells: pd.DataFrame = block.cells
    return [[str(stub), *map(str, row)] for stub, row in zip(cells.index, cells.to_numpy(), strict=True)]


def _head(block: Block) -> list[str]:
    return [block.stub, *map(str, block.cells.columns)]


def _pipe_table(block: Block) -> str:
    lines = [_head(block), [":--", *["--:"] * (len(_head(block)) - 1)], *_rows(block)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _tabular(block: Block) -> str:
    columns = "l" + "r" * (len(_head(block)) - 1)
    lines = [" & ".join(escape_latex(cell) for cell in line) + r" \\" for line in [_head(block), *_rows(block)]]
    heading = f"\\par\\medskip\\textbf{{{escape_latex(block.heading)}}}\\par\\smallskip"
    body = [f"\\begin{{tabular}}{{{columns}}}", "\\toprule", lines[0], "\\midrule", *lines[1:], "\\bottomrule"]
    wide = max(sum(map(len, line)) for line in [_head(block), *_rows(block)]) > WIDE
    before, after = ("\\resizebox{\\linewidth}{!}{%", "}") if wide else ("", "")
    return "\n".join(filter(None, [heading, before, *body, "\\end{tabular}", after]))
