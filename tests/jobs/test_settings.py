import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.data.augment import Augment
from fleetfoot.jobs import settings
from fleetfoot.recipes.catalog import recipe_named
from fleetfoot.train.method_word import methods
from fleetfoot.train.optim.rules import SGD, AdamW
from fleetfoot.train.optim.schedules import Plateau
from fleetfoot.train.recipe import Checkpoints, Examples, Recipe

pytest.importorskip("pydantic")


@dataclass(frozen=True)
class Part:
    flip: float = 0.5
    scale: tuple[float, float] = (0.35, 1.0)
    rand_augment: int | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    lr: float = 0.1
    batch: int = 32
    optimizer: Literal["adamw", "sgd"] = "adamw"
    balance: Literal["none", "sampler"] = "sampler"
    ema: float | None = 0.99
    frozen: bool = False
    note: str = ""
    part: Part = field(default_factory=Part)

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise UsageError(f"recipe: lr = {self.lr} is not a number above 0")


def apply(**words: object) -> Sample:
    return settings.apply_settings(Sample(), words)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("lr", "1e-3", 0.001),
        ("lr", "1", 1.0),
        ("batch", "128", 128),
        ("optimizer", "sgd", "sgd"),
        ("balance", "none", "none"),
        ("ema", "none", None),
        ("ema", "0.5", 0.5),
        ("frozen", "true", True),
        ("note", "true", "true"),
        ("note", "2024-01-01", "2024-01-01"),
        ("note", "a b", "a b"),
    ],
)
def test_text_becomes_the_type_of_the_field(key: str, text: str, value: object):
    assert getattr(apply(**{key: text}), key) == value


def test_fields_of_a_part_are_reached_with_a_dot():
    changed = settings.apply_settings(
        Sample(), {"part.flip": "0", "part.scale": "0.2, 0.9", "part.rand_augment": "7"}
    )
    assert changed.part == Part(flip=0.0, scale=(0.2, 0.9), rand_augment=7)
    assert settings.apply_settings(Sample(), {"part.scale": "[0.5, 1]"}).part.scale == (0.5, 1.0)


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("lr", "fast", ["lr=fast", "a number"]),
        ("lr", "true", ["lr=true", "a number"]),
        ("lr", "-1", ["above 0"]),
        ("batch", "1.5", ["batch=1.5", "a whole number"]),
        ("optimizer", "lion", ["optimizer=lion", "adamw, sgd"]),
        ("ema", "much", ["ema=much", "a number, none"]),
        ("part.scale", "1", ["part.scale=1", "a list"]),
        ("epoch", "3", ["'epoch' is not a setting"]),
        ("learning_rate", "1", ["not a setting"]),
        ("batchsize", "1", ["nearest: batch"]),
        ("flap", "1", ["part.flip"]),
    ],
)
def test_a_bad_setting_is_named_with_what_is_allowed(key: str, text: str, words: list[str]):
    with pytest.raises(UsageError) as caught:
        settings.apply_settings(Sample(), {key: text})
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_written_config_gives_the_same_recipe_back(tmp_path: Path):
    pytest.importorskip("tomli_w")
    recipe = Recipe(
        optimizer=SGD(lr=0.3, nesterov=False),
        schedule=Plateau(patience=2),
        examples=Examples(augment=Augment(rand_augment=None, scale=(0.1, 0.2))),
        methods=methods("mixup", "cutout:side=8"),
    )
    settings.write_config(tmp_path / "config.toml", recipe, run={"net": "x", "size": None})
    text = (tmp_path / "config.toml").read_text()
    assert "\nformat = 2\n" in text
    assert '"cutout:side=8"' in text
    config = settings.read_config(tmp_path / "config.toml")
    assert (config["run.net"], config["run.size"]) == ("x", "none")
    again = settings.apply_settings(Recipe(), settings.recipe_settings(config), source="config")
    assert again == recipe


def test_a_file_of_a_later_format_is_refused():
    with pytest.raises(DataError, match="format 3"):
        settings.recipe_settings({"format": 3, "recipe.epochs": 4})


def test_a_hand_written_config_needs_no_table(tmp_path: Path):
    (tmp_path / "mine.toml").write_text("lr = 0.7\n[part]\nflip = 0\n")
    config = settings.recipe_settings(settings.read_config(tmp_path / "mine.toml"))
    changed = settings.apply_settings(Sample(), config, source="mine.toml")
    assert (changed.lr, changed.part.flip) == (0.7, 0.0)


def test_a_config_that_is_missing_or_no_toml_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="no such settings file"):
        settings.read_config(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("lr = = 1")
    with pytest.raises(DataError, match="not valid TOML"):
        settings.read_config(tmp_path / "bad.toml")
    with pytest.raises(DataError, match="cannot be read"):
        settings.read_config(tmp_path)


def test_the_real_recipe_takes_every_setting_it_writes(tmp_path: Path):
    pytest.importorskip("tomli_w")
    recipe = Recipe(
        minutes=1.5,
        optimizer=AdamW(lr=0.02),
        checkpoints=Checkpoints(ema=0.9),
    )
    settings.write_config(tmp_path / "config.toml", recipe, run={})
    config = settings.recipe_settings(settings.read_config(tmp_path / "config.toml"))
    assert settings.apply_settings(Recipe(), config, source="config") == recipe
    assert settings.apply_settings(recipe, {"epochs": "3"}).minutes is None


@pytest.mark.parametrize("name", ["alexnet", "fasternet_m", "inception", "nin_mnist_small"])
def test_a_recipe_of_a_paper_comes_back_from_its_file(tmp_path: Path, name: str) -> None:
    recipe = recipe_named(name)
    path = tmp_path / "config.toml"
    settings.write_config(path, recipe, run={})
    found = settings.recipe_settings(settings.read_config(path))
    assert settings.apply_settings(Recipe(), found) == recipe


SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "recipes_1"


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_a_config_of_format_1_gives_the_same_recipe(path: Path) -> None:
    config = settings.recipe_settings(settings.read_config(path))
    assert settings.apply_settings(Recipe(), config) == recipe_named(path.stem)


def test_every_setting_of_before_still_has_its_word() -> None:
    config = settings.recipe_settings(settings.read_config(SAMPLES / "transfer.toml"))
    kinds = {"milestones": "steps", "decay_every": "exponential", "patience": "plateau"}
    kinds |= {"step_factor": "steps", "drops": "plateau"}
    rules = {"nesterov": "sgd", "muon_lr": "muon", "muon_momentum": "muon"}
    for key, value in config.items():
        first = {"schedule": kinds.get(key, "cosine"), "optimizer": rules.get(key, "adamw")}
        alone = {} if key in ("epochs", "minutes", "head_only") else {key: value}
        settings.apply_settings(recipe_named("transfer"), {**first, **alone})


def test_a_word_for_a_part_chooses_its_kind() -> None:
    recipe = settings.apply_settings(
        Recipe(), {"optimizer": "sgd", "nesterov": "false", "schedule": "linear", "head": "linear"}
    )
    assert recipe.optimizer == SGD(lr=1e-3, weight_decay=0.05, nesterov=False)
    assert (recipe.schedule.kind, recipe.head.kind) == ("linear", "linear")
    with pytest.raises(UsageError, match="--set: 'nesterov' is a setting of optimizer=sgd alone"):
        settings.apply_settings(Recipe(), {"nesterov": "false"})
    with pytest.raises(UsageError, match=r"--set: .*'lion' is not one of adamw, sgd"):
        settings.apply_settings(Recipe(), {"optimizer": "lion"})


def test_words_behind_a_config_may_choose_another_kind(tmp_path: Path) -> None:
    settings.write_config(
        tmp_path / "a.toml", Recipe(optimizer=SGD(lr=0.3, nesterov=False)), run={}
    )
    config = settings.recipe_settings(settings.read_config(tmp_path / "a.toml"))
    found = settings.apply_settings(Recipe(), {**config, "optimizer": "adamw", "lr": "0.2"})
    assert found.optimizer == AdamW(lr=0.2, weight_decay=0.0)


def test_a_folder_named_in_another_encoding_comes_back(tmp_path: Path):
    name = os.fsdecode(b"/photos/caf\xe9")
    settings.write_config(tmp_path / "config.toml", recipe_named("scratch"), run={"data": name})
    assert settings.read_config(tmp_path / "config.toml")["run.data"] == name
