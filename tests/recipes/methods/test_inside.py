"""Methods inside a network: which modules a word puts in, and that they leave again."""

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec
from fleetfoot.ops.drop_block import DropBlock2d
from fleetfoot.ops.max_dropout import MaxDropout
from fleetfoot.ops.shake_drop import ShakeDrop
from fleetfoot.ops.target_drop import TargetDrop
from fleetfoot.recipes.method import apply_surgery, method_of
from fleetfoot.train.method_word import MethodWord, methods
from fleetfoot.train.recipe import Recipe

KINDS = {
    "max_dropout:drop=0.2": (MaxDropout, "drop=0.2"),
    "drop_block:rate=0.3,block=2,shared=true": (DropBlock2d, "rate=0.3, block=2, shared"),
    "target_drop:share=0.5,block=3,reduction=2": (TargetDrop, "share=0.5, block=3"),
    "spatial_dropout:rate=0.25": (nn.Dropout2d, "p=0.25"),
    "shake_drop:last=0.5,level=image": (ShakeDrop, "level=image"),
}


def net() -> nn.Module:
    torch.manual_seed(0)
    return ResNetCifar(ResNetCifarSpec(blocks=1, channels=(4, 8)), 3)


@pytest.mark.parametrize("word", KINDS)
def test_a_word_puts_its_modules_behind_each_stage_or_branch(word: str) -> None:
    kind, text = KINDS[word]
    method, model = method_of(MethodWord.parse(word)), net()
    result = method.surgery(model)
    found = [m for m in result.model.modules() if isinstance(m, kind)]
    assert len(found) == len(result.changed) == 2
    assert text in repr(found[-1])
    settled = method.finish(result.model)
    assert not any(isinstance(m, kind) for m in settled.modules())
    assert list(settled.state_dict()) == list(net().state_dict())


def test_a_network_without_stages_is_refused() -> None:
    with pytest.raises(UsageError, match=r"max_dropout finds no place in Linear.*has no stages"):
        apply_surgery(nn.Linear(2, 2), Recipe(methods=methods("max_dropout")))


def test_the_rate_of_squares_rises_only_on_request() -> None:
    assert method_of(MethodWord.parse("drop_block")).step is not None
    assert method_of(MethodWord.parse("drop_block:ramp=false")).step is None


@pytest.mark.parametrize(
    "word",
    [
        "max_dropout:drop=1",
        "drop_block:rate=1",
        "drop_block:block=0",
        "target_drop:share=1",
        "target_drop:block=0",
        "target_drop:reduction=0",
        "spatial_dropout:rate=1",
        "shake_drop:last=1.5",
        "shake_drop:level=row",
        "manifold_mixup:alpha=0",
        "manifold_mixup:layers=0",
        "manifold_mixup:loss=other",
    ],
)
def test_settings_out_of_their_range_are_refused(word: str) -> None:
    with pytest.raises(UsageError):
        method_of(MethodWord.parse(word))
