"""Sequences of the bigram task as text, so that trained births are read as any language model is."""

import numpy as np

from weightspectra.birth.settings import TaskData
from weightspectra.birth.task.bigram_task import BigramTask
from weightspectra.birth.task.characters import Bigrams
from weightspectra.sources.corpora import Document


def draw_documents(data: TaskData, bigrams: Bigrams, n_documents: int, rng: np.random.Generator) -> list[Document]:
    """Draw sequences, each a document of T characters: as many as a model has positions for, one full window.

    Nothing is cut or stripped: line feeds and blanks are characters like any other. The
    target of the last position is left out, or it would be a window of its own.

    Parameters
    ----------
    data, bigrams
        What :meth:`BigramTask.of` makes the task from; raises as that does.
    n_documents : int
    rng : Generator

    Returns
    -------
    list of Document
        Called ``sequence-00000`` and so on, each an origin of its own.
    """
    characters = np.array(bigrams.characters, object)
    names = [f"sequence-{number:05d}" for number in range(n_documents)]
    inputs = BigramTask.of(data, bigrams).sample(n_documents, rng).inputs
    return [Document(name, name, "".join(characters[row])) for name, row in zip(names, inputs, strict=True)]
