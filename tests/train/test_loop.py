import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import tiny_run as tiny
import torch
from torch import Tensor, nn

from fleetfoot.core.errors import DataError, Interrupted, TrainingError, UsageError
from fleetfoot.core.interrupt import SIGNALS
from fleetfoot.core.listener import Silent
from fleetfoot.data.augment import Augment, Mix
from fleetfoot.data.loader import Batch
from fleetfoot.train.steps.step import Context, StepWithMethods, supervised_step

HARD: dict[str, Any] = {
    "ema": 0.9,
    "layout": "nhwc",
    "precision": "bfloat16",
    "state_every": 4,
    "clip_norm": 1.0,
}


class Stop(Exception):  # noqa: N818  stands for kill -9
    pass


def stopping_at(step: int) -> Any:
    """A supervised step that dies before step number ``step``, as a kill would."""

    def run(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Any]:
        if context.step == step:
            raise Stop
        return supervised_step(net, batch, context)

    return run


def lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in found if line["kind"] == kind]


@pytest.mark.parametrize(
    "changes",
    [
        HARD,
        {"optimizer": "sgd", "balance": "sampler", "early_stop": 2},
        {
            "ema": 0.5,
            "balance": "weights",
            "augment": Augment(crop="pad", mix=Mix(mixup=0.5, cutmix=1.0)),
        },
        {
            "frozen_norm": True,
            "augment": Augment(crop="resized", mix=Mix(erasing=0.5)),
            "head_steps": 5,
        },
        {
            "optimizer": "rmsprop",
            "schedule": "plateau",
            "patience": 1,
            "sizes": ((0.0, 12), (0.4, 8)),
            "augment": Augment(crop="inside", colour_pca="computed"),
        },
        {"kernels": "fused", "layout": "nhwc", "precision": "bfloat16", "ema": 0.5},
    ],
    ids=["ema-bf16-nhwc", "sgd-sampler", "mixed", "head-resized", "plateau-sizes", "fused"],
)
def test_stopped_and_resumed_equals_undisturbed(tmp_path: Path, changes: dict[str, Any]) -> None:
    recipe = tiny.recipe(**{"epochs": 2, "state_every": 5, **changes})
    whole = tiny.run(tmp_path / "whole", recipe)
    tiny.plan(tmp_path / "cut", recipe)
    for step in (3, 7, 10):
        with pytest.raises(Stop):
            tiny.run(tmp_path / "cut", recipe, step=stopping_at(step), resume=step > 3)
        torch.rand(step)  # the process has done other things meanwhile
    resumed = tiny.run(tmp_path / "cut", recipe, resume=True)
    assert tiny.fingerprint(tmp_path / "cut") == tiny.fingerprint(tmp_path / "whole")
    assert (resumed.val_loss, resumed.best_step) == (whole.val_loss, whole.best_step)


def test_a_tiny_net_learns_and_the_result_tells_it(tmp_path: Path) -> None:
    net = tiny.new_net()
    result = tiny.run(tmp_path, tiny.recipe(epochs=8), net=net)
    assert result.val_top1 == 1.0
    assert (result.steps, result.epochs, result.weights) == (48, 8.0, "best")
    assert result.images_per_second > 0
    assert not net.training
    epochs = lines(tmp_path, "epoch")
    assert len(lines(tmp_path, "step")) == 48
    assert [line["epoch"] for line in epochs] == list(range(1, 9))
    assert max(line["val_top1"] for line in epochs) == result.val_top1
    assert list(result.history) == [
        {key: value for key, value in line.items() if key != "kind"} for line in epochs
    ]


def test_the_best_weights_are_chosen_and_ties_go_to_the_later(tmp_path: Path) -> None:
    net = tiny.new_net()
    result = tiny.run(tmp_path, tiny.recipe(epochs=4, lr=0.1, optimizer="sgd"), net=net)
    epochs = lines(tmp_path, "epoch")
    best = max(line["val_top1"] for line in epochs)
    expected = [line for line in epochs if line["val_top1"] == best][-1]
    assert (result.best_step, result.val_top1) == (expected["step"], best)
    assert result.val_loss == pytest.approx(expected["val_loss"])


def test_the_average_is_chosen_where_there_is_one(tmp_path: Path) -> None:
    result = tiny.run(tmp_path, tiny.recipe(epochs=2, ema=0.5))
    (*_, last) = lines(tmp_path, "epoch")
    assert result.weights == "ema"
    assert result.val_top1 == last["val_top1_ema"]
    assert result.val_loss == pytest.approx(last["val_loss"])


@pytest.mark.parametrize("images", [2, 8, 9])
def test_data_sets_of_two_a_batch_and_one_more(tmp_path: Path, images: int) -> None:
    result = tiny.run(tmp_path, tiny.recipe(epochs=2), tiny.data(images, 2))
    assert result.steps == 2


def test_early_stop_ends_a_run_that_gets_no_better(tmp_path: Path) -> None:
    def gets_worse(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Any]:
        loss, metrics = supervised_step(net, batch, context)
        return (loss if context.step < 24 else -loss), metrics  # from epoch 5 on it unlearns

    result = tiny.run(tmp_path, tiny.recipe(epochs=20, early_stop=2), step=gets_worse)
    best_epoch = result.best_step // 6
    assert result.epochs == best_epoch + 2 < 20
    assert result.val_top1 == max(line["val_top1"] for line in result.history)


def test_nan_stops_with_step_cause_and_last_good_state(tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=2, state_every=5)
    tiny.plan(tmp_path, recipe)

    def poisoned(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Any]:
        loss, metrics = supervised_step(net, batch, context)
        return loss * (torch.nan if context.step == 7 else 1.0), metrics

    with pytest.raises(TrainingError) as caught:
        tiny.run(tmp_path, recipe, step=poisoned)
    text = str(caught.value)
    assert "the loss is nan at step 8" in text
    assert "learning rate" in text
    assert f"the last good state is {tmp_path / 'state' / 'step-6'}" in text


def test_a_learning_rate_far_too_high_is_said_to_be_so(tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=20, lr=1e30, optimizer="sgd", warmup=0.0)
    with pytest.raises(TrainingError, match=r"learning rate|lower `lr`"):
        tiny.run(tmp_path, recipe)


@pytest.mark.parametrize("asked_by", SIGNALS[:2], ids=lambda number: number.name)
def test_the_first_signal_saves_and_says_how_to_go_on(asked_by: int, tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=2, ema=0.9)
    tiny.run(tmp_path / "whole", recipe)
    tiny.plan(tmp_path / "my cut", recipe)

    def interrupted(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Any]:
        if context.step == 3:
            os.kill(os.getpid(), asked_by)
        return supervised_step(net, batch, context)

    with pytest.raises(Interrupted) as caught:
        tiny.run(tmp_path / "my cut", recipe, step=interrupted)
    text = str(caught.value)
    assert "stopped after step 4 of 12" in text
    assert f"fleetfoot fit --resume '{tmp_path / 'my cut'}'" in text
    assert (tmp_path / "my cut" / "state" / "latest").read_text().strip() == "step-4"
    tiny.run(tmp_path / "my cut", recipe, resume=True)
    assert tiny.fingerprint(tmp_path / "my cut") == tiny.fingerprint(tmp_path / "whole")


def test_a_finished_run_resumes_to_its_result(tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=2)
    first = tiny.run(tmp_path, recipe)
    before = tiny.fingerprint(tmp_path)
    again = tiny.run(tmp_path, recipe, resume=True)
    assert tiny.fingerprint(tmp_path) == before
    assert (again.val_top1, again.val_loss, again.steps) == (
        first.val_top1,
        first.val_loss,
        first.steps,
    )


def test_a_new_run_forgets_the_old_states(tmp_path: Path) -> None:
    tiny.run(tmp_path, tiny.recipe(epochs=3))
    (tmp_path / "plan.json").unlink()
    tiny.run(tmp_path, tiny.recipe(epochs=1))
    assert len(lines(tmp_path, "step")) == 6
    assert (tmp_path / "state" / "latest").read_text().strip() == "step-6"


def test_another_recipe_or_network_is_refused_on_resume(tmp_path: Path) -> None:
    tiny.run(tmp_path, tiny.recipe(epochs=1))
    with pytest.raises(UsageError, match=r"another recipe \(batch, optimizer.lr differ\)"):
        tiny.run(tmp_path, tiny.recipe(epochs=1, batch=10, lr=0.5), resume=True)
    other = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    with pytest.raises(DataError, match="another network"):
        tiny.run(tmp_path, tiny.recipe(epochs=1), resume=True, net=other)


def test_global_settings_are_put_back(tmp_path: Path) -> None:
    tiny.run(tmp_path, tiny.recipe(epochs=1))
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_listener_hears_steps_and_evaluations(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []

    class Listener(Silent):
        def update(self, **fields: Any) -> None:
            heard.append(fields)

    tiny.run(tmp_path, tiny.recipe(epochs=1), progress=Listener())
    steps = [fields for fields in heard if "loss" in fields]
    assert [fields["step"] for fields in steps] == [1, 2, 3, 4, 5, 6]
    assert {"total_steps", "epochs", "accuracy", "lr", "images_per_second"} <= set(steps[0])
    assert "val_top1" in heard[-1]


def test_a_recipe_whose_methods_the_step_does_not_carry_out_is_refused(tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=1, methods=("cutout",))
    with pytest.raises(UsageError, match=r"has the methods cutout, the step carries out none"):
        tiny.run(tmp_path, recipe)
    assert not (tmp_path / "state").exists()


def test_a_step_with_methods_that_the_recipe_does_not_have_is_refused(tmp_path: Path) -> None:
    step = StepWithMethods(supervised_step, ("mixup",))
    with pytest.raises(UsageError, match=r"has the methods none, the step carries out mixup"):
        tiny.run(tmp_path, tiny.recipe(epochs=1), step=step)
    tiny.run(tmp_path, tiny.recipe(epochs=1))
