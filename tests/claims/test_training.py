"""Trainings of claims against a hand-written step in NumPy, and what decides their bits."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from fleetfoot.claims import training
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.training import mean_interval, train_once
from fleetfoot.claims.training_images import images_of, preprocess_of
from fleetfoot.core.errors import UsageError
from fleetfoot.data.augment import Augment
from fleetfoot.data.loader import Batch
from fleetfoot.recipes import method
from fleetfoot.recipes.method import Method, Start
from fleetfoot.train.optim.rules import SGD
from fleetfoot.train.optim.schedules import Steps
from fleetfoot.train.recipe import Compute, Examples, Recipe
from fleetfoot.train.steps.step import Context, Metrics, supervised_step

CPU, SMOKE = Setting(scale="cpu"), Setting(scale="smoke")
PLAIN = Augment(crop="none", flip=0.0)
RECIPE = Recipe(
    epochs=2,
    batch=20,
    optimizer=SGD(lr=0.05, momentum=0.0),
    schedule=Steps(milestones=()),
    examples=Examples(augment=PLAIN, label_smoothing=0.0),
    compute=Compute(precision="float32"),
)


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def dropping() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))


def outcome(recipe: Recipe = RECIPE, make: Callable[[], nn.Module] = linear, **words: object):
    settings = {"data": "digits", "seed": 3, "train_images": 60, "test_images": 50, **words}
    return train_once(make, CPU, recipe=recipe, **settings)  # pyright: ignore[reportArgumentType]


def test_one_step_is_that_of_softmax_regression() -> None:
    found = outcome(RECIPE.with_changes(epochs=1, batch=60), preprocess=preprocess_of("digits"))
    torch.manual_seed(3)
    layer = linear()[1]
    split = images_of("digits", None, "train", 60)
    preprocess = preprocess_of("digits")
    crops = np.stack([preprocess.crop(split.read(index)) for index in range(60)])
    x = (crops.reshape(60, 64).astype(np.float64) - 78.0) / 96.0
    weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
    scores = x @ weight.T + bias
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    gradient = (shares - np.eye(10)[split.labels]) / 60
    trained = dict(found.net.named_parameters())
    expected = weight - 0.05 * gradient.T @ x
    np.testing.assert_allclose(trained["1.weight"].detach().numpy(), expected, atol=1e-6)
    wrong = 100 * float((scores.argmax(axis=1) != split.labels).mean())
    assert found.train_errors == pytest.approx((wrong,), abs=1e-3)
    assert found.logits.shape == (50, 10)
    assert found.test_error == training.error_of(found.logits, found.labels)


def test_equal_seeds_give_equal_bits_and_others_do_not() -> None:
    first, again, other = (outcome(make=dropping, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.logits, again.logits)
    assert first.step_errors == again.step_errors
    assert not torch.equal(first.logits, other.logits)
    assert torch.equal(first.labels, other.labels)


def test_errors_of_epochs_are_means_of_their_steps() -> None:
    found = outcome()
    assert len(found.step_errors) == 6
    means = [math.fsum(found.step_errors[start : start + 3]) / 3 for start in (0, 3)]
    assert found.train_errors == pytest.approx(means)


def test_stop_ends_after_an_epoch() -> None:
    found = outcome(RECIPE.with_changes(epochs=9), stop=lambda errors: len(errors) == 2)
    assert len(found.train_errors) == 2
    assert found.finite


def test_a_loss_that_is_no_number_is_a_result() -> None:
    def lost(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        loss, metrics = supervised_step(net, batch, context)
        return loss * (math.nan if context.step == 4 else 1.0), metrics

    found = outcome(step=lost)
    assert not found.finite
    assert (len(found.step_errors), len(found.train_errors)) == (4, 1)


def test_the_average_judges_where_there_is_one() -> None:
    own = outcome()
    averaged = outcome(RECIPE.with_changes(ema=0.9))
    assert own.step_errors == averaged.step_errors
    assert not torch.equal(own.logits, averaged.logits)


def test_methods_of_a_recipe_are_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []

    def initialise(net: nn.Module, start: Start) -> None:
        seen.append(tuple(start.images.shape))
        nn.init.zeros_(net[1].weight)  # pyright: ignore[reportIndexIssue, reportArgumentType]

    def dark(images: Tensor, generator: torch.Generator) -> Tensor:
        del generator
        return images * 0

    toy = Method(initialise=initialise, transform=dark, finish=lambda net: nn.Sequential(net))
    monkeypatch.setattr(method, "methods_of", lambda recipe: (toy,))
    found = outcome(RECIPE.with_changes(methods=("toy",)))
    assert seen == [(60, 1, 8, 8)]
    assert isinstance(found.net[0], nn.Sequential)  # pyright: ignore[reportIndexIssue]
    assert not found.net[0][1].weight.any()  # no image was seen  # pyright: ignore


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "plateau"},
        {"balance": "weights"},
        {"head_steps": 3},
        {"sizes": ((0.0, 8),)},
        {"early_stop": 2},
        {"minutes": 1.0},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_trainings_of_claims_do_not_know_is_refused(changes: dict[str, object]) -> None:
    word = next(iter(changes)).replace("head_steps", "head.steps")
    with pytest.raises(UsageError, match=f"{word} = .* is not known to trainings"):
        outcome(RECIPE.with_changes(**changes))


def test_smoke_takes_digits_in_the_shape_of_the_images() -> None:
    shapes: list[tuple[int, ...]] = []

    class Looking(nn.Sequential):
        def forward(self, input: Tensor) -> Tensor:
            shapes.append(tuple(input.shape[1:]))
            return super().forward(input)

    def make() -> nn.Module:
        return Looking(nn.AvgPool2d(16), nn.Flatten(), nn.Linear(12, 10))

    found = train_once(make, SMOKE, recipe=RECIPE.with_changes(epochs=50), seed=0)
    assert set(shapes) == {(3, 32, 32)}
    assert len(found.train_errors) == 1
    assert len(found.labels) == training.SMOKE_IMAGES


def test_auto_precision_is_a_fact_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = RECIPE.with_changes(precision="auto", layout="auto")
    for fast, word in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(training, "computes_bfloat16", lambda fast=fast: fast)
        assert training._way(recipe, "cpu") == {"precision": word, "layout": "nhwc"}
        assert training._way(recipe, "cuda")["precision"] == "bfloat16"
    assert training._way(RECIPE.with_changes(layout="nchw"), "cuda")["layout"] == "nchw"


def test_interval_is_that_of_student() -> None:
    for count in (2, 3, 7, 11):
        values = np.random.default_rng(count).normal(size=count).tolist()
        found = mean_interval(values)
        low, high = stats.t.interval(0.95, count - 1, np.mean(values), stats.sem(values))
        assert (found.mean, found.low, found.high) == pytest.approx(
            (np.mean(values), low, high), abs=2e-3
        )
    many = mean_interval([0.0, 1.0] * 20)
    exact = stats.t.interval(0.95, 39, 0.5, stats.sem([0.0, 1.0] * 20))
    assert many.low is not None
    assert many.low <= exact[0]
    with pytest.raises(ValueError, match="no values"):
        mean_interval([])
