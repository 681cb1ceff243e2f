import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_seeded_bug_has_its_place_in_the_code_once():
    """Code that is rewritten takes its bugs along, or the share that tests catch would be of fewer than it says."""
    listed = tomllib.loads((ROOT / "bench" / "seeded_bugs" / "bugs.toml").read_text())
    places = [(file, old) for wing in listed.values() for file, old, _ in wing["bugs"]]
    found = {place: (ROOT / "src" / "weightspectra" / place[0]).read_text().count(place[1]) for place in places}
    assert [place for place, n in found.items() if n != 1] == []
