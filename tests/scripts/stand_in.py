"""A stand-in for the object that Snakemake hands to a script."""

from types import SimpleNamespace


class Files(list):
    """Input or output files, by position and by name."""

    def __init__(self, *paths, **named):
        spread = (path for value in named.values() for path in (value if isinstance(value, list) else [value]))
        super().__init__([*paths, *spread])
        self.__dict__.update(named)


class Params(dict):
    """Parameters or wildcards, by attribute and as items."""

    __getattr__ = dict.__getitem__


def job(rule, inputs, outputs, *, wildcards, **params):
    """Return a job of a rule; inputs and outputs are ``Files``."""
    return SimpleNamespace(
        rule=rule,
        input=inputs,
        output=outputs,
        wildcards=Params(wildcards),
        params=Params(code="0", **params),
        threads=1,
    )
