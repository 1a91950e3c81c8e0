import json
import math
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_run as tiny
from torch import Tensor, nn

from fleetfoot.core.listener import Silent
from fleetfoot.data.loader import Batch
from fleetfoot.train.loop import TrainResult, train
from fleetfoot.train.optim.stretch import Stretch, planned_step
from fleetfoot.train.planning.pace import Pace
from fleetfoot.train.planning.plan import Plan, read_plan
from fleetfoot.train.process.distributed import Process
from fleetfoot.train.recorder import Recorder
from fleetfoot.train.steps.step import Context, supervised_step
from fleetfoot.train.steps.take_steps import Taken
from fleetfoot.train.train_state import Progress, TrainState

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PLANNED = 60


def plan(**changes: object) -> Plan:
    """Two minutes for 60 steps of 1.5 s and evaluations of 1 s, every two epochs of 9 steps."""
    made = replace(
        read_plan(SAMPLES / "planned"),
        minutes=2.0,
        total_steps=PLANNED,
        steps_per_epoch=9,
        evaluate_every=2,
        step_ms=1500.0,
        evaluation_seconds=1.0,
        planning_seconds=15.0,
        world=1,
    )
    return replace(made, **changes)  # pyright: ignore[reportArgumentType]


def walk(seconds_of: list[float], made: Plan, done: Progress | None = None) -> Progress:
    """Take steps of these times until the run is over, or they are."""
    pace, done = Pace(made), done or Progress()
    spent = done.seconds
    for seconds in seconds_of:
        if done.step >= done.ends_at(made.total_steps):
            break
        done.step += 1
        spent += seconds
        stretch = pace.after(seconds, done, spent=spent)
        if stretch is not None:
            done.stretch = stretch
        if made.evaluates_after(done.step, last=done.ends_at(made.total_steps)):
            spent += made.evaluation_seconds
    done.seconds = spent
    return done


def test_a_run_that_goes_as_planned_is_left_alone() -> None:
    assert walk([3.0, *[1.5] * 99], plan()).stretch is None
    assert walk([1.5, 1.7, 1.3] * 33, plan()).stretch is None


@pytest.mark.parametrize("seconds", [0.5, 4.0, 12.0])
def test_a_run_ends_with_its_minutes_whatever_its_steps_take(seconds: float) -> None:
    done = walk([seconds] * 1000, plan())
    assert done.stretch is not None
    assert done.step == done.stretch.total
    assert 105 - 0.1 * 120 - 2 * seconds - 6 < done.seconds < 105


def test_a_pace_that_changes_twice_is_followed() -> None:
    done = walk([1.5] * 10 + [6.0] * 8 + [1.5] * 100, plan())
    assert 0.75 * 105 < done.seconds < 105


def test_a_run_of_few_images_is_not_stretched_beyond_what_teaches() -> None:
    done = walk([0.001] * 100_000, plan(steps_per_epoch=2, total_steps=400, step_ms=100.0))
    assert done.step == 400


@pytest.mark.parametrize("changes", [{"minutes": None}, {"world": 2}])
def test_epochs_and_several_processes_keep_their_steps(changes: dict[str, object]) -> None:
    assert walk([20.0] * 99, plan(**changes)).step == PLANNED


@pytest.mark.parametrize(("seconds", "steps"), [(60.0, 2), (20.0, 4), (8.0, 11)])
def test_a_run_of_few_planned_steps_is_judged_by_its_first(seconds: float, steps: int) -> None:
    done = walk([seconds] * 99, plan(total_steps=4, step_ms=30e3, evaluation_seconds=0.0))
    assert done.step == steps


def test_time_that_is_up_ends_the_run_with_the_next_step() -> None:
    done = walk([1.5, 50.0, 50.0, 50.0, 50.0], plan())
    assert done.step == 5
    assert done.stretch is not None
    assert done.stretch.total == 5


def test_the_schedule_makes_no_jump_and_ends_where_it_was_to_end() -> None:
    done = walk([1.5] * 10 + [6.0] * 40, plan())
    stretch = done.stretch
    assert stretch is not None
    assert planned_step(stretch.step, stretch, planned=PLANNED) == pytest.approx(stretch.position)
    assert planned_step(stretch.total, stretch, planned=PLANNED) == pytest.approx(PLANNED)
    places = [planned_step(s, stretch, planned=PLANNED) for s in range(stretch.total + 1)]
    assert places == sorted(places)
    again = Stretch(stretch.step + 2, places[stretch.step + 2], stretch.total + 9)
    assert planned_step(again.total, again, planned=PLANNED) == pytest.approx(PLANNED)


def slow(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Any]:
    time.sleep(0.02)
    return supervised_step(net, batch, context)


def stopping(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Any]:
    if context.stretch is not None and context.steps_left < 5:
        raise InterruptedError
    return slow(net, batch, context)


def test_a_stretched_run_goes_on_as_it_was_decided(tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=None, minutes=0.02, state_every=4, warmup=0.0)
    planned = replace(
        tiny.plan(tmp_path / "a", recipe), total_steps=5000, step_ms=0.2, planning_seconds=0.2
    )

    def run(folder: str, plan: Plan, **words: Any) -> TrainResult:
        words = {"folder": tmp_path / folder, "preprocess": tiny.PREPROCESS, **words}
        return train(tiny.new_net(), tiny.data(), recipe, plan=plan, **words)

    with pytest.raises(InterruptedError):
        run("a", planned, step=stopping)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    settled = replace(planned, minutes=None)  # no further change
    first, second = (run(name, settled, step=slow, resume=True) for name in "ab")
    assert first.steps == second.steps < 400
    assert tiny.fingerprint(tmp_path / "a") == tiny.fingerprint(tmp_path / "b")
    found = [json.loads(x) for x in (tmp_path / "a" / "metrics.jsonl").read_text().splitlines()]
    (*_, last) = (line for line in found if line["kind"] == "stretch")
    assert last["total"] == first.steps
    rates = {line["step"]: line["lr"] for line in found if line["kind"] == "step"}
    for step in range(last["step"], first.steps):
        done = (step - last["step"]) / (last["total"] - last["step"])
        share = (last["position"] + done * (5000 - last["position"])) / 5000
        assert rates[step + 1] == pytest.approx(1e-2 * (1 + math.cos(math.pi * share)) / 2)


class Ears(Silent):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def update(self, **fields: Any) -> None:
        self.heard.append((fields["step"], fields.get("total_steps"), fields.get("epochs")))

    def message(self, text: str) -> None:
        self.heard.append(text)


def test_a_listener_hears_whole_epochs_and_of_a_stretch(tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=None, minutes=0.02)
    planned = replace(tiny.plan(tmp_path, recipe), total_steps=14, step_ms=1e3)
    ears = Ears()
    state = TrainState.of(tiny.new_net(), recipe)
    recorder = Recorder(tmp_path, planned, process=Process(), progress=ears)
    recorder.begin(resume=False)
    recorder.follow(state)
    state.progress.step = 13
    recorder.step(Taken(1.0, {}, 0.1, 8, 1.0))
    recorder.stretch(None)
    recorder.stretch(Stretch(13, 13.0, 20))
    recorder.step(Taken(1.0, {}, 0.1, 8, 1.0))
    assert ears.heard == [
        (13, 14, 3),  # 2.3 epochs of 6 steps: the third is cut short
        "steps are faster than planned: 20 steps instead of 14",
        (13, 20, 4),
    ]


def test_it_comes_back_from_json() -> None:
    assert Progress(stretch=[3, 2.5, 9]) == Progress(stretch=Stretch(3, 2.5, 9))  # pyright: ignore[reportArgumentType]
    assert Progress(stretch=Stretch(3, 2.5, 9)).ends_at(60) == 9
    assert Progress().ends_at(60) == 60
