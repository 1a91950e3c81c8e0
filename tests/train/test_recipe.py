import math

import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.train.recipe import DEFAULT_EPOCHS, Recipe


def test_neither_epochs_nor_minutes_gives_the_default_epochs() -> None:
    assert Recipe().epochs == DEFAULT_EPOCHS
    assert Recipe(minutes=1).epochs is None


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
        ("head_steps", -1),
        ("augment", None),
        ("precision", "float16"),
    ],
)
def test_a_value_out_of_range_is_named(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{field} = ") as caught:
        Recipe(**{field: value})  # type: ignore[arg-type]
    assert repr(value) in str(caught.value)


def test_changes_keep_the_two_lengths_apart() -> None:
    assert Recipe(minutes=3).with_changes(epochs=2).minutes is None
    assert Recipe(epochs=3).with_changes(minutes=2).epochs is None
    assert Recipe(epochs=3).with_changes(lr=0.5).epochs == 3
    with pytest.raises(UsageError, match="no field learning_rate"):
        Recipe().with_changes(learning_rate=1)


def test_head_only_needs_a_head() -> None:
    with pytest.raises(UsageError, match="needs head_steps"):
        Recipe(head_only=True)
