import runpy
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "bench" / "seeded_bugs"


def test_every_seeded_bug_has_its_place_in_the_code_once():
    """Code that is rewritten takes its bugs along, or the share that tests catch would be of fewer than it says."""
    listed, bug_of = tomllib.loads((FOLDER / "bugs.toml").read_text()), runpy.run_path(FOLDER / "run.py")["Bug"]
    bugs = [bug_of(*each) for wing in listed.values() for each in wing["bugs"]]
    assert [str(bug) for bug in bugs if bug.place(ROOT).read_text().count(bug.old) != 1] == []
