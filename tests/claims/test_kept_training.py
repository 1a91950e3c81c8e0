"""Kept trainings: killed and gone on with, read back, damaged, waited for."""

import subprocess
import sys
import threading
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from fleetfoot.claims import kept_training, training
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.training import Outcome
from fleetfoot.core.file_lock import locked
from fleetfoot.core.listener import Silent
from tests.claims import kept_run

HERE = Path(__file__).parent


class Hearing(Silent):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


def bits(outcome: Outcome) -> dict[str, Any]:
    """All of an outcome but its time, comparable."""
    found = {part.name: getattr(outcome, part.name) for part in fields(outcome)}
    net = found.pop("net")
    del found["seconds"]
    found |= {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    return {
        name: value.numpy().tobytes() if isinstance(value, torch.Tensor) else value
        for name, value in found.items()
    }


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    return bits(kept_run.go(None))


def announced(trainings: Path) -> int:
    found = [path.read_text() for path in trainings.glob("*/state/latest")]
    return int(found[0].strip().removeprefix("step-")) if found else -1


def kill_after(trainings: Path, steps: int) -> None:
    command = [sys.executable, str(HERE / "kept_run.py"), str(trainings)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while process.poll() is None and announced(trainings) < steps:
        time.sleep(0.01)
    assert process.poll() is None, "the training ended before it could be killed"
    process.kill()
    process.wait()


def test_killed_and_gone_on_with_equals_undisturbed(
    tmp_path: Path, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_after(tmp_path, 4)
    begun = announced(tmp_path)
    assert 4 <= begun < kept_run.STEPS
    taken = count_steps(monkeypatch)
    found = kept_run.go(tmp_path)
    assert bits(found) == undisturbed
    assert len(taken) == kept_run.STEPS - begun
    assert found.seconds > sum(taken)


def count_steps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list that gets the seconds of each step from now on."""
    taken: list[float] = []
    whole = training.steps_left

    def counted(*args: Any, **words: Any) -> Any:
        for step in whole(*args, **words):
            taken.append(step.seconds)
            yield step

    monkeypatch.setattr(training, "steps_left", counted)
    return taken


def test_an_outcome_is_read_back(
    tmp_path: Path, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kept_run.go(tmp_path)
    taken = count_steps(monkeypatch)
    monkeypatch.setattr(training, "logits_of", None)  # the images that judge are not asked again
    again = kept_run.go(tmp_path)
    assert taken == []
    assert bits(first) == bits(again) == undisturbed
    assert again.seconds == first.seconds > 0


def test_another_seed_or_scale_is_another_training(tmp_path: Path) -> None:
    for words in ({}, {"seed": 4}, {"setting": Setting(scale="smoke", trainings=tmp_path)}):
        kept_run.go(tmp_path, **words)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_damaged_outcome_is_set_aside_and_said(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    kept_run.go(tmp_path)
    for path in tmp_path.glob("*/state/step-*/tensors.safetensors"):
        path.write_bytes(path.read_bytes()[:1000])
    hearing = Hearing()
    found = kept_run.go(None, setting=Setting(trainings=tmp_path, listener=hearing))
    assert bits(found) == undisturbed
    assert "the training begins again" in hearing.messages[0]
    assert len(list(tmp_path.glob("*/damaged-*/step-*"))) == 1
    assert bits(kept_run.go(tmp_path)) == undisturbed


def test_a_full_disk_is_said_and_stops_nothing(
    tmp_path: Path, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_training, "save_state", full)
    monkeypatch.setattr(kept_training, "SAVE_SECONDS", 0.0)
    hearing = Hearing()
    found = kept_run.go(None, setting=Setting(trainings=tmp_path, listener=hearing))
    assert bits(found) == undisturbed
    assert "No space left on device" in hearing.messages[-1]


def test_a_loss_that_is_no_number_is_read_back_too(tmp_path: Path) -> None:
    wild = kept_run.RECIPE.with_changes(lr=1e30, epochs=3, precision="float32", ema=None)
    words: dict[str, Any] = {"data": "digits", "train_images": 60, "test_images": 50, "seed": 1}
    setting = Setting(trainings=tmp_path)
    first, again = (
        training.train_once(kept_run.make, setting, recipe=wild, **words) for _ in range(2)
    )
    assert not first.finite
    assert bits(first) == bits(again)


def test_a_second_process_waits_for_the_first(tmp_path: Path) -> None:
    hearing = Hearing()
    (tmp_path / "key").mkdir()
    entered = threading.Event()

    def second() -> None:
        with kept_training.kept_training(Setting(trainings=tmp_path, listener=hearing), "key"):
            entered.set()

    with locked(tmp_path / "key" / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.3)
    thread.join(5)
    assert entered.is_set()
    assert hearing.messages == ["another process is at this training; waiting for it"]
