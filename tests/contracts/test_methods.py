"""The battery over every method of training: each learns, repeats itself, resumes and leaves.

Every method is put on one tiny residual network, which is registered for the time of a test.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fleetfoot.core import registry
from fleetfoot.core.registry import NetEntry
from fleetfoot.core.seeds import seed_everything
from fleetfoot.nets.binary_nets import BinaryNet, BinaryNetSpec, Conv
from fleetfoot.nets.binary_resnet import BinaryResNet, BinaryResNetSpec
from fleetfoot.nets.create import create
from fleetfoot.nets.cuda_convnet import CudaConvnet, CudaConvnetSpec, Layer
from fleetfoot.nets.portable import save_portable
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec
from fleetfoot.recipes import method
from fleetfoot.recipes.method import catalog
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.planning.plan import Plan
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.saved_state import load_latest
from fleetfoot.train.steps.step import Context, Step, StepWithMethods
from fleetfoot.train.steps.take_steps import take_step
from fleetfoot.train.train_state import TrainState, prepare
from tests.train import tiny_run as tiny

# Words whose settings fit images of 8 pixels and maps of 4; the others are taken as they are.
WORDS = {
    "cutout": "cutout:side=4",
    "batch_augment": "batch_augment:pad=1",
    "binary": "binary:least=8",
    "drop_block": "drop_block:block=2,rate=0.3",
    "shake_drop": "shake_drop:last=0.25",
    "jocor": "jocor:ramp=1",
    "gradinit": "gradinit:iterations=2,batch=4",
}
# Methods that need what a residual network has not: bits, a linear layer behind the convolutions.
NETS = {
    "drop_connect": "tiny_convnet",
    "binarised_backprop": "tiny_binary",
    "real_weights": "tiny_binary",
    "noise_adaptation": "tiny_sines",
}
NAMES = tuple(catalog())
ENTRY = NetEntry(
    name="tiny_resnet",
    family="resnet_cifar",
    paper="none",
    net=ResNetCifar,
    spec=ResNetCifarSpec(blocks=1, channels=(4, 8)),
    params=0,
    macs=0,
    checked_against="",
    note="",
    input=(3, 8, 8),
    classes=len(tiny.CLASSES),
)
CONVNET = replace(
    ENTRY,
    name="tiny_convnet",
    family="cuda_convnet",
    net=CudaConvnet,
    spec=CudaConvnetSpec(layers=2 * (Layer("conv", 4, 0.1, ("max",)),), size=8, hidden=6),
)
BINARY = replace(
    ENTRY,
    name="tiny_binary",
    family="binary_nets",
    net=BinaryNet,
    spec=BinaryNetSpec(convs=(Conv(4), Conv(8, pool=(2, 2))), hidden=(8,), size=8),
)
SINES = replace(
    ENTRY,
    name="tiny_sines",
    family="binary_resnet",
    net=BinaryResNet,
    spec=BinaryResNetSpec(form="fda", estimator="sine", blocks=1, channels=(4, 8)),
)


@pytest.fixture(autouse=True)
def _tiny_resnet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from fleetfoot.nets.catalog import entries

    entries()  # read every network file before the table is changed
    for entry in (ENTRY, CONVNET, BINARY, SINES):
        monkeypatch.setitem(registry._entries, entry.name, entry)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _tiny_resnet: None) -> None:
    """A teacher for `distill`: the network itself, with weights of its own."""
    seed_everything(9)
    save_portable(tmp_path / "teacher", create("tiny_resnet"))
    monkeypatch.setitem(WORDS, "distill", f"distill:teacher={tmp_path / 'teacher'},labels=0.5")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """One plan for all: what it says does not depend on the method."""
    made = tiny.plan(tmp_path_factory.mktemp("plan"), recipe(), tiny.data(8, 4))
    return replace(made, loaders=None)


def recipe(*words: str) -> Recipe:
    return tiny.recipe(epochs=2, batch=4, state_every=1, methods=words)


def word(name: str) -> str:
    return WORDS.get(name, name)


def images(count: int = 4) -> Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def operated(used: Recipe) -> nn.Module:
    seed_everything(used.seed)
    name = used.methods[0].name
    net = method.apply_surgery(create(NETS.get(name, "tiny_resnet")), used)
    if any(found.initialise is not None for found in method.methods_of(used)):
        labels = torch.arange(12) % len(tiny.CLASSES)
        method.initialise(net, method.Start(images=images(12), labels=labels, recipe=used))
    return net


def trained(used: Recipe, steps: int) -> tuple[nn.Module, list[float]]:
    """The network after some steps, and their losses; module draws are seeded as in the loop."""
    net = prepare(operated(used), used, layout="nchw", device="cpu")
    state = TrainState.of(net, used)
    normalise = Normalise(tiny.PREPROCESS, layout="nchw", device=torch.device("cpu"))
    context = Context(used, 0, 3, normalise, "float32", total_steps=4, steps_per_epoch=2)
    batch = next(iter(loader(tiny.data(8, 4))))
    losses: list[float] = []
    for step in range(steps):
        torch.manual_seed(step)
        now = replace(context, step=step)
        losses.append(take_step(state, batch, now, step=method.step_of(used))[0])
    return net.eval(), losses


def loader(data: Any) -> Iterator[Any]:
    from fleetfoot.data.loader import Loader

    return iter(Loader(data.train, tiny.PREPROCESS, batch=4).epoch(0))


@torch.no_grad()
def answers(net: nn.Module) -> Tensor:
    return net.eval()(images())


@pytest.mark.parametrize("name", NAMES)
def test_steps_learn_and_equal_seeds_draw_alike(name: str) -> None:
    used = recipe(word(name))
    net, losses = trained(used, 2)
    again, same = trained(used, 2)
    assert all(torch.isfinite(p).all() for p in net.parameters())
    assert losses == same
    for first, second in zip(net.state_dict().values(), again.state_dict().values()):
        assert torch.equal(first, second)
    before = operated(used).state_dict()
    assert any(not torch.equal(t, before[n]) for n, t in net.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_draws_nothing_and_is_that_of_the_finished_network(name: str) -> None:
    net, _ = trained(recipe(word(name)), 1)
    state = torch.get_rng_state()
    found = answers(net)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        alone = torch.cat([net(image[None]) for image in images()])
    torch.testing.assert_close(alone, found)
    finished = method.finish(net, recipe(word(name)))
    torch.testing.assert_close(answers(finished), found, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_finished_network_is_saved_and_made_again(name: str, tmp_path: Path) -> None:
    used = recipe(word(name))
    net = method.finish(trained(used, 1)[0], used)
    assert all(parameter.requires_grad for parameter in net.parameters())
    save_portable(tmp_path / "weights", net)
    again = create(f"local:{tmp_path / 'weights'}")
    assert torch.equal(answers(again), answers(net))


class Killed(Exception):  # noqa: N818  stands for kill -9
    pass


def killed_at(number: int, step: Step) -> Step:
    assert isinstance(step, StepWithMethods)

    def run(net: nn.Module, batch: Any, context: Context) -> Any:
        if context.step == number:
            raise Killed
        return step(net, batch, context)

    return replace(step, compute=run)


@pytest.mark.parametrize("name", NAMES)
def test_killed_and_resumed_equals_undisturbed(name: str, plan: Plan, tmp_path: Path) -> None:
    used = recipe(word(name))
    own = replace(plan, recipe=used.to_json())
    step = method.step_of(used)

    def run(folder: str, **words: Any) -> None:
        (tmp_path / folder).mkdir(exist_ok=True)
        tiny.train(
            operated(used),
            tiny.data(8, 4),
            used,
            plan=own,
            folder=tmp_path / folder,
            preprocess=tiny.PREPROCESS,
            **words,
        )

    run("whole", step=step)
    with pytest.raises(Killed):
        run("cut", step=killed_at(2, step))
    state = load_latest(tmp_path / "cut" / "state")
    assert state is not None
    assert state.step == 2
    torch.rand(7)  # the process has done other things meanwhile
    run("cut", step=step, resume=True)
    assert tiny.fingerprint(tmp_path / "cut") == tiny.fingerprint(tmp_path / "whole")


@pytest.mark.parametrize(
    "words",
    [
        ("jocor", "max_dropout", "shake_drop", "mixup", "batch_augment:pad=1,average=true"),
        ("manifold_mixup", "cutmix", "drop_block:block=2", "cutout:side=3", "tsla"),
        ("jocor", "pfplus", "frequency_dropout"),
    ],
    ids=["jocor", "manifold_mixup", "activations"],
)
def test_methods_go_together(words: tuple[str, ...], tmp_path: Path) -> None:
    net, losses = trained(recipe(*words), 2)
    assert losses == trained(recipe(*words), 2)[1]
    finished = method.finish(net, recipe(*words))
    save_portable(tmp_path / "weights", finished)
    again = create(f"local:{tmp_path / 'weights'}")
    assert torch.equal(answers(again), answers(finished))


def test_of_two_networks_each_is_operated_on_alike() -> None:
    net = operated(recipe("jocor", "shake_drop:last=0.25", "fplus", "target_drop"))
    first, second = ([repr(m) for m in part.modules()] for part in (net.first, net.second))
    assert first == second
    assert "keep=0.25" in repr(net.first)
    assert net.first.created_as == net.second.created_as


@pytest.mark.parametrize("name", NAMES)
def test_the_catalog_says_what_a_reader_asks(name: str) -> None:
    entry = catalog()[name]
    assert entry.acts in ("image", "inside", "label", "start")
    assert entry.summary.endswith(".")
    assert entry.paper
