"""What comes from outside beside models: texts, plain and labelled."""

import pyarrow as pa

from weightspectra.contracts.columns import count
from weightspectra.contracts.contract import Column, Contract

CORPUS = Contract(
    "corpus",
    1,
    "The documents of a text corpus, divided into a part to observe and a part to evaluate on.",
    (
        Column("corpus", pa.string(), "the corpus' name in the configuration"),
        Column("part", pa.string(), "what it is for; no document is in both", one_of=("observe", "evaluate")),
        Column("document", pa.string(), "name of the document, unique in the corpus"),
        Column("text", pa.large_string(), "the text itself"),
    ),
    key=("corpus", "document"),
)

EXAMPLES = Contract(
    "examples",
    1,
    "The labelled texts of a data set, divided into a part to learn from and a part to test on.",
    (
        Column("data_set", pa.string(), "the data set's name in the configuration"),
        Column("split", pa.string(), "what it is for; no text is in both", one_of=("train", "test")),
        Column("example", pa.string(), "name of the example, unique in the data set"),
        Column("text", pa.large_string(), "the text"),
        Column("pair", pa.large_string(), "the second text of a pair; '' if there is none"),
        count("label", "class, counted from 0", pa.int16()),
        Column("label_name", pa.string(), "what the class is called"),
        Column("group", pa.string(), "what the example was taken from (a speech, say); '' if it stands alone"),
    ),
    key=("data_set", "example"),
)
