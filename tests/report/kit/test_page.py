import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import fake_ablation
import fake_birth
import pandas as pd
import pytest
from exhibited import drawing_of, table_of
from fake_run import LLAMA, FakeModel, decile_experiment, measurements, told

from weightspectra.base import checksums
from weightspectra.report import kit
from weightspectra.report.exhibits import FIGURES as KINDS
from weightspectra.report.findings import telling
from weightspectra.report.kit import layout, page, style, writers
from weightspectra.report.kit.wording import percent

TEMPLATE = (Path(kit.__file__).parent / "page.html.j2").read_text()
FIGURES = {
    "controls-control": {"kind": "controls", "model": "trained", "control": "control", "block": None},
    "information-trained": {"kind": "information", "model": "trained", "control": "control"},
    "matrix-trained-block_1-up": {
        "kind": "matrix",
        "model": "trained",
        "control": "control",
        "block": 1,
        "role": "up",
        "window": 15,
    },
    "spectra-trained": {"kind": "spectra", "model": "trained", "control": "control", "block": 1, "corpus": "prose"},
    "damage-trained-deciles": {"kind": "damage", "model": "trained", "experiment": "deciles"},
    "positions-trained-deciles": {"kind": "positions", "model": "trained", "experiment": "deciles"},
    "contrasts-trained-controls": {"kind": "contrasts", "model": "trained", "experiment": "controls"},
    "compression-trained-small": {"kind": "compression", "model": "trained", "experiment": "small"},
    "predicted-trained-prose": {"kind": "predicted", "model": "trained", "corpus": "prose"},
    "finetuning-trained-century": {"kind": "finetuning", "model": "trained", "finetuning": "century"},
    "difference-tuned": {"kind": "difference", "model": "trained", "comparison": "tuned"},
    "births-curves": {"kind": "birth_curves", "births": ["small", "wide"], "probes": ["in_context_accuracy"]},
    "births-timeline": {"kind": "birth_timeline", "births": ["small"]},
    "births-knockouts": {"kind": "birth_knockouts", "births": ["small"]},
    "births-capacity": {"kind": "birth_capacity", "births": ["small", "wide"]},
    "births-scaling": {
        "kind": "birth_scaling",
        "births": ["small", "wide"],
        "probes": ["recall_output"],
        "against": "dimension",
    },
    "births-transfer": {"kind": "birth_transfer", "births": ["small", "wide"]},
    "births-attention": {"kind": "birth_attention", "births": ["small"]},
    "memories": {"kind": "birth_memories"},
}
IDENTITY = {"kind": "hub", "name": "owner/trained", "revision": "abc123", "quantisation": None}


@pytest.fixture(scope="module")
def data():
    trained = FakeModel("trained", LLAMA, n_layers=3, dtype="Q4_1", noise=0.3)
    control = FakeModel("control", LLAMA, n_layers=3, n_above=0, n_below=0)
    experiments = [
        decile_experiment(LLAMA, layers=range(3)),
        fake_ablation.controls_experiment({"down": 0.08}, experiment="controls"),
        fake_ablation.compression_experiment(n_layers=3, experiment="small"),
    ]
    return measurements(
        trained,
        control,
        controls={"control": "trained"},
        evaluations=pd.concat(experiments, ignore_index=True),
        predictions=fake_ablation.predictions(n_layers=3),
        directions=fake_ablation.directions(),
        finetunings=fake_ablation.finetunings(),
        comparisons=fake_ablation.comparison(),
        births=[fake_birth.FakeBirth("small"), fake_birth.FakeBirth("wide", model={"dimension": 64})],
    )


@pytest.fixture(scope="module")
def drawings(data, tmp_path_factory):
    """The sections of figures that the page reads from files."""
    folder = tmp_path_factory.mktemp("figures")
    for name, wanted in FIGURES.items():
        title, figure = drawing_of(wanted, data)
        words = {"heading": KINDS[wanted["kind"]].heading, "caption": f"How to read {wanted['kind']}.", "title": title}
        (folder / f"{name}.json").write_text(json.dumps(words))
        (folder / f"{name}.svg").write_bytes(style.to_bytes(figure, "svg"))
        checksums.write_sums([folder / f"{name}.{form}" for form in ("json", "svg")], folder / f"{name}.sha256")
    return layout.sections([str(folder / f"{name}.json") for name in FIGURES])


def shown_of(kind, data):
    """What the page reads of a table."""
    return json.loads(writers.to_json(table_of(kind, data)))


def render(data, drawings, **changes):
    names = {"sources": {"trained": IDENTITY, "corpus:prose": {"kind": "path", "sha256": "ee" * 32}}}
    provenance = {
        "rule": "fit_bulk",
        "config": "c0",
        "code": "d0",
        "device": "cpu",
        "versions": {"numpy": "2.4"},
        **names,
    }
    arguments = {
        "title": "A report",
        "data": data,
        "findings": changes.get("findings") or telling.tell(told(data)),
        "sections": drawings,
        "tables": [shown_of(name, data) for name in ("outliers", "share_outside", "overlap", "cuts")],
        "sources": pd.DataFrame(
            [{"model": "trained", "path": "model.safetensors", "n_bytes": 1234, "sha256": "ff" * 32}]
        ),
        "provenances": [provenance, provenance],
        "configuration": {"seed": 1, "models": {"trained": {"source": {"path": "x"}}}},
    }
    return page.render(TEMPLATE, **{**arguments, **changes})


@pytest.fixture(scope="module")
def findings(data):
    return telling.tell(told(data))


@pytest.fixture(scope="module")
def html(data, drawings):
    return render(data, drawings)


class Page(HTMLParser):
    """Collects the addresses, tags and text of a page, and checks that tags are closed in order."""

    EMPTY = ("meta", "img")

    def __init__(self, html):
        super().__init__()
        self.addresses, self.tags, self.words, self.open = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "srcset", "action", "data")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_the_page_needs_no_other_file_and_no_script(html):
    found = Page(html)
    assert not found.open
    assert {"script", "link", "iframe", "object"}.isdisjoint(found.tags)
    assert all(address.startswith(("#", "data:image/svg+xml;base64,")) for address in found.addresses)
    assert "url(" not in html
    assert "@import" not in html
    assert all(f'id="{address[1:]}"' in html for address in found.addresses if address.startswith("#"))


def test_every_figure_is_inside(html, drawings):
    found = Page(html)
    embedded = [
        base64.b64decode(address.split(",", 1)[1]) for address in found.addresses if address.startswith("data:")
    ]
    assert embedded == [figure["svg"] for section in drawings for figure in section["figures"]]
    assert all(text in found.text for text in (f"How to read {kind}." for kind in KINDS))
    assert (
        "Trained beside its random control Control: singular values of block 1, and overlaps with prose" in found.text
    )


def test_findings_come_first_and_tables_and_origins_follow(html, findings):
    assert (
        html.index('id="findings"') < html.index('id="figures"') < html.index('id="tables"') < html.index('id="making"')
    )
    text = Page(html).text
    for finding in findings:
        assert finding.headline in text
    for word in ("owner/trained", "abc123", "ff" * 32, "ee" * 32, "fit_bulk", "numpy 2.4", "seed: 1", "1,234 bytes"):
        assert word in text, word
    assert "Trained is quantised (stored as Q4_1, 4 bits a weight)" in text


def test_the_rounding_of_a_model_is_that_of_its_finding(data, findings, html):
    told_so = data.findings["claim"] == "rounding_coarse"
    noise = float(data.findings.loc[told_so, "number"].iloc[0])
    text = Page(html).text
    assert f"Q4_1; rounding noise {percent(noise)} % of the norm" in text
    assert text.count("rounding noise") == 1  # a random control has no finding on it
    for other, spelled in ((0.25, "25.0 % of the norm"), (float("nan"), "unknown")):
        rows = data.findings.assign(number=data.findings["number"].mask(told_so, other))
        page_of = render(replace(data, findings=rows), [], findings=findings, tables=[])
        assert f"Q4_1; rounding noise {spelled}" in Page(page_of).text


def test_equal_steps_are_listed_once(html):
    assert Page(html).text.count("fit_bulk") == 1


def test_what_people_write_is_shown_and_not_run(data, findings):
    nasty = "<script>alert('x')</script> & more"
    html = render(data, [], title=nasty, configuration={"title": nasty}, findings=findings)
    assert "<script" not in html
    assert nasty in "".join(Page(html).words)


def test_the_same_input_gives_the_same_bytes(data, drawings, html):
    assert render(data, drawings) == html


def test_a_report_without_corpora_controls_and_experiments():
    alone = measurements(FakeModel("alone", n_layers=1, n_above=0), overlaps=False)
    html = render(
        alone,
        [],
        tables=[shown_of(name, alone) for name in ("outliers", "share_outside")],
        provenances=[{}],
    )
    assert "Alone" in Page(html).text


def test_births_are_counted_in_the_lead_and_many_are_folded():
    births = [fake_birth.FakeBirth(f"b{n}", seeds=(0,)) for n in range(6)]
    data = measurements(FakeModel("alone", n_layers=1), overlaps=False, births=births)
    shown = [shown_of(name, data) for name in ("births", "knockouts")]
    html = render(data, [], tables=shown, provenances=[{}])
    found = Page(html)
    assert "Beside them 6 small transformers with 6 settings, trained here" in found.text
    assert "2 more" in found.text
    assert html.index("b3 (1 run)") < html.index("2 more") < html.index("b4 (1 run)")
    assert '<td class="words">as above</td>' in html
    assert "small transformers" not in render(measurements(FakeModel("alone")), [], tables=[], provenances=[{}])


def test_texts_whose_characters_were_counted_are_listed_once(data, findings):
    text = {"kind": "text", "name": "poem.txt", "sha256": "ab" * 32}
    other = {**text, "sha256": "cd" * 32}
    named = {"characters:small": text, "characters:wide": text, "characters:other": other}
    provenances = [{"rule": "train_birth", "sources": {name: identity}} for name, identity in named.items()]
    found = Page(render(data, [], tables=[], provenances=provenances, findings=findings)).text
    assert "characters of small and wide" in found
    assert "characters of other" in found
    assert found.count("ab" * 32) == found.count("cd" * 32) == 1
    assert "train_birth small" in found
    assert "characters:" not in found
