"""Fetch labelled texts, number their classes, and divide them into the part to learn from and the part to test on."""

import sys

from weightspectra import contracts
from weightspectra.base import job, seeds
from weightspectra.sources.labelled import examples, readers
from weightspectra.sources.settings import DataSet


def main(smk):
    """Fetch, number, divide."""
    data_set, entry = smk.wildcards.data_set, DataSet.model_validate(smk.params.entry)
    source = readers.read_source(entry)
    classes = examples.number_classes(source, entry.classes or ())
    draw = seeds.generator(smk.params.seed, data_set, "split")
    parts, n_left_out = examples.divide(source, entry.splits or (), entry.test_share, draw)
    if n_left_out:
        print(f"{n_left_out} texts to learn from are left out: others to test on are the same", file=sys.stderr)
    rows = [
        {"data_set": data_set, "split": split, "example": example.name, "text": example.text, "pair": example.pair}
        | dict(zip(("label", "label_name"), classes[example.label], strict=True))
        | {"group": example.group}
        for split, chosen in parts.items()
        for example in chosen
    ]
    identity = {"kind": source.kind, "name": source.name, "revision": source.revision}
    sources = {f"data_set:{data_set}": {**identity, "sha256": examples.examples_digest(parts), "left_out": n_left_out}}
    contracts.EXAMPLES.write(rows, smk.output[0], job.stamp(smk, sources=sources))


if __name__ == "__main__":
    job.run(main, snakemake, online=True)
