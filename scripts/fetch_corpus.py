"""Fetch or draw a corpus of documents, and divide them into the part to observe and the part to evaluate on."""

from weightspectra import contracts
from weightspectra.base import job, seeds
from weightspectra.birth.task.characters import Bigrams
from weightspectra.birth.task.corpus import draw_documents
from weightspectra.sources import corpora, texts


def main(smk):
    """Fetch or draw, divide."""
    corpus, entry = smk.wildcards.corpus, smk.params.entry
    selections = {part: entry[part] for part in corpora.PARTS}
    documents, origin = drawn(smk) if "birth" in entry["source"] else fetched(entry, selections)
    parts = corpora.divide(documents, **selections)
    rows = [
        {"corpus": corpus, "part": part, "document": document.name, "text": document.text}
        for part, documents in parts.items()
        for document in documents
    ]
    identity = dict(zip(("kind", "name", "revision"), origin, strict=True))
    sources = {f"corpus:{corpus}": {**identity, "sha256": corpora.corpus_digest(parts)}}
    contracts.CORPUS.write(rows, smk.output[0], job.stamp(smk, sources=sources))


def fetched(entry, selections):
    """Return the documents of texts; and the kind, name and revision of their source."""
    splits = [selection["split"] for selection in selections.values() if "split" in selection]
    found = texts.fetch_texts(entry["source"], splits)
    return corpora.cut_documents(found.texts, entry["documents"]), (found.kind, found.name, found.revision)


def drawn(smk):
    """Return sequences of a birth's task, each one document; and their source as above."""
    source, bigrams = smk.params.entry["source"]["birth"], Bigrams.of(contracts.CHARACTERS.read(smk.input[0]))
    rng = seeds.generator(smk.params.seed, "corpus", smk.wildcards.corpus)
    return draw_documents(smk.params.data, bigrams, source["n_documents"], rng), ("birth", source["birth"], "")


if __name__ == "__main__":
    job.run(main, snakemake, online=True)
