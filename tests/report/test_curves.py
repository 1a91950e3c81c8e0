import json
from pathlib import Path
from typing import Any

import pytest

from fleetfoot.report.curves import curves


def metrics_of(run: Path, kind: str = "") -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if kind in line["kind"]]


def test_thinning_keeps_means_and_the_last_step(written: Path) -> None:
    (line, *_) = metrics_of(written, "step")
    metrics = [line | {"step": i, "loss": float(i)} for i in range(1, 1001)]
    del metrics[0]["accuracy"]  # a step of one's own may measure none
    steps = curves(metrics, points=10)["steps"]
    assert len(steps) == 10
    assert steps[-1]["step"] == 1000
    assert steps[0]["loss"] == sum(range(1, 101)) / 100
    assert steps[0]["accuracy"] == pytest.approx(line["accuracy"])


def test_short_runs_are_whole_and_epochs_apart(written: Path) -> None:
    metrics = [*metrics_of(written), {"kind": "something new"}]
    found = curves(metrics)
    steps, epochs = metrics_of(written, "step"), metrics_of(written, "epoch")
    assert [line["loss"] for line in found["steps"]] == [line["loss"] for line in steps]
    assert [line["epoch"] for line in found["epochs"]] == [1, 2]
    for name in ("val_top1", "val_top1_ema", "train_loss"):
        assert found["epochs"][0][name] == epochs[0][name]


def test_nothing_trained() -> None:
    assert curves([]) == {"steps": [], "epochs": []}
