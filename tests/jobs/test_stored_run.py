from pathlib import Path
from typing import Any

import pytest

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.jobs.decide import spec_of
from fleetfoot.jobs.requests import FitRequest
from fleetfoot.jobs.stored_run import filled_in, read_run, write_run
from fleetfoot.recipes.catalog import recipe_named

# As versions before wrote it.
STORED = """# every setting of this run; `--config` takes it back
[run]
data = "/data/photos"
net = "fleetnet"
size = 32
weights = "none"
device = "cpu"
threads = 2
budget_ms = 5.0
max_drop = 0.01
recipe = "small_images"
skip_damaged = true
allow_class_mismatch = false

[recipe]
batch = 64
seed = 7
"""
DECIDED = FitRequest(
    data="/data/photos",
    net="fleetnet",
    budget=5.0,
    recipe="small_images",
    weights="none",
    device="cpu",
    threads=2,
    size=32,
    max_drop=0.01,
    skip_damaged=True,
)


def stored(folder: Path, text: str = STORED) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_a_written_run_comes_back(tmp_path: Path):
    recipe = recipe_named("small_images")
    write_run(tmp_path, DECIDED, recipe)
    assert read_run(tmp_path) == (DECIDED, recipe)


def test_a_run_of_a_version_before_is_read(tmp_path: Path):
    stored(tmp_path)
    decided, recipe = read_run(tmp_path)
    assert decided == DECIDED
    assert (recipe.batch, recipe.seed) == (64, 7)
    spec = spec_of(decided, recipe)
    assert (spec.data, spec.net, spec.size, spec.weights) == (
        "/data/photos",
        "fleetnet",
        32,
        "none",
    )
    assert (spec.device, spec.threads, spec.budget_ms, spec.max_drop) == ("cpu", 2, 5.0, 0.01)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"net": "alexnet", "size": 64}, {"net": "alexnet", "size": 64}),
        ({"budget": "9ms"}, {"budget": "9ms"}),
        ({"weights": "auto"}, {"weights": "auto"}),  # a word, though it is what no word means
        ({"device": "auto"}, {"device": "auto"}),
        ({"skip_damaged": False}, {}),  # a blank
        ({"seed": 0, "threads": 1}, {"seed": 0, "threads": 1}),
    ],
)
def test_a_config_fills_in_what_was_not_given(
    tmp_path: Path, given: dict[str, Any], expected: dict[str, Any]
):
    request = FitRequest(config=stored(tmp_path), settings=("batch=8", "lr=1"), **given)
    filled = filled_in(request)
    expected = {**DECIDED.given(), **expected, "config": tmp_path / "config.toml"}
    assert filled.changes == {"batch": "8", "lr": "1", "seed": 7}
    assert {**filled.given(), "settings": None} == {**expected, "settings": None}


def test_a_hand_written_config_may_say_little(tmp_path: Path):
    path = stored(tmp_path, 'lr = 0.5\n[run]\nnet = "none"\nbudget = "7ms"\nout = "x"\nother = 1\n')
    filled = filled_in(FitRequest(config=path, data="digits"))
    assert (filled.net, filled.budget_ms, filled.out) == (None, 7.0, None)
    assert filled.changes == {"lr": 0.5}


def test_what_nobody_says_is_automatic() -> None:
    filled = filled_in(FitRequest(data="digits"))
    assert (filled.weights, filled.device) == ("auto", "auto")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("nonsense = 1", "nonsense"),
        ('batch = "many"', "batch"),
        ("[recipe.optimizer]\nmomentum = 0.5\nkind = 3", "optimizer"),
    ],
)
def test_a_fault_of_the_config_is_not_blamed_on_set(tmp_path: Path, text: str, fault: str) -> None:
    path = stored(tmp_path, text)
    with pytest.raises(UsageError) as refused:
        filled_in(FitRequest(config=path, settings=("lr=1",)))
    assert str(refused.value).startswith(f"{path}: ")
    assert fault in str(refused.value)
    assert "--set" not in str(refused.value)


def test_a_stored_value_of_the_wrong_type_is_named(tmp_path: Path):
    path = stored(tmp_path, '[run]\nsize = "large"\n')
    with pytest.raises(
        UsageError, match="table run: size=large is not one of a whole number, none"
    ):
        filled_in(FitRequest(config=path))


def test_a_run_that_lacks_words_is_not_gone_on_with(tmp_path: Path):
    stored(tmp_path, '[run]\ndata = "digits"\n')
    with pytest.raises(DataError, match="not complete"):
        spec_of(*read_run(tmp_path))
