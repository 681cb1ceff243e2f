import pandas as pd
from fake_run import decile_experiment, evaluation

from weightspectra.report.cuts import costs


def test_labels_name_layers_only_where_they_differ():
    rows = decile_experiment(["up", "query"])
    labels = costs.labelled(rows)
    assert list(labels["row"].unique()) == [f"decile {d}" for d in range(1, 11)]
    assert list(labels["column"].unique()) == ["Query", "Up"]
    apart = pd.concat([rows, decile_experiment(["up"], layers=[3]).query("decile > 0")])
    assert "decile 2, layer 3" in set(costs.labelled(apart)["row"])


def test_cuts_that_share_a_cell_are_listed_by_their_own_names():
    numbers = ([1.1, 1.2], [1.0, 1.0], [1, 1])
    rows = pd.DataFrame(
        [
            evaluation("none", "none", "none", 0, [], [], [1.0, 1.0], *numbers[1:]),
            evaluation("below of layer 0 up", "matrix", "below", 0, ["up"], [0], *numbers),
            evaluation("below of layer 0 up expert 1", "matrix", "below", 0, ["up"], [0], *numbers),
        ]
    )
    assert list(costs.labelled(rows)["row"]) == ["below of layer 0 up", "below of layer 0 up expert 1"]
