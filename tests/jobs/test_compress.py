"""`compress` on a run that the real `fit` wrote: kept or not by measurement, and said why."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.core.files import read_json
from fleetfoot.jobs import compress as job
from fleetfoot.jobs.compress import CompressRecord, Deployed, compress, show
from fleetfoot.jobs.fit import fit
from fleetfoot.jobs.requests import CompressRequest, FitRequest
from fleetfoot.measure.latency import Schedule
from tests.conftest import deployed_quickly

UNMEASURED: dict[str, Any] = {"precision": "float32", "layout": "nchw", "kernels": "torch"}
INSTANT = Schedule(min_samples=4, min_seconds=0.0, rounds=2, warm_up_seconds=0.0)
BEFORE = Deployed(
    bundle="b", engine="openvino", precision="float32", latency_ms_p50=4.0, top1=0.9, weight_bytes=9
)


@pytest.fixture(scope="module")
def run(one_form: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("compress")
    draw = np.random.default_rng(0)
    for name, bright in (("dark", 60), ("light", 190)):
        (home / "data" / name).mkdir(parents=True)
        for number in range(12):
            pixels = draw.integers(bright - 50, bright + 50, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(home / "data" / name / f"{number}.png")
    words = FitRequest(
        data=str(home / "data"),
        net="resnet20_cifar",
        epochs=3,
        size=16,
        settings={"batch": 8, **UNMEASURED},
        out=home / "run",
    )
    fit(words)
    return home / "run"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "SCHEDULE", INSTANT)


def faked(monkeypatch: pytest.MonkeyPatch, *, ms: float, top1: float) -> None:
    """Let the second bundle have these figures; what is timed here is too small to differ."""
    real = job._measured

    def measured(folders: list[Path]) -> list[Deployed]:
        found = real(folders)
        other = replace(found[-1], latency_ms_p50=ms, top1=top1)
        return [replace(BEFORE, bundle=found[0].bundle), *([other] if len(found) > 1 else [])]

    monkeypatch.setattr(job, "_measured", measured)


def test_what_is_faster_and_as_accurate_is_kept(run: Path, monkeypatch: pytest.MonkeyPatch):
    faked(monkeypatch, ms=1.0, top1=0.895)
    record = compress(CompressRequest(run=str(run), to="channels=0.5"))
    assert (record.kept, record.exit_code, record.times_as_fast) == (True, 0, 4.0)
    assert record.drop == pytest.approx(0.005)
    folder = run / "compressed" / "channels-0.5"
    assert record.after is not None
    assert record.after.bundle == str(folder / "bundle")
    told = read_json(folder / "bundle" / "bundle.json", what="bundle")["more"]["pruned"]
    assert told["macs_after"] < 0.6 * told["macs_before"]
    screen = io.StringIO()
    show(record, screen)
    assert "1 ms in place of 4 ms, 4.00 times as fast; 89.5 % right in place of 90.0 %" in (
        screen.getvalue()
    )
    with pytest.raises(UsageError, match=r"channels-0\.5"):  # nothing is overwritten
        compress(CompressRequest(run=str(run), to="channels=0.5"))


@pytest.mark.parametrize(
    ("ms", "top1", "why"), [(3.95, 0.9, "must be faster"), (1.0, 0.85, "may lose 1.0 %")]
)
def test_what_does_not_pay_is_not_kept_and_ends_with_5(
    run: Path, monkeypatch: pytest.MonkeyPatch, ms: float, top1: float, why: str
):
    faked(monkeypatch, ms=ms, top1=top1)
    record = compress(CompressRequest(run=str(run), to="density=0.3", epochs=1))
    assert (record.kept, record.exit_code) == (False, 5)
    assert why in record.why
    assert not (run / "compressed" / "density-0.3").exists()


def test_int8_is_kept_or_refused_with_both_figures(run: Path):
    with deployed_quickly(engines=("onnxruntime",), precisions=("float32", "int8"), baselines=()):
        record = compress(CompressRequest(run=str(run), to="int8"))
    assert record.exit_code == (0 if record.kept else 5)
    assert " ms" in record.why
    if record.after is None:
        assert "int8 in" in record.why
        assert "float32" in record.why
    assert (run / "compressed" / "int8").exists() is record.kept


def test_what_cannot_be_compressed_is_one_line(tmp_path: Path):
    with pytest.raises(UsageError, match="takes a run folder"):
        compress(CompressRequest(run="resnet20_cifar"))
    (tmp_path / "bare" / "weights").mkdir(parents=True)
    with pytest.raises((DataError, UsageError)):
        compress(CompressRequest(run=str(tmp_path / "bare")))


@pytest.mark.parametrize(
    "to", ["int4", "density", "density=2", "density=0.0", "channels=x", "int8=1"]
)
def test_words_that_do_not_exist(to: str):
    with pytest.raises(UsageError, match="is not int8, binary, density=SHARE or channels=SHARE"):
        CompressRequest(run="x", to=to)


def test_a_record_without_a_result_says_what_the_gate_said():
    record = CompressRecord(
        run="r", to="int8", kept=False, why="int8 in x takes 5 ms", before=BEFORE, after=None,
        times_as_fast=None, drop=None,
    )  # fmt: skip
    screen = io.StringIO()
    show(record, screen)
    assert "kept" in screen.getvalue()
    assert "use it" not in screen.getvalue()
    assert record.exit_code == 5
