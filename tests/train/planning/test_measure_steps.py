import time
from typing import Any

import pytest
import tiny_run as tiny
import torch

from fleetfoot.train.loaders import open_loaders
from fleetfoot.train.planning.clock import Clock
from fleetfoot.train.planning.fit_steps import Times
from fleetfoot.train.planning.measure_steps import FORWARD, measure_times
from fleetfoot.train.planning.task import Task
from fleetfoot.train.planning.ways import Way
from fleetfoot.train.steps.step import supervised_step


def measured(
    *, clock: Clock, known: float | None = None, pause: float = 0.0, **changes: Any
) -> Times:
    def step(*args: Any) -> Any:
        time.sleep(pause)
        return supervised_step(*args)

    recipe = tiny.recipe(**changes)
    loaders = open_loaders(tiny.data(), recipe, preprocess=tiny.PREPROCESS, workers=0)
    task = Task(
        net=tiny.new_net(),
        recipe=recipe,
        preprocess=tiny.PREPROCESS,
        classes=3,
        device="cpu",
        step=step,
    )
    before = torch.get_rng_state()
    found = measure_times(task, loaders, way=Way("float32", "nchw"), clock=clock, known=known)
    torch.set_rng_state(before)
    return found


def test_a_step_is_measured_with_its_loading() -> None:
    times = measured(clock=Clock(5.0), pause=0.05)
    assert times.step > 0.05
    assert 0 < times.evaluation < times.step
    assert times.head == 0.0


def test_an_average_of_the_weights_is_evaluated_too_and_a_head_takes_its_time() -> None:
    times = measured(clock=Clock(5.0), ema=0.9, head_steps=5)
    assert times.head > 3.0


def test_what_there_is_no_time_for_is_estimated() -> None:
    times = measured(clock=Clock(1.0), known=60.0, pause=60.0)
    assert times.step == 60.0
    late = measured(clock=Clock(-1.0), known=2.0, pause=2.0)
    assert late.step == 2.0
    assert late.evaluation == pytest.approx(FORWARD * 2.0 * 20 / 8)
