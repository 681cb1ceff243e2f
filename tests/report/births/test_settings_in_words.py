from fake_birth import FakeBirth, settings

from weightspectra.report.births.settings_in_words import in_words, title


def test_each_birth_says_where_it_differs_from_most():
    births = [
        FakeBirth("usual"),
        FakeBirth("wide", model={"dimension": 64}),
        FakeBirth("random", data={"triggers": "random", "n_triggers": 1, "no_repeat": True}),
        FakeBirth("frozen", training={"frozen_until": {"layers.1.attention.output.weight": 150}}),
        FakeBirth("rare", data={"offset": 3, "outputs": "bigram"}, training={"loss": "all", "batch_size": 7}),
    ]
    common, different = in_words(settings(*births))
    assert common == (
        "the 5 most frequent triggers, uniform outputs, T = 24, simplified model, d = 16, no W_F, "
        "loss in context only, SGD at 0.2, momentum 0.9, weight decay 0.0001, batches of 128"
    )
    assert different == {
        "usual": "",
        "wide": "d = 64",
        "random": "1 random trigger, never the trigger itself",
        "frozen": "W_O² frozen until 150",
        "rare": "the 5 most frequent triggers after the first 3, bigram outputs, loss on all tokens, batches of 7",
    }


def test_a_setting_that_goes_without_saying_is_said_where_most_have_another():
    frozen = {"layers.0.attention.key.weight": 20, "layers.1.attention.key.weight": 20}
    births = [FakeBirth(name, training={"frozen_until": frozen}) for name in ("one", "two")]
    common, different = in_words(settings(*births, FakeBirth("free")))
    assert "W_K¹ and W_K² frozen until 20" in common
    assert different["free"] == "nothing frozen"


def test_full_models_and_other_optimisers_can_be_told():
    births = [
        FakeBirth("full", model={"kind": "full", "norm": "none", "first_feed_forward": False, "tie_embeddings": True}),
        FakeBirth("adamw", training={"optimiser": "adamw", "learning_rate": 0.01}),
    ]
    _, different = in_words(settings(FakeBirth("usual"), FakeBirth("same"), *births))
    assert (
        "full model (2 layers, 4 heads, no norms, no perceptron in the first layer, tied embeddings)"
        in different["full"]
    )
    assert "AdamW at 0.01, betas 0.9 and 0.95" in different["adamw"]


def test_a_birth_without_title_is_called_by_its_name():
    births = settings(FakeBirth("plain"), FakeBirth("named", title="Five triggers"))
    assert [title(births, name) for name in (*births, "gone")] == ["plain", "Five triggers", "gone"]
