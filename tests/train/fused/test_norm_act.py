"""One operation for norm and activation against torch's two: values, gradients, statistics."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fleetfoot.train.fused.norm_act import BatchNormAct2d, activation_name, is_suited

ACTS = (nn.Identity(), nn.ReLU(), nn.ReLU6(), nn.Hardswish(), nn.GELU(), nn.SiLU())
SHAPES = ((4, 5, 6, 7), (2, 40, 9, 9), (3, 1, 5, 4), (2, 3, 1, 1), (1, 6, 1, 2))


def pair(channels: int, act: nn.Module, **words: Any) -> tuple[BatchNormAct2d, nn.Sequential]:
    """Return ours and an independent reference in float64, with the same weights and statistics."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(channels, **words)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    nn.init.normal_(norm.running_mean)
    return BatchNormAct2d(norm, act), nn.Sequential(copy.deepcopy(norm), act).double()


def draws(shape: tuple[int, ...], dtype: torch.dtype = torch.float32, *, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = 3 + 2 * torch.randn(shape, generator=generator)
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


def is_ours(out: Tensor) -> bool:
    return out.grad_fn is not None and "NormAct" in out.grad_fn.name()


def compare(x: Tensor, ours: BatchNormAct2d, exact: nn.Sequential, *, error: float) -> None:
    """Take one step through both; an error is one of a term, and sums have more of them."""
    x, x64 = x.requires_grad_(), x.detach().double().requires_grad_()
    out, expected = ours(x), exact(x64)
    assert is_ours(out)
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert out.dtype == x.dtype
    dy = (draws(out.shape, x.dtype, seed=2) - 3) / 2
    out.backward(dy)
    expected.backward(dy.double())
    deviation = x64.detach().var(dim=(0, 2, 3), correction=0).add(ours.norm.eps).sqrt()
    steepest = float((exact[0].weight.detach() / deviation).abs().max())
    pairs = [(out, expected, 1.0), (x.grad, x64.grad, max(1.0, steepest))]
    for mine, its in zip(ours.norm.parameters(), exact[0].parameters(), strict=True):
        pairs.append((mine.grad, its.grad, dy.numel() / dy.shape[1]))
    for found, wanted, terms in pairs:
        words = {"rtol": error, "atol": error * terms, "check_dtype": False}
        torch.testing.assert_close(found, wanted, **words)
    for found, wanted in zip(ours.norm.buffers(), exact[0].buffers(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6, check_dtype=False)


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_a_step_is_that_of_torch(act: nn.Module) -> None:
    error = 3e-4 if isinstance(act, nn.GELU) else 3e-5
    for shape in SHAPES:
        compare(draws(shape), *pair(shape[1], act), error=error)


def test_a_step_in_bfloat16_is_within_its_rounding() -> None:
    compare(draws((4, 40, 9, 9), torch.bfloat16), *pair(40, nn.GELU()), error=2.0**-7)


def test_other_words_of_the_norm_count() -> None:
    compare(draws((4, 5, 6, 7)), *pair(5, nn.ReLU(), eps=0.5, momentum=0.01), error=1e-4)


def test_a_mean_far_from_zero() -> None:
    x = (draws((8, 5, 9, 9)) + 1000).contiguous(memory_format=torch.channels_last)
    compare(x, *pair(5, nn.Identity()), error=1e-3)


def test_statistics_follow_step_by_step() -> None:
    ours, exact = pair(5, nn.ReLU())
    for seed in range(3):
        x = draws((4, 5, 3, 3), seed=seed)
        ours(x)
        exact(x.double())
    assert ours.norm.num_batches_tracked == 3
    torch.testing.assert_close(ours.norm.running_var, exact[0].running_var.float())
    torch.testing.assert_close(ours.norm.running_mean, exact[0].running_mean.float())


def test_frozen_weights_and_images_without_gradient() -> None:
    ours, exact = pair(5, nn.ReLU())
    ours.norm.weight.requires_grad_(False)
    x, dy = draws((4, 5, 6, 7)), draws((4, 5, 6, 7), seed=2)
    ours(x).backward(dy)
    exact(x.double()).backward(dy.double())
    assert ours.norm.weight.grad is None
    torch.testing.assert_close(ours.norm.bias.grad, exact[0].bias.grad.float())


def test_gradients_may_lie_in_any_order() -> None:
    found = []
    ours, _ = pair(5, nn.GELU())
    for lay in (
        torch.Tensor.clone,
        torch.Tensor.contiguous,
        lambda dy: dy[0, 0, 0, 0].expand(2, 5, 3, 4),
    ):
        x = draws((2, 5, 3, 4)).requires_grad_()
        dy = torch.full((2, 5, 3, 4), 0.7).contiguous(memory_format=torch.channels_last)
        (dx,) = torch.autograd.grad(ours(x), x, lay(dy))
        found.append(dx)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("case", ["evaluation", "default layout", "float64"])
def test_all_else_is_left_to_the_modules(case: str) -> None:
    ours, _ = pair(5, nn.ReLU())
    x = draws((2, 5, 3, 4))
    if case == "evaluation":
        ours.eval()
    elif case == "default layout":
        x = x.contiguous()
    else:
        ours, x = ours.double(), x.double()
    twin = copy.deepcopy(ours.norm)
    out = ours(x)
    assert not is_ours(out)
    assert torch.equal(out, twin(x).relu())
    assert all(map(torch.equal, ours.norm.buffers(), twin.buffers()))


@pytest.mark.parametrize(
    ("shape", "message"), [((1, 5, 1, 1), "more than 1 value per channel"), ((5, 5), "4D input")]
)
def test_torch_says_what_is_wrong(shape: tuple[int, ...], message: str) -> None:
    ours, _ = pair(5, nn.ReLU())
    with pytest.raises(ValueError, match=message):
        ours(torch.zeros(shape))


def test_the_modules_are_shared() -> None:
    norm, act = nn.BatchNorm2d(3), nn.ReLU()
    ours = BatchNormAct2d(norm, act)
    assert ours.norm is norm
    assert ours.act is act
    assert all(
        one is other for one, other in zip(ours.parameters(), norm.parameters(), strict=True)
    )


def test_numbers_that_are_none_are_noticed_in_silence() -> None:
    ours, _ = pair(5, nn.ReLU())
    x = draws((2, 5, 3, 4))
    x[0, 1, 0, 0] = torch.nan
    out = ours(x)
    assert out.isnan().any(dim=(0, 2, 3)).tolist() == [False, True, False, False, False]


@pytest.mark.parametrize("places", [[(0, 0, 1)], [(0, 0, 0), (0, 0, 2)]])
def test_infinity_is_noticed_in_silence(places: list[tuple[int, int, int]]) -> None:
    ours, _ = pair(5, nn.ReLU())
    x = draws((2, 5, 9, 9))
    for sign, (n, h, w) in zip((1, -1), places, strict=False):
        x[n, 1, h, w] = sign * torch.inf
    out = ours(x)
    assert out.isnan().any(dim=(0, 2, 3)).tolist() == [False, True, False, False, False]


def test_exact_types_have_a_kernel_and_nothing_else() -> None:
    class Louder(nn.ReLU):
        pass

    assert activation_name(nn.GELU()) == "gelu"
    assert activation_name(nn.Hardswish(inplace=True)) == "hardswish"
    assert [activation_name(m) for m in (nn.GELU("tanh"), nn.Tanh(), Louder())] == [None] * 3


@pytest.mark.parametrize(
    "words", [{"affine": False}, {"track_running_stats": False}, {"momentum": None}]
)
def test_a_norm_needs_weights_and_a_moving_average(words: dict[str, Any]) -> None:
    assert is_suited(nn.BatchNorm2d(3))
    assert not is_suited(nn.BatchNorm2d(3, **words))
