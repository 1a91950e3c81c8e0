"""The shortcut without parameters against NumPy, its gradient and its refusal."""

import numpy as np
import pytest
import torch

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.core.errors import ShapeError, UsageError
from fleetfoot.ops.zero_shortcut import ZeroShortcut, zero_shortcut


@pytest.mark.parametrize(("size", "stride"), [((4, 6), 2), ((5, 7), 2), ((5, 4), 1), ((1, 1), 2)])
def test_equals_numpy(size: tuple[int, int], stride: int) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    kept = x.numpy()[:, :, ::stride, ::stride]
    expected = np.concatenate([kept, np.zeros_like(kept)[:, :2]], axis=1)
    np.testing.assert_array_equal(zero_shortcut(x, channels=5, stride=stride).numpy(), expected)
    assert torch.equal(ZeroShortcut(5, stride)(x), torch.from_numpy(expected))


def test_gradient() -> None:
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: zero_shortcut(t, channels=3, stride=2), (x,))


def test_costs_no_arithmetic_and_says_what_it_is() -> None:
    module = ZeroShortcut(8, 2)
    formula = formula_for(module)
    assert formula is not None
    assert formula(module, (1, 4, 6, 6)) == Cost()
    assert "channels=8, stride=2" in repr(module)


@pytest.mark.parametrize(("channels", "stride"), [(0, 2), (-4, 1), (8, 0), (8, -2)])
def test_refuses_nonsense_when_built(channels: int, stride: int) -> None:
    with pytest.raises(UsageError, match=r"(channels|stride)=(0|-4|-2) is too small"):
        ZeroShortcut(channels, stride)


def test_refuses_to_lose_channels() -> None:
    with pytest.raises(ShapeError, match="from 4 to 3 channels"):
        zero_shortcut(torch.zeros(1, 4, 2, 2), channels=3, stride=1)
