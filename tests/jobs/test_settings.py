from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.jobs import settings
from fleetfoot.recipes.catalog import recipe_named
from fleetfoot.train.recipe import Recipe

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
        ("flip", "1", ["part.flip"]),
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
    recipe = Sample(lr=0.3, ema=None, part=Part(rand_augment=None, scale=(0.1, 0.2)))
    settings.write_config(tmp_path / "config.toml", recipe, run={"net": "x", "size": None})
    config = settings.read_config(tmp_path / "config.toml")
    assert (config["run.net"], config["run.size"]) == ("x", "none")
    again = settings.apply_settings(Sample(), settings.recipe_settings(config), source="config")
    assert again == recipe


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
    from fleetfoot.train.recipe import Recipe

    recipe = Recipe(minutes=1.5, lr=0.02, ema=0.9)
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
