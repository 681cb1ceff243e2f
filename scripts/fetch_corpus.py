"""Fetch a corpus, cut it into documents, and divide them into the part to observe and the part to evaluate on."""

from weightspectra import contracts, job
from weightspectra.activations import corpora, texts


def main(smk):
    """Fetch, cut, divide."""
    corpus, entry = smk.wildcards.corpus, smk.params.entry
    selections = {part: entry[part] for part in corpora.PARTS}
    splits = [selection["split"] for selection in selections.values() if "split" in selection]
    fetched = texts.fetch_texts(entry["source"], splits)
    parts = corpora.divide(corpora.cut_documents(fetched.texts, entry["documents"]), **selections)
    rows = [
        {"corpus": corpus, "part": part, "document": document.name, "text": document.text}
        for part, documents in parts.items()
        for document in documents
    ]
    identity = {"kind": fetched.kind, "name": fetched.name, "revision": fetched.revision}
    sources = {f"corpus:{corpus}": {**identity, "sha256": corpora.digest(parts)}}
    contracts.CORPUS.write(rows, smk.output[0], job.stamp(smk, sources=sources))


if __name__ == "__main__":
    job.run(main, snakemake, online=True)
