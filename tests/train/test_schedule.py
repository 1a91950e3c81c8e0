import pytest

from fleetfoot.train.schedule import lr_factor


def factors(**settings: object) -> list[float]:
    total = settings["total_steps"]
    return [lr_factor(step, **settings) for step in range(total)]  # type: ignore[arg-type]


def test_linear_rises_to_one_and_falls_to_zero_after_the_last_step() -> None:
    found = factors(total_steps=6, warmup_steps=2, schedule="linear")
    assert found == pytest.approx([1 / 3, 2 / 3, 1.0, 0.75, 0.5, 0.25])


def test_cosine_passes_the_half_in_the_middle() -> None:
    found = factors(total_steps=5, warmup_steps=1, schedule="cosine")
    assert found == pytest.approx([0.5, 1.0, 0.8535533906, 0.5, 0.1464466094])


def test_final_is_where_it_ends() -> None:
    end = lr_factor(10, total_steps=10, warmup_steps=0, schedule="cosine", final=0.1)
    assert end == pytest.approx(0.1)
    assert lr_factor(0, total_steps=10, warmup_steps=0, schedule="cosine", final=0.1) == 1.0


def test_a_run_of_one_step_has_a_learning_rate() -> None:
    assert factors(total_steps=1, warmup_steps=0, schedule="linear") == [1.0]
    assert factors(total_steps=1, warmup_steps=1, schedule="linear") == [0.5]


def test_steps_fall_at_shares_of_the_whole_run_after_the_warmup() -> None:
    found = factors(total_steps=8, warmup_steps=1, schedule="steps", milestones=(0.5, 0.75))
    assert found == pytest.approx([0.5, 1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01])
