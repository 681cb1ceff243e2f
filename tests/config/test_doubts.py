"""What a configuration is warned of before anything runs."""

import yaml
from configurations import ROOT, with_value

from weightspectra.config import doubts
from weightspectra.config.reading import resolve

SMOKE = yaml.safe_load((ROOT / "config" / "smoke.yaml").read_text())


def test_too_few_windows_or_items_can_show_nothing():
    assert not list(doubts.found(resolve(SMOKE)))
    few = with_value(with_value(SMOKE, "experiments/deciles/n_windows", 4), "tasks/movies/limit", 3)
    assert list(doubts.found(resolve(few))) == [
        "experiments/deciles/n_windows: 4 are at most 4 documents: whatever a cut does, no q-value can be below 0.12, "
        "and none is significant above 0.05; score more",
        "tasks/movies/limit: 3 are at most 3 items: whatever a cut does, no q-value can be below 0.25, and none is "
        "significant above 0.05; score more",
    ]
