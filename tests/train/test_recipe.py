import dataclasses
import json
import math
from pathlib import Path
from typing import get_args

import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.core.seeds import seed_everything
from fleetfoot.data.augment import Augment, Mix
from fleetfoot.recipes.catalog import recipe_named
from fleetfoot.train.method_word import methods
from fleetfoot.train.optim.rules import SGD, AdamW, Groups, Muon, Rule
from fleetfoot.train.optim.schedules import Schedule, Steps
from fleetfoot.train.recipe import (
    DEFAULT_EPOCHS,
    Checkpoints,
    Compute,
    Examples,
    Head,
    Network,
    Recipe,
)

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "recipes_1"
BEFORE = json.loads((SAMPLES / "recipes.json").read_text())


def test_neither_epochs_nor_minutes_gives_the_default_epochs() -> None:
    assert Recipe().epochs == DEFAULT_EPOCHS
    assert Recipe(minutes=1).epochs is None


def test_every_seed_that_is_allowed_seeds() -> None:
    for seed in (0, 2**63, 2**64 - 1):
        seed_everything(Recipe(seed=seed).seed)


def test_both_epochs_and_minutes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"epochs = 3 and minutes = 1 "):
        Recipe(epochs=3, minutes=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("minutes", -1),
        ("batch", 0),
        ("batch", True),
        ("seed", -1),
        ("seed", 2**64),
        ("lr", 0),
        ("lr", math.nan),
        ("momentum", 1.0),
        ("weight_decay", -0.1),
        ("schedule", "step"),
        ("milestones", (0.7, 0.5)),
        ("milestones", (0.5, 1.0)),
        ("milestones", 3),
        ("step_factor", 0.0),
        ("decay_every", 0.0),
        ("patience", 0),
        ("drops", -1),
        ("sizes", ((0.1, 32),)),
        ("sizes", ((0.0, 32), (0.0, 64))),
        ("sizes", ((0.0, 4),)),
        ("crop_fraction", 1.5),
        ("optimizer", "adam"),
        ("warmup", 1.1),
        ("label_smoothing", 1.0),
        ("ema", 1.0),
        ("clip_norm", 0),
        ("early_stop", 0),
        ("methods", "cutout"),
        ("state_every", 0),
        ("layer_decay", 0.0),
        ("head.steps", -1),
        ("augment", None),
        ("precision", "float16"),
    ],
)
def test_a_value_out_of_range_is_named(field: str, value: object) -> None:
    kinds = {"milestones": "steps", "decay_every": "exponential", "patience": "plateau"}
    kind = kinds | {"step_factor": "steps", "drops": "plateau"}
    recipe = Recipe().with_changes(schedule=kind.get(field, "cosine"))
    with pytest.raises(UsageError, match=f"{field.rpartition('.')[2]} = ") as caught:
        recipe.with_changes(**{field: value})
    assert repr(value) in str(caught.value)


def test_changes_keep_the_two_lengths_apart() -> None:
    assert Recipe(minutes=3).with_changes(epochs=2).minutes is None
    assert Recipe(epochs=3).with_changes(minutes=2).epochs is None
    assert Recipe(epochs=3).with_changes(lr=0.5).epochs == 3
    with pytest.raises(UsageError, match="'learning_rate' is not a setting"):
        Recipe().with_changes(learning_rate=1)


def test_head_only_needs_a_head() -> None:
    with pytest.raises(UsageError, match="needs steps"):
        Recipe(head=Head(only=True))


def test_parts_are_changed_together_and_another_rule_keeps_what_both_have() -> None:
    recipe = Recipe(optimizer=AdamW(lr=0.01, weight_decay=0.1, groups=Groups(bias_lr=2.0)))
    sgd = recipe.with_changes(optimizer="sgd", nesterov=False, schedule="steps", drop_path=0.1)
    kept = {"lr": 0.01, "weight_decay": 0.1, "groups": Groups(bias_lr=2.0)}
    assert sgd.optimizer == SGD(nesterov=False, **kept)
    assert sgd.schedule == Steps(warmup=0.05)
    assert sgd.network.drop_path == 0.1


def test_json_has_a_table_for_each_part_and_plain_words() -> None:
    record = Recipe(optimizer=Muon(), methods=methods("mixup:alpha=1")).to_json()
    assert record["optimizer"]["kind"] == "muon"
    assert "beta2" not in record["optimizer"]
    assert record["methods"] == ["mixup:alpha=1"]
    assert json.loads(json.dumps(record)) == record


def test_no_record_of_a_recipe_has_more_than_twelve_fields() -> None:
    parts = (Examples, Network, Head, Checkpoints, Compute, Augment, Mix, *get_args(Rule))
    for part in (Recipe, *parts, *get_args(Schedule)):
        assert len(dataclasses.fields(part)) <= 12, part


@pytest.mark.parametrize("name", sorted(BEFORE))
def test_a_recipe_of_the_version_before_is_read(name: str) -> None:
    """One flat table with the settings of every rule and schedule, as plans had it."""
    assert Recipe.from_format_1(BEFORE[name]) == recipe_named(name)
