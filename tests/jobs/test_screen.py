import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fleetfoot.deploy.bundle import Prediction, TopClass
from fleetfoot.jobs import screen
from fleetfoot.jobs.fit import FitBundle, FitParity, FitRecord
from fleetfoot.jobs.predict import PredictRecord


def shown(verb: str, record: Any) -> str:
    stream = io.StringIO()
    screen.show(verb, record, stream)
    return stream.getvalue()


def fit_record(**changes: Any) -> FitRecord:
    fields: dict[str, Any] = {
        "run": "runs/photos",
        "net": "fasternet_t0",
        "val_top1": 0.9697,
        "val_top1_low": 0.93,
        "val_top1_high": 0.98,
        "val_top5": None,
        "test_top1": None,
        "test_top1_low": None,
        "test_top1_high": None,
        "epochs": 7.5,
        "train_seconds": 61.25,
        "images_per_second": 1234.5,
        "budget_met": None,
        "bundle": FitBundle(
            path="runs/photos/bundle",
            engine="openvino",
            precision="bfloat16",
            threads=1,
            size=160,
            latency_ms_p50=1.234,
            latency_ms_p90=1.3,
            top1=0.9596,
        ),
        "eager_latency_ms_p50": 9.0,
        "parity": FitParity(top1_agreement=0.99, max_logit_difference=0.0123),
    }
    return FitRecord(**{**fields, **changes})


def test_a_fit_is_summed_up():
    text = shown("fit", fit_record())
    for part in ("97.0 %", "1.23 ms (p90 1.3)", "openvino bfloat16", "1,234 images/s", "160 px"):
        assert part in text
    assert "97.0 % (93.0 to 98.0 %, 95 % interval)" in text
    assert "test" not in text
    assert "budget" not in text
    assert "budget" in shown("fit", fit_record(budget_met=False))
    assert "NOT met" in shown("fit", fit_record(budget_met=False))
    tested = fit_record(test_top1=0.93, test_top1_low=0.9, test_top1_high=0.95)
    assert "test " in shown("fit", tested)


def test_a_fit_ends_with_its_report_and_the_next_command():
    report, following = shown("fit", fit_record(run="runs/my photos")).splitlines()[-2:]
    assert report.split(maxsplit=1) == ["report", "runs/my photos/report.html"]
    assert following.split(maxsplit=1) == ["next", "fleetfoot predict 'runs/my photos' IMAGE..."]


def test_a_fit_without_figures_says_so_and_invents_none():
    bundle = replace(fit_record().bundle, top1=None, latency_ms_p90=None)
    parity = FitParity(top1_agreement=None, max_logit_difference=None)
    record = fit_record(eager_latency_ms_p50=None, bundle=bundle, parity=parity)
    text = shown("fit", record)
    assert "unknown" in text
    assert "- ms" in text
    assert "(p90 -)" in text


def test_epochs_are_rounded():
    assert "20.09 epochs in" in shown("fit", fit_record(epochs=221 / 11))


def test_a_prediction_is_one_line_whatever_the_name_holds():
    prediction = Prediction(
        path="a\nb\x1b[31m.jpg", top=(TopClass("c\nd", 0.5),), latency_ms=1.0, total_ms=2.0
    )
    text = shown("predict", PredictRecord((prediction,)))
    assert text == "a\\nb\\x1b[31m.jpg  c\\nd 50.0 %  engine 1.0 ms, in all 2.0 ms\n"


def test_a_table_in_a_pipe_is_not_wrapped_and_names_are_taken_as_they_are():
    stream = io.StringIO()
    names = ["[red]x[/red]", ":smile:", "y" * 300]
    screen.table(stream, ("name", "n"), [(name, "1") for name in names], right=(1,))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    for name, line in zip(names, lines[1:]):
        assert line.startswith(name)


class Narrow(io.StringIO):
    """A terminal of 40 columns."""

    def isatty(self) -> bool:
        return True


def test_a_table_wider_than_the_terminal_is_a_block_a_row(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "40")
    stream = Narrow()
    headings = ("network", "milliseconds of one call", "share of the roof")
    screen.table(stream, headings, [("a" * 20, "1234.567", "0.25")], right=(1, 2))
    assert stream.getvalue().splitlines()[1] == "milliseconds of one call  1234.567"


def test_deployed_forms_are_listed_with_the_reason():
    row = {
        "engine": "openvino",
        "precision": "int8",
        "layout": "nchw",
        "threads": 1,
        "latency_ms_p50": None,
        "latency_ms_p90": None,
        "parity": None,
        "kept": False,
        "reason": "no calibration images",
    }
    kept = {
        **row,
        "precision": "bfloat16",
        "kept": True,
        "latency_ms_p50": 1.5,
        "latency_ms_p90": 1.6,
        "parity": {"top1_agreement": 0.995},
        "reason": "fastest that passed",
    }
    record = SimpleNamespace(
        bundle="b",
        net="n",
        chosen={"top1": 0.9, "parity": {"images": 500, "correct": 450}},
        candidates=(kept, row),
        baselines=({**kept, "engine": "eager"},),
        reference={"top1": None, "correct": None, "images": 500},
        gate_images=500,
        gate_source="photos",
        calibration=None,
        notes=(),
    )
    text = shown("deploy", record)
    assert "500 images from photos" in text
    assert "unknown eager, 90.0 % (87.1 to 92.3 %) deployed" in text
    first, second = text.splitlines()[-2:]
    assert first.startswith("*")
    assert "99.5 %" in first
    assert "no calibration images" in second


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.000123, "0.000123"), (1234.5, "1.23e+03")]
)
def test_numbers(value: float | None, text: str):
    assert screen.number(value) == text
