"""Every published recipe: its record, its header, and one real step of the network it is for."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.data.samples import Data, Sample, Split
from fleetfoot.nets.catalog import entry, option_names
from fleetfoot.nets.create import skeleton
from fleetfoot.recipes.build import build
from fleetfoot.recipes.catalog import PUBLISHED, RECIPES, SUBJECTS, recipe_named
from fleetfoot.recipes.pixels import preprocess_for
from fleetfoot.recipes.published import Published
from fleetfoot.recipes.run_spec import RunSpec
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.loaders import open_loaders
from fleetfoot.train.optim.learning_rate import lr_at
from fleetfoot.train.optim.optimizers import set_lr
from fleetfoot.train.optim.rules import VelocitySGD
from fleetfoot.train.steps.step import Context, supervised_step
from fleetfoot.train.steps.take_steps import take_step
from fleetfoot.train.train_state import TrainState, prepare

FAMILIES = (
    "alexnet",
    "allcnn",
    "bdnn",
    "binary_cifar",
    "bn_inception",
    "efficientnet",
    "fasternet",
    "nin",
    "qnn",
    "vovnet",
)
QUICK = ("cuda_convnet", "fasternet_t0", "nin_mnist", "allcnn_c", "vovnet39", "mnist_sigmoid_bn")
NAMES = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PUBLISHED
]


def least_size(published: Published) -> int:
    if "size" in option_names(entry(published.net).builder):
        return 8
    least: Any = skeleton(published.net).min_size
    return least


def noise(*, grey: bool) -> Data:
    def read(key: str) -> np.ndarray:
        draw = np.random.default_rng(int(key)).integers(0, 256, (48, 40, 3), dtype=np.uint8)
        return np.repeat(draw[:, :, :1], 3, axis=2) if grey else draw

    def split(name: str) -> Split:
        return Split(name, tuple(Sample(i, str(i), i % 2) for i in range(4)), read)

    return Data("noise", "noise", ("a", "b"), split("train"), split("val"), None, held_out=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_published_recipe_builds_and_takes_a_step(name: str) -> None:
    published = PUBLISHED[name]
    recipe = published.recipe()
    size = min(published.size, max(32, 2 * least_size(published)))  # norms need some positions
    sizes = tuple(
        (start, max(size, round(side * size / published.size)))
        for start, side in recipe.examples.sizes
    )
    recipe = recipe.with_changes(batch=2, sizes=sizes, evaluate_every=1)
    data = noise(grey=published.data == "MNIST")
    spec = RunSpec(data="noise", net=published.net, size=size, recipe=recipe)
    preprocess = preprocess_for(spec, data)
    net = prepare(build(spec, data, preprocess), recipe, layout="nchw", device="cpu")
    loaders = open_loaders(data, recipe, preprocess=preprocess, workers=0)
    state = TrainState.of(net, recipe)
    before = [parameter.detach().clone() for parameter in net.parameters()]
    warmup = round(1000 * recipe.schedule.warmup)
    set_lr(state.optimizer, lr_at(0, recipe, total_steps=1000, warmup_steps=warmup))
    normalise = Normalise(preprocess, layout="nchw", device=torch.device("cpu"))
    context = Context(recipe, 0, 2, normalise, "float32", total_steps=1000)
    batch = next(loaders.train_at(0.0).epoch(0))
    loss, _ = take_step(state, batch, context, step=supervised_step)
    assert np.isfinite(loss)
    assert state.is_finite()
    changed = [not torch.equal(old, new) for old, new in zip(before, net.parameters())]
    assert any(changed)
    assert changed[-2]  # the classifier's weights


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_record_names_a_network_that_takes_its_size(name: str) -> None:
    published, facts = PUBLISHED[name], entry(PUBLISHED[name].net)
    assert least_size(published) <= published.size
    assert published.recipe().epochs
    assert published.hours > 0
    assert published.top1 is None or 50 < published.top1 < 100
    options = {*option_names(facts.builder)}
    assert {word for word, _ in published.recipe().network.options} <= options


@pytest.mark.parametrize("family", FAMILIES)
def test_the_header_has_command_and_computed_cost(family: str) -> None:
    module = importlib.import_module(f"fleetfoot.recipes.{family}")
    header = inspect.getdoc(module) or ""
    command, cost = (
        re.search(rf"^{word} +(.*?)(?=^\w)", header, re.MULTILINE | re.DOTALL)[1]  # type: ignore[index]
        for word in ("Command", "Cost")
    )
    named = re.findall(r"--recipe (\w+)", command)
    assert named
    assert {*named} <= {*module.PUBLISHED}
    hours = {f"{p.hours:.1f}" for p in module.PUBLISHED.values() if p.data == "ImageNet"}
    assert {*re.findall(r"\d+\.\d+", cost)} == hours
    assert "Result  " in header


def test_recipes_have_one_name_each_and_those_of_papers_a_subject() -> None:
    assert {*PUBLISHED} < {*RECIPES}
    assert {*SUBJECTS} <= {*RECIPES}
    with pytest.raises(UsageError, match="'alexnett' is not a recipe; nearest: alexnet"):
        recipe_named("alexnett")


def test_alexnet_is_that_of_2012() -> None:
    recipe = recipe_named("alexnet")
    assert recipe.batch == 128
    assert recipe.optimizer == VelocitySGD(lr=0.01, momentum=0.9, weight_decay=5e-4)
    assert (recipe.schedule.kind, recipe.schedule.drops) == ("plateau", 3)
    assert (recipe.augment.crop, recipe.augment.colour_pca) == ("inside", "stored")
    assert recipe.examples.centred_input


def test_fasternet_has_the_columns_of_table_6() -> None:
    rows = {name: recipe_named(f"fasternet_{name}") for name in ("t0", "t1", "m", "l")}
    assert [r.optimizer.lr for r in rows.values()] == pytest.approx([0.004, 0.004, 0.002, 0.002])
    assert [r.optimizer.weight_decay for r in rows.values()] == [0.005, 0.01, 0.05, 0.05]
    assert [r.augment.rand_augment for r in rows.values()] == [None, 9, 21, 21]
    assert [r.augment.mix.mixup for r in rows.values()] == [0.05, 0.1, 0.5, 0.7]
    assert [r.optimizer.clip_norm for r in rows.values()] == [None, None, 1.0, 0.01]
    last = rows["t0"].examples.sizes[-1]
    assert (round(last[0] * 300), last[1]) == (280, 224)
    assert all(r.optimizer.lr * r.schedule.final_lr == pytest.approx(1e-5) for r in rows.values())


def test_efficientnet_follows_its_batch() -> None:
    recipe = recipe_named("efficientnet_b0")
    assert (recipe.batch, recipe.checkpoints.ema) == (2048, 0.9999)
    assert recipe.optimizer.lr == pytest.approx(0.128)
    steps = 350 * (1_281_167 // 2048)
    words = {"total_steps": steps, "warmup_steps": round(recipe.schedule.warmup * steps)}
    last = lr_at(steps - 1, recipe, **words)
    assert last == pytest.approx(0.128 * 0.97**145)


def test_batch_norm_multiplies_the_rate_and_divides_the_decay() -> None:
    plain, x5, x30 = map(recipe_named, ("inception", "bn_inception_x5", "bn_inception_x30"))
    rates = [recipe.optimizer.lr for recipe in (plain, x5, x30)]
    assert rates == pytest.approx([0.0015, 0.0075, 0.045])
    assert plain.optimizer.weight_decay == pytest.approx(5 * x5.optimizer.weight_decay)
    epochs = [r.schedule.decay_every * (r.epochs or 0) for r in (plain, x5)]
    assert epochs == pytest.approx([8.0, 8 / 6])
    assert (plain.network.dropout, x5.network.dropout) == (0.4, 0.0)


def test_nin_learns_at_the_released_rates() -> None:
    recipe = recipe_named("nin_cifar10")
    body_lr = recipe.optimizer.lr * recipe.optimizer.groups.body_lr
    assert body_lr == pytest.approx(0.1)  # 1, times the loss factor 0.1
    assert body_lr * recipe.optimizer.weight_decay == pytest.approx(1e-5)


def test_the_guide_has_a_row_for_each_with_the_figures_of_the_record() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guide" / "recipes.md").read_text()
    for name, published in PUBLISHED.items():
        top1 = "" if published.top1 is None else f"{published.top1:.1f}"
        hours = "<0.1" if published.hours < 0.05 else f"{published.hours:.1f}"
        start = f"| `{name}` | `{published.net}` | {published.size} | {published.data} |"
        assert f"{start} {top1} | {hours} | {published.note} |" in guide
