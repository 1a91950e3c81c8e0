import math

import pytest

from fleetfoot.train.planning.fit_steps import (
    EVALUATION_SHARE,
    MOST_EPOCHS,
    Times,
    evaluation_interval,
    fitted_steps,
    run_seconds,
    state_interval,
)


@pytest.mark.parametrize("seconds", [1.0, 7.7, 60.0, 600.0])
@pytest.mark.parametrize("step", [0.004, 0.2, 1.3])
@pytest.mark.parametrize("evaluation", [0.01, 0.9])
@pytest.mark.parametrize("per_epoch", [1, 9, 400])
def test_the_fitted_run_fills_its_time(
    seconds: float, step: float, evaluation: float, per_epoch: int
) -> None:
    times = Times(step=step, evaluation=evaluation, head=0.3)
    steps = fitted_steps(seconds, times, steps_per_epoch=per_epoch, every=None)
    taken = run_seconds(steps, times, steps_per_epoch=per_epoch, every=None)
    assert taken <= seconds or steps == 1
    if steps < MOST_EPOCHS * per_epoch:
        assert seconds - taken <= step + 6 * evaluation or steps == int(seconds / step)


def test_few_images_do_not_fill_long_minutes() -> None:
    times = Times(step=0.01, evaluation=0.01)
    assert fitted_steps(600.0, times, steps_per_epoch=2, every=None) == 2 * MOST_EPOCHS


def test_a_time_too_short_still_gives_one_step() -> None:
    times = Times(step=2.0, evaluation=1.0)
    assert fitted_steps(0.5, times, steps_per_epoch=10, every=None) == 1
    assert fitted_steps(-3.0, times, steps_per_epoch=10, every=None) == 1


def test_evaluations_are_about_twenty_and_cheap() -> None:
    cheap = Times(step=0.1, evaluation=0.01)
    assert evaluation_interval(200 * 10, cheap, steps_per_epoch=10) == 10
    assert evaluation_interval(12 * 10, cheap, steps_per_epoch=10) == 1
    dear = Times(step=0.1, evaluation=0.2)
    every = evaluation_interval(40 * 10, dear, steps_per_epoch=10)
    assert dear.evaluation / (every * 10 * dear.step) <= EVALUATION_SHARE
    very_dear = Times(step=0.1, evaluation=100.0)
    assert evaluation_interval(40 * 10, very_dear, steps_per_epoch=10) == 8


def test_states_are_saved_about_once_a_minute() -> None:
    short = Times(step=0.1, evaluation=0.0)
    assert state_interval(short, steps_per_epoch=10, every=10) == 0
    assert state_interval(short, steps_per_epoch=10_000, every=1) == 600
    assert state_interval(Times(step=90.0, evaluation=0.0), steps_per_epoch=10, every=1) == 1


def test_a_fixed_interval_is_used() -> None:
    times = Times(step=1.0, evaluation=1.0)
    assert run_seconds(10, times, steps_per_epoch=2, every=1) == 15
    assert math.isclose(run_seconds(10, times, steps_per_epoch=2, every=5), 11)
