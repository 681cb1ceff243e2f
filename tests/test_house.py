"""How the house is built: which way wings look, how large a folder grows, and that a public name means one thing."""

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "weightspectra"
RULES = PACKAGE.parents[1] / "workflow" / "rules"

WINGS = (
    *("base", "statistics", "contracts", "sources", "models", "spectra", "randomness", "activations", "ablation"),
    *("damage", "finetuning", "birth", "theory", "conclusions", "config", "report"),
)
"""Every wing, behind all those that it may import from; settings, the report's too, are composed by ``config``."""


def dotted(path):
    """From a file of the package to the name of its module, the package's own left out."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


TREES = {dotted(path): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def imports(module):
    """Return the modules of this package that a module imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found |= {name.removeprefix("weightspectra.") for name in names if name.startswith("weightspectra.")}
    return found & TREES.keys()


IMPORTS = {module: imports(module) for module in TREES}


def wing_of(module):
    return module.partition(".")[0]


def public(module):
    """Return the public functions and classes that a module defines."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in TREES[module].body if isinstance(node, kinds) and not node.name.startswith("_")]


def upward():
    """Return (module, imported module) of each import that goes from a wing to a later one."""
    for module, found in IMPORTS.items():
        for other in found:
            pair = wing_of(module), wing_of(other)
            composed = pair[0] == "config" and other.endswith(".settings")
            if set(pair) <= set(WINGS) and WINGS.index(pair[0]) < WINGS.index(pair[1]) and not composed:
                yield module, other


def reachable(module):
    """Return every module that a module imports, itself or through others."""
    found, waiting = set(), [module]
    while waiting:
        new = IMPORTS[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def test_a_wing_imports_from_the_wings_before_it_only():
    assert {module.partition(".")[0] for module in TREES if "." in module} <= set(WINGS)
    assert list(upward()) == []


def test_no_module_imports_itself_through_others():
    assert [module for module in TREES if module in reachable(module)] == []


def test_a_folder_holds_no_more_modules_than_one_can_survey():
    counts = Counter(path.parent.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    assert {str(folder): n for folder, n in counts.items() if n > 15} == {}


VOCABULARIES = {"contracts.columns", "models.layouts"}
"""Modules whose functions are words of a language of their own: in which contracts and architectures are written."""


def homes():
    """Return each public name that several modules define, and those modules."""
    found = defaultdict(list)
    for module in TREES:
        for name in public(module):
            found[name].append(module)
    return {name: modules for name, modules in found.items() if len(modules) > 1}


def test_a_class_has_a_name_of_its_own():
    classes = {node.name for tree in TREES.values() for node in tree.body if isinstance(node, ast.ClassDef)}
    assert {name: modules for name, modules in homes().items() if name in classes} == {}


def test_functions_of_one_name_are_told_apart_by_their_modules():
    """As in ``edges.fit``: no more than one of them is imported without its module."""
    shared, bare = homes(), defaultdict(set)
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                home = node.module.removeprefix("weightspectra.")
                for alias in node.names:
                    if home in shared.get(alias.name, ()) and home not in VOCABULARIES:
                        bare[alias.name].add(home)
    assert {name: modules for name, modules in bare.items() if len(modules) > 1} == {}


def test_a_rule_file_is_named_after_a_wing_or_a_part_of_one():
    parts = {path.name for wing in WINGS for path in (PACKAGE / wing).iterdir() if path.is_dir()}
    assert {path.stem for path in RULES.glob("*.smk")} - parts <= set(WINGS)


def test_the_report_reads_verdicts_and_judges_nothing_itself():
    """It compares no p-value with a level: a row of FINDINGS says that, or of long lists ``multiple.significant``."""
    judged = []
    for module, tree in TREES.items():
        for node in ast.walk(tree) if wing_of(module) == "report" else ():
            if isinstance(node, ast.Compare):
                inside = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
                words = {str(getattr(part, "value", "")) for part in inside if isinstance(part, ast.Constant)}
                names = {getattr(part, "id", getattr(part, "attr", "")) for part in inside}
                if any(word.endswith(("p_value", "q_value", "p_corrected")) for word in words | names) or names & {
                    *("SIGNIFICANT", "LEVEL", "smallest_p"),
                }:
                    judged.append(f"{module}:{node.lineno}")
    assert judged == []


def test_every_rule_that_computes_is_timed():
    """Rules that run beside Snakemake only fetch or collect."""
    for path in RULES.glob("*.smk"):
        text = path.read_text()
        local = re.search(r"^localrules:\n((?:    .*\n)+)", text, flags=re.M)
        for name, body in re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", text, flags=re.M):
            computes = "    script:\n" in body and not (local and f"    {name},\n" in local[1])
            if computes:
                assert "    benchmark:\n" in body, name
