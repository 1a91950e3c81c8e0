"""The class map against NumPy: probabilities, gradients, extremes, and its refusals."""

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import UsageError
from fleetfoot.ops.class_map import ClassMap, class_map


def test_is_the_law_of_total_probability() -> None:
    generator = np.random.default_rng(0)
    known = generator.normal(size=(5, 7)) * 10
    shares = generator.dirichlet(np.ones(3), size=7)
    given_x = np.exp(known) / np.exp(known).sum(axis=1, keepdims=True)
    found = class_map(torch.from_numpy(known), torch.from_numpy(shares).float().log())
    np.testing.assert_allclose(found.exp().numpy(), given_x @ shares, rtol=1e-4)


def test_the_module_is_the_function() -> None:
    torch.manual_seed(0)
    head = ClassMap(4, 6, 3)
    torch.nn.init.normal_(head.log_shares)
    x = torch.randn(5, 4)
    assert torch.equal(head(x), class_map(head.known(x), head.log_shares))
    assert head(x).shape == (5, 3)


def test_gradients_are_exact() -> None:
    torch.manual_seed(0)
    known = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    log_shares = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(class_map, (known, log_shares))


def test_autocast_keeps_float32_logits() -> None:
    torch.manual_seed(0)
    head = ClassMap(8, 100, 3)
    torch.nn.init.normal_(head.log_shares)
    x = torch.randn(4, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = head(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, head(x), atol=0.05, rtol=0)


def test_shares_that_underflow_stay_finite() -> None:
    assert torch.isfinite(class_map(torch.zeros(1, 2), torch.full((2, 3), -200.0))).all()


def test_far_logits_stay_finite() -> None:
    assert torch.isfinite(class_map(torch.tensor([[1e4, -1e4]]), torch.zeros(2, 3))).all()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0, 6, 3), "^features=0 is too small"),
        ((4, 0, 3), "known_classes=0"),
        ((4, 6, 0), "^classes=0"),
        ((4, -6, 3), "known_classes=-6"),
    ],
)
def test_refuses_nonsense_when_built(sizes: tuple[int, int, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ClassMap(*sizes)
