"""A word in a recipe becomes what it says, or one clear line."""

import pytest
import torch
from torch import nn

from fleetfoot.core import arguments
from fleetfoot.core.errors import UsageError
from fleetfoot.core.results import PassResult
from fleetfoot.recipes import method
from fleetfoot.recipes.method import Method, MethodEntry
from fleetfoot.train.method_word import methods
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.step import Context


def to_tanh(net):
    changed = tuple(n for n, m in net.named_modules() if isinstance(m, nn.ReLU))
    for name in changed:
        net.set_submodule(name, nn.Tanh())
    return PassResult(model=net, changed=changed, skipped=())


def tanh(gain: float = 1.0, times: int = 1, *, loud: bool = False):
    """Tanh for every ReLU."""
    arguments.at_least(0, times, "times")
    return Method(surgery=to_tanh, finish=lambda net: nn.Sequential(net, nn.Identity()))


@pytest.fixture(autouse=True)
def only_tanh(monkeypatch):
    entry = MethodEntry(name="tanh", build=tanh, acts="inside", paper="none", published="")
    monkeypatch.setattr(method, "catalog", lambda: {"tanh": entry})


def recipe(*words):
    return Recipe(epochs=1, methods=methods(*words))


def test_a_surgery_operates_and_finish_ends():
    net = method.apply_surgery(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), recipe("tanh:gain=2"))
    assert isinstance(net[1], nn.Tanh)
    assert isinstance(method.finish(net, recipe("tanh"))[1], nn.Identity)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tanj", "'tanj' is not a method; nearest: tanh"),
        ("tanh:gian=2", "method tanh: 'gian=2' is not one of its settings; it has gain, times"),
        ("tanh:", "method tanh: '' is not one of its settings"),
        ("tanh:gain=1,gain=2", "method tanh: gain is given twice"),
        ("tanh:gain", "method tanh: 'gain' is not one of its settings"),
        ("tanh:times=1.5", "method tanh: times=1.5 is not a whole number"),
        ("tanh:gain=much", "method tanh: gain=much is not a number"),
        ("tanh:loud=yes", "method tanh: loud=yes is not true or false"),
        ("tanh:times=-1", "method tanh: times=-1 is too small"),
    ],
)
def test_a_wrong_word_is_one_line(word, message):
    with pytest.raises(UsageError, match=message):
        method.methods_of(recipe(word))


def test_a_surgery_without_a_place_is_refused():
    with pytest.raises(UsageError, match="method tanh finds no place in Linear"):
        method.apply_surgery(nn.Linear(2, 2), recipe("tanh"))


def test_no_methods_change_nothing():
    net = nn.Linear(2, 2)
    assert method.apply_surgery(net, recipe()) is net
    assert method.finish(net, recipe()) is net
    step = object()
    assert method.step_of(recipe(), step) is step


def test_transforms_and_steps_are_composed_in_order(monkeypatch):
    heard = []

    def inner(net, batch, context):
        return torch.zeros(()), {"transforms": context.transforms}

    def loud(step):
        def heard_step(net, batch, context):
            heard.append(len(context.transforms))
            return step(net, batch, context)

        return heard_step

    one, two = (Method(transform=lambda images, _: images, step=loud) for _ in range(2))
    monkeypatch.setattr(method, "methods_of", lambda _: (one, two))
    context = Context(recipe(), 0, 3, None, "float32")
    _, metrics = method.step_of(recipe(), inner)(None, None, context)
    assert metrics["transforms"] == (one.transform, two.transform)
    assert heard == [0, 1]
