import json
import sys
import time
from pathlib import Path

import pytest
import tiny_run as tiny
import torch

from fleetfoot.core.errors import DataError, MissingError, TrainingError, UsageError
from fleetfoot.train.planning import choose_cell
from fleetfoot.train.planning.plan import in_words, read_plan, write_plan
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.saved_state import load_latest
from fleetfoot.train.train_state import Progress

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def test_the_plan_is_on_disk_as_it_was_made(tmp_path: Path) -> None:
    made = tiny.plan(tmp_path, tiny.recipe(epochs=3, warmup=0.1))
    assert read_plan(tmp_path) == made
    assert made.total_steps == 18
    assert made.steps_per_epoch == 6
    assert made.warmup_steps == 2
    assert made.recipe["optimizer"]["lr"] == 1e-2
    assert made.measured == ()
    assert read_plan(tmp_path).loaders is None


def test_precision_and_layout_are_measured_unless_given(tmp_path: Path) -> None:
    made = tiny.plan(tmp_path, tiny.recipe(precision="auto", layout="nhwc"))
    assert {(cell.precision, cell.layout) for cell in made.measured} == {
        ("float32", "nhwc"),
        ("bfloat16", "nhwc"),
    }
    fastest = min(made.measured, key=lambda cell: cell.step_ms)
    assert (made.precision, made.layout) == (fastest.precision, fastest.layout)
    assert "measured: float32 nhwc" in in_words(made)


def test_a_short_run_does_not_pay_for_compiling(tmp_path: Path) -> None:
    made = tiny.plan(tmp_path, tiny.recipe(precision="auto", layout="nhwc"))
    assert made.kernels == "torch"
    assert {cell.kernels for cell in made.measured} == {"torch"}


def test_a_long_run_compares_fused_kernels_in_the_best_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose_cell, "COMPILING_PAYS_SECONDS", 0.0)
    made = tiny.plan(tmp_path, tiny.recipe(precision="auto", layout="nhwc"))
    fused = [cell for cell in made.measured if cell.kernels == "fused"]
    assert [(cell.precision, cell.layout) for cell in fused] == [(made.precision, made.layout)]
    assert len(made.measured) == 3
    compared = [cell for cell in made.measured if cell.precision == made.precision]
    assert made.kernels == min(compared, key=lambda cell: cell.step_ms).kernels
    assert "fused kernels" in in_words(made)
    other = tiny.plan(tmp_path, tiny.recipe(precision="auto", layout="nhwc", kernels="torch"))
    assert {cell.kernels for cell in other.measured} == {"torch"}


def test_fused_kernels_are_taken_where_they_are_asked_for(tmp_path: Path) -> None:
    made = tiny.plan(tmp_path, tiny.recipe(kernels="fused", layout="auto"))
    assert (made.layout, made.kernels) == ("nhwc", "fused")
    with pytest.raises(UsageError, match=r"kernels is 'fused', but .* channels last"):
        tiny.plan(tmp_path, tiny.recipe(kernels="fused", layout="nchw"))


def test_without_numba_fused_kernels_are_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(choose_cell, "COMPILING_PAYS_SECONDS", 0.0)
    made = tiny.plan(tmp_path, tiny.recipe(precision="auto", layout="nhwc"))
    assert made.kernels == "torch"
    with pytest.raises(MissingError, match=r"pip install 'fleetfoot\[kernels\]'"):
        tiny.plan(tmp_path, tiny.recipe(kernels="fused", layout="nhwc"))


def test_measuring_leaves_the_network_alone(tmp_path: Path) -> None:
    net = tiny.new_net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    tiny.plan(tmp_path, tiny.recipe(precision="auto", layout="auto"), net=net)
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in before.items())
    assert not net.stem[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_minutes_bound_planning_training_and_evaluations(tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=None, minutes=0.1, ema=0.9)
    start = time.perf_counter()
    made = tiny.plan(tmp_path, recipe)
    assert made.minutes == 0.1
    assert made.planning_seconds + made.expected_seconds <= 6.0
    result = tiny.run(tmp_path, recipe)
    state = load_latest(tmp_path / "state")
    assert state is not None
    done = Progress(**state.scalars["progress"])
    assert result.steps == done.ends_at(made.total_steps)
    assert time.perf_counter() - start < 12  # other processes may share the cores


def test_evaluations_and_states_are_where_the_plan_says(tmp_path: Path) -> None:
    made = tiny.plan(tmp_path, tiny.recipe(epochs=5, evaluate_every=2, state_every=4))
    evaluated = [
        s for s in range(1, made.total_steps + 1) if made.evaluates_after(s, last=made.total_steps)
    ]
    assert evaluated == [12, 24, 30]
    assert [s for s in range(1, 10) if made.saves_after(s)] == [4, 8]


@pytest.mark.parametrize(
    "damage",
    [
        {"schema": "fleetfoot.plan/9"},
        {"total_steps": None, "odd": 1},
        {"total_steps": "many"},
        {"threads": -3},
        {"measured": None},
        {"measured": [3]},
        {"measured": [{"way": "fast"}]},
    ],
)
def test_a_damaged_plan_is_refused(tmp_path: Path, damage: dict[str, object]) -> None:
    tiny.plan(tmp_path, tiny.recipe())
    path = tmp_path / "plan.json"
    record = json.loads(path.read_text()) | damage
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"plan\.json"):
        read_plan(tmp_path)


@pytest.mark.parametrize("name", ["plan_1", "planned"])
def test_the_recipe_of_a_plan_of_before_comes_in_parts(name: str) -> None:
    """`tests/test_before.py` resumes such runs."""
    flat = json.loads((SAMPLES / name / "plan.json").read_text())["recipe"]
    found = read_plan(SAMPLES / name).recipe
    assert found.keys() == Recipe().to_json().keys()
    rule = found["optimizer"]
    assert (rule["kind"], rule["lr"]) == (flat["optimizer"], flat["lr"])
    assert (found["schedule"]["warmup"], found["methods"]) == (flat["warmup"], flat["methods"])
    assert found["compute"]["kernels"] == flat.get("kernels", "auto")


def test_a_plan_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    made = tiny.plan(tmp_path, tiny.recipe())
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be written"):
        write_plan(tmp_path / "file", made)
