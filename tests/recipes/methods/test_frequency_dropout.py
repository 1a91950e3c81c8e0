"""Frequency Dropout in a network: places, the paper's form and the released one."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec
from fleetfoot.ops.frequency_dropout import FrequencyDropout
from fleetfoot.recipes.method import method_of
from fleetfoot.train.method_word import MethodWord


def net() -> ResNetCifar:
    torch.manual_seed(0)
    return ResNetCifar(ResNetCifarSpec(blocks=2, channels=(4, 8)), 3)


def filters(model: nn.Module) -> dict[str, FrequencyDropout]:
    return {n: m for n, m in model.named_modules() if isinstance(m, FrequencyDropout)}


@pytest.mark.parametrize("form", ["paper", "released"])
def test_filters_stand_behind_every_wide_convolution_until_the_end(form: str) -> None:
    model, x = net(), torch.randn(2, 3, 8, 8)
    before, keys = model.eval()(x), [*model.state_dict()]
    found = method_of(MethodWord.parse(f"frequency_dropout:form={form}"))
    result = found.surgery(model.train())
    assert len(result.changed) == len(filters(model)) == 9
    torch.testing.assert_close(model.eval()(x), before)  # nothing was drawn
    model.train()
    model(x)
    finished = found.finish(model)
    assert [*finished.state_dict()] == keys
    assert not filters(finished)


def test_one_by_one_convolutions_are_left_alone() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    assert method_of(MethodWord.parse("frequency_dropout")).surgery(model).changed == ()


def drawn(seed: int, epoch: int) -> dict[str, torch.Tensor]:
    model = net()
    found = method_of(MethodWord.parse("frequency_dropout:form=released"))
    found.surgery(model)
    context = SimpleNamespace(recipe=SimpleNamespace(seed=seed), epoch=epoch)
    calls = []
    step = found.step(lambda net, batch, context: calls.append(net) or (None, {}))
    step(model, None, context)
    first = {n: m.kernels.clone() for n, m in filters(model).items()}
    step(model, None, context)  # the same epoch: the same filters
    assert all(torch.equal(m.kernels, first[n]) for n, m in filters(model).items())
    assert calls == [model, model]
    return first


def test_the_released_form_draws_once_an_epoch() -> None:
    first, again, other = drawn(0, 0), drawn(0, 0), drawn(0, 1)
    assert all(torch.equal(kernels, again[n]) for n, kernels in first.items())
    assert any(not torch.equal(kernels, other[n]) for n, kernels in first.items())
    assert any(not torch.equal(kernels, drawn(1, 0)[n]) for n, kernels in first.items())


def test_equal_widths_of_a_residual_block_share_their_filters() -> None:
    found = drawn(0, 0)
    one, two = (found[f"stages.0.1.branch.{conv}.conv.1"] for conv in ("conv1", "conv2"))
    assert torch.equal(one, two)
    assert not torch.equal(one, found["stages.0.0.branch.conv1.conv.1"])


def test_the_paper_form_draws_in_every_step() -> None:
    model = net()
    found = method_of(MethodWord.parse("frequency_dropout:form=paper,filters=gaussian"))
    found.surgery(model)
    x = torch.randn(2, 3, 8, 8)
    torch.manual_seed(0)
    first = model(x)
    assert not torch.equal(model(x), first)
    torch.manual_seed(0)
    torch.testing.assert_close(model(x), first)
