"""Fetch or draw a corpus of documents, and divide them into the part to observe and the part to evaluate on."""

import sys

from weightspectra import contracts
from weightspectra.base import job, seeds
from weightspectra.birth.settings import TaskData
from weightspectra.birth.task.characters import Bigrams
from weightspectra.birth.task.corpus import draw_documents
from weightspectra.sources import corpora, texts
from weightspectra.sources.settings import Corpus


def main(smk):
    """Fetch or draw, divide."""
    corpus, entry = smk.wildcards.corpus, Corpus.model_validate(smk.params.entry)
    documents, origin = drawn(smk, entry.source.birth) if entry.source.birth else fetched(entry)
    parts, n_left_out = corpora.divide(documents, observe=entry.observe, evaluate=entry.evaluate)
    if n_left_out:
        print(f"{n_left_out} documents to observe are left out: others to evaluate hold the same text", file=sys.stderr)
    sources = {f"corpus:{corpus}": origin | {"sha256": corpora.corpus_digest(parts), "left_out": n_left_out}}
    contracts.CORPUS.write(corpora.rows(corpus, parts), smk.output[0], job.stamp(smk, sources=sources))


def fetched(entry):
    """Return the documents of texts; and the kind, name and revision of their source."""
    found = texts.fetch_texts(entry.source, [part.split for part in (entry.observe, entry.evaluate) if part.split])
    return corpora.cut_documents(found.texts, entry.documents), found.origin


def drawn(smk, source):
    """Return sequences of a birth's task, each one document; and their source as above."""
    data, bigrams = TaskData.model_validate(smk.params.data), Bigrams.of(contracts.CHARACTERS.read(smk.input[0]))
    rng = seeds.generator(smk.params.seed, "corpus", smk.wildcards.corpus)
    origin = {"kind": "birth", "name": source.birth, "revision": ""}
    return draw_documents(data, bigrams, source.n_documents, rng), origin


if __name__ == "__main__":
    job.run(main, snakemake, online=True)
