"""The loop itself: where it begins and ends, what it hands out."""

import json
import math
import threading
from typing import Any

import pytest
import tiny_run as tiny
import torch
from torch import Tensor, nn

from fleetfoot.core import machine_lock
from fleetfoot.core.file_lock import ALONE, flock
from fleetfoot.core.machine_lock import working
from fleetfoot.data.loader import Batch, Loader
from fleetfoot.ops.annealed import Annealed
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.optim.stretch import Stretch
from fleetfoot.train.steps.step import Context, supervised_step
from fleetfoot.train.steps.take_steps import LossError, steps_left
from fleetfoot.train.train_state import Progress, TrainState, prepare

RECIPE = tiny.recipe(epochs=2, batch=4, warmup=0.5, schedule="linear", lr=0.1)


def begun(step: int = 0) -> tuple[TrainState, Context, Loader]:
    net = prepare(tiny.new_net(), RECIPE, layout="nchw", device="cpu")
    state = TrainState.of(net, RECIPE)
    state.progress.step = step
    normalise = Normalise(tiny.PREPROCESS, layout="nchw", device=torch.device("cpu"))
    loader = Loader(tiny.data(12, 4).train, tiny.PREPROCESS, batch=4)
    context = Context(
        RECIPE, 0, 3, normalise, "float32", total_steps=5, steps_per_epoch=3, warmup_steps=2
    )
    return state, context, loader


def test_it_ends_with_the_training_also_inside_an_epoch() -> None:
    state, context, loader = begun()
    shares: list[float] = []

    def loader_at(share: float) -> Loader:
        shares.append(share)
        return loader

    found = list(steps_left(state, context, loader_at))
    assert state.progress.step == len(found) == 5
    assert shares == [0.0, 3 / 5]
    assert [taken.images for taken in found] == [4] * 5
    rates = [taken.lr for taken in found]
    assert rates == pytest.approx([0.1 / 3, 0.2 / 3, 0.1, 0.2 / 3, 0.1 / 3])


def test_layers_that_change_hear_how_far_the_training_is() -> None:
    state, context, loader = begun()
    heard: list[float] = []

    class Listens(nn.Module, Annealed):
        def forward(self, x: Tensor) -> Tensor:
            heard.append(self.progress)
            return x

    state.net.add_module("listens", Listens())
    state.net.register_forward_pre_hook(lambda net, args: (net.listens(args[0]),))
    assert Listens.progress == 1.0
    list(steps_left(state, context, lambda _: loader))
    assert heard == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])


def test_steps_are_those_of_a_training_that_was_not_cut() -> None:
    whole, context, loader = begun()
    all_of_it = [taken.loss for taken in steps_left(whole, context, lambda _: loader)]
    cut, context, loader = begun()
    left = steps_left(cut, context, lambda _: loader)
    first = [next(left).loss for _ in range(2)]
    left.close()
    torch.rand(5)  # other draws meanwhile
    rest = [taken.loss for taken in steps_left(cut, context, lambda _: loader)]
    assert first + rest == all_of_it


def test_an_epoch_that_is_resumed_after_a_stretch_has_the_images_it_began_with() -> None:
    state, context, loader = begun()
    shares: list[float] = []

    def loader_at(share: float) -> Loader:
        shares.append(share)
        return loader

    left = steps_left(state, context, loader_at)
    for _ in range(4):
        next(left)
    left.close()
    state.progress.stretch = Stretch(4, 4.0, 50)
    saved = json.loads(json.dumps(vars(state.progress)))
    state.progress = Progress(**saved)
    next(steps_left(state, context, loader_at))
    assert shares == [0.0, 3 / 5, 3 / 5]


def test_a_finished_training_has_none_left() -> None:
    state, context, loader = begun(5)
    assert list(steps_left(state, context, lambda _: loader)) == []


def test_in_a_turn_of_background_work_a_step_waits_for_a_measurement() -> None:
    state, context, loader = begun()
    left = steps_left(state, context, lambda _: loader)
    files = machine_lock._open_files()  # those of another process
    assert files
    with working():
        next(left)
        assert flock(files[0], ALONE)
        waiting = threading.Thread(target=next, args=(left,))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        assert state.progress.step == 1
        machine_lock._close(files)
        waiting.join()
    assert state.progress.step == 2


def test_a_loss_that_is_no_number_leaves_step_and_weights() -> None:
    state, context, loader = begun()
    before = [parameter.clone() for parameter in state.net.parameters()]

    def lost(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Any]:
        loss, metrics = supervised_step(net, batch, context)
        return loss * math.inf, metrics

    with pytest.raises(LossError, match="the loss is inf at step 1"):
        next(steps_left(state, context, lambda _: loader, step=lost))
    assert state.progress.step == 0
    assert all(map(torch.equal, before, state.net.parameters()))
