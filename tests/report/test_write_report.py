import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleetfoot.core.errors import DataError, MissingError
from fleetfoot.core.results import to_json
from fleetfoot.jobs.run_record import RunRecord
from fleetfoot.measure.accuracy import evaluate_logits
from fleetfoot.report.page import resolve
from fleetfoot.report.write_report import write_report
from tests.report.conftest import change, part

UNITS = {
    "%": 0.01,
    "\u00b5s": 0.001,
    "ms": 1.0,
    "s": 1.0,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "B": 1.0,
}


class Figures(HTMLParser):
    """Every element with `data-key` and its text, every tag, and every address."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.figures: list[tuple[str, str]] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.text: list[str] = []
        self._key: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        names = dict(attrs)
        self.addresses += [names[n] or "" for n in ("src", "href", "srcset", "data") if n in names]
        if "data-key" in names:
            self._key = names["data-key"]
            self.figures.append((self._key or "", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("data", "span"):
            self._key = None

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._key is not None:
            key, text = self.figures[-1]
            self.figures[-1] = (key, text + data)


def read(text: str) -> tuple[float, float]:
    """Read a figure as a person would; return it and half a unit of its last place."""
    text = text.replace("\u202f", " ").replace(",", "").strip()
    clock = re.fullmatch(r"(\d+) (h|min) (\d+) (min|s)", text)
    if clock:
        big, small = (3600, 60) if clock[2] == "h" else (60, 1)
        return int(clock[1]) * big + int(clock[3]) * small, small
    found = re.fullmatch(r"(-?\d+)(\.\d+)?(e[+-]?\d+)?\s*(\S*)", text)
    assert found, f"no figure: {text!r}"
    unit = UNITS.get(found[4], 1.0)
    size = float(f"1{found[3] or ''}") * unit
    places = len(found[2] or ".") - 1
    return float(f"{found[1]}{found[2] or ''}") * size, 0.5 * 10.0**-places * size


def same(text: str, value: Any) -> bool:
    """Whether a text on the page says what the JSON says, to the last digit shown."""
    if value is None:
        return True  # some word for unknown; which one is for the template
    if isinstance(value, bool):
        return text in (("yes", "\u2713 met") if value else ("no", "\u2717 missed"))
    if isinstance(value, (int, float)):
        figure, half = read(text)
        return abs(figure - value) <= half * (1 + 1e-6)
    if isinstance(value, str):
        return text == value
    return bool(text)


def test_page_and_json_say_the_same(run_folder: Path) -> None:
    report = write_report(run_folder)
    assert json.loads((run_folder / "report.json").read_text()) == report
    page = Figures((run_folder / "report.html").read_text())
    wrong = [
        f"{key}: page {text!r}, json {resolve(report, key)!r}"
        for key, text in page.figures
        if not same(text, resolve(report, key))
    ]
    assert not wrong, "\n".join(wrong)
    keys = {key for key, _ in page.figures}
    assert {
        "/headline/top1",
        "/headline/top1_low",
        "/headline/latency_ms_p50",
        "/headline/latency_ms_p90",
        "/headline/net",
        "/headline/speedup",
        "/use/command",
        "/use/golden_images",
        "/headline/budget_met",
        "/parity/top1_agreement",
        "/evaluation/val/calibration/ece",
        "/evaluation/test/confusion/2/3",
        "/evaluation/test/per_class/0/recall",
        "/latency/0/latency_ms_p99",
        "/latency/0/latency_ms_iqr",
        "/latency/0/reason",
        "/input/wait_fraction",
        "/data/audit/modes/CMYK",
        "/data/checks/3/examples/0",
        "/device/cpu",
        "/licences/1/licence",
        "/device/versions/torch",
        "/provenance/git/commit",
        "/choice/candidates/0/reason",
    } <= keys


@pytest.mark.parametrize("fitted", [True, False])
def test_the_calibration_error_is_there_before_and_after(run_folder: Path, fitted: bool) -> None:
    val = part(run_folder, "evaluation.json")["val"]
    values = (0.3, 0.4) if fitted else (None, None)
    val["calibration"] |= dict(zip(("temperature", "ece_before"), values, strict=True))
    change(run_folder, "evaluation.json", val=val)
    report = write_report(run_folder)
    figures = dict(Figures((run_folder / "report.html").read_text()).figures)
    place = "/evaluation/val/calibration"
    assert same(figures[f"{place}/ece"], report["evaluation"]["val"]["calibration"]["ece"])
    assert (figures.get(f"{place}/ece_before"), figures.get(f"{place}/temperature")) == (
        ("40.0\u202f%", "0.3") if fitted else (None, None)
    )


def test_page_is_one_file_and_runs_nothing(run_folder: Path) -> None:
    val = part(run_folder, "evaluation.json")["val"]
    val["worst"][0]["thumbnail"] = "https://example.org/tracker.png"
    change(run_folder, "evaluation.json", val=val)
    write_report(run_folder)
    text = (run_folder / "report.html").read_text()
    page = Figures(text)
    assert page.tags.isdisjoint({"script", "link", "iframe", "object", "embed", "form", "base"})
    outside = [a for a in page.addresses if not a.startswith(("#", "data:image/"))]
    assert not outside
    assert "default-src 'none'" in text
    assert "example.org" not in text  # a thumbnail that is no picture
    assert "url(" not in text
    assert "@import" not in text


def test_hostile_names_are_text(run_folder: Path) -> None:
    write_report(run_folder)
    text = (run_folder / "report.html").read_text()
    assert "<script" not in text
    assert "<b>.jpg" not in text
    assert "<u>.jpg" not in text
    for name in ("<script>alert('x')</script>", '"0" <b>.jpg', "damaged <u>.jpg"):
        assert name in "".join(Figures(text).text)


def test_unknown_is_said_and_never_zero(tmp_path: Path) -> None:
    folder = tmp_path / "early"
    folder.mkdir()
    RunRecord(folder).begin(net="fleetnet", data="x", choice=None, budget_ms=None)
    report = write_report(folder)
    assert report["headline"]["top1"] is None
    assert report["headline"]["latency_ms_p50"] is None
    assert {line["part"] for line in report["missing"]} >= {"training curves", "plan", "data audit"}
    page = " ".join("".join(Figures((folder / "report.html").read_text()).text).split())
    for words in ("not measured", "nothing was trained", "Unknown: there is no plan.json."):
        assert words in page
    assert "0.0\u202f%" not in page


def test_a_bundle_alone_has_a_report(run_folder: Path) -> None:
    report = write_report(run_folder / "bundle")
    bundle = part(run_folder, "bundle/bundle.json")
    assert report["headline"]["latency_ms_p50"] == bundle["chosen"]["latency_ms_p50"]
    assert report["device"] == bundle["device"]
    assert (run_folder / "bundle" / "report.html").is_file()


def test_damaged_parts_are_reasons(run_folder: Path) -> None:
    (run_folder / "evaluation.json").write_text("{half")
    (run_folder / "plan.json").write_text("[]")
    (run_folder / "config.toml").write_text("= 3")
    with (run_folder / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "step", "st')
    reasons = {line["part"]: line["reason"] for line in write_report(run_folder)["missing"]}
    assert "is not valid JSON" in reasons["accuracy, confusion, calibration"]
    assert "holds no JSON object" in reasons["plan"]
    assert "cannot be read" in reasons["settings"]
    assert "1 lines that are not JSON" in reasons["training curves"]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    for key, item in items if isinstance(value, (dict, list)) else ():
        found += leaves(item, (*path, key)) if isinstance(item, (dict, list)) else [(*path, key)]
    return found


def test_values_of_the_wrong_kind_are_shown_or_refused(run_folder: Path) -> None:
    """Forty mutations: never anything but a report, or one clear line."""
    draw = random.Random(0)
    names = ["run.json", "data.json", "plan.json", "evaluation.json", "bundle/bundle.json"]
    lines: list[str] = []
    for _ in range(40):
        path = run_folder / draw.choice(names)
        text = path.read_text()
        content = json.loads(text)
        *way, last = draw.choice(leaves(content))
        place = content
        for key in way:
            place = place[key]
        place[last] = draw.choice(["word", 7, None, True, [], {}, ["a"], {"b": 1}, -0.5])
        path.write_text(json.dumps(content))
        try:
            write_report(run_folder)
        except DataError as error:
            lines.append(str(error))
        path.write_text(text)
    assert len(lines) < 20
    assert all("wrong kind" in line and "\n" not in line for line in lines)


def test_a_thousand_classes_stay_one_readable_page(run_folder: Path) -> None:
    size = 1000
    names = [f"class {i}" for i in range(size)]
    val = evaluate_logits(np.eye(size), np.arange(size), classes=names)
    change(run_folder, "evaluation.json", val=to_json(val), test=None)
    write_report(run_folder)
    assert (run_folder / "report.html").stat().st_size < 400_000
    assert (run_folder / "report.json").stat().st_size < 400_000


def test_of_many_classes_the_hardest_are_listed(run_folder: Path) -> None:
    size = 300
    answers = np.eye(size)
    answers[[7, 250]] = answers[[8, 251]]  # both are never recognised
    names = [f"class {i}" for i in range(size)]
    val = evaluate_logits(answers, np.arange(size), classes=names)
    change(run_folder, "evaluation.json", val=to_json(val), test=None)
    assert write_report(run_folder)["evaluation"]["val"]["hardest"][:2] == [7, 250]
    page = Figures((run_folder / "report.html").read_text())
    shown = {text for key, text in page.figures if key.endswith("/name")}
    assert {"class 7", "class 250"} <= shown
    assert len(shown) == 100


def test_the_confusion_is_there_once(run_folder: Path) -> None:
    write_report(run_folder)
    text = (run_folder / "report.html").read_text()
    assert text.count('class="confusion"') == 2  # of two splits
    assert "confusion, test images" not in text


def test_writing_twice_gives_the_same_bytes(run_folder: Path) -> None:
    write_report(run_folder)
    first = [(run_folder / name).read_bytes() for name in ("report.html", "report.json")]
    write_report(run_folder)
    assert [(run_folder / name).read_bytes() for name in ("report.html", "report.json")] == first


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_no_run_no_report(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=name):
        write_report(tmp_path / name)


def test_without_jinja_the_command_is_named(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(MissingError, match=r"jinja2.*fleetfoot\[train\]"):
        write_report(run_folder)
