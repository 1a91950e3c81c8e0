"""TargetDrop against loops in NumPy, its three gates, and what evaluation does."""

import numpy as np
import pytest
import torch

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.core.errors import UsageError
from fleetfoot.measure.counts import count
from fleetfoot.ops.target_drop import TargetDrop, target_mask


def attention(x: np.ndarray, module: TargetDrop) -> np.ndarray:
    reduce, expand = (w.detach().numpy() for w in (module.reduce_weight, module.expand_weight))
    squeezed = np.maximum(x.mean(axis=(2, 3)) @ reduce.T, 0)
    return 1 / (1 + np.exp(-(squeezed @ expand.T)))


def mask(x: np.ndarray, scores: np.ndarray, targets: int, block: int) -> np.ndarray:
    result = np.ones_like(x)
    for n in range(len(x)):
        for c in np.argsort(-scores[n])[:targets]:
            row, column = np.unravel_index(x[n, c].argmax(), x.shape[2:])
            reach = block // 2
            result[
                n,
                c,
                max(0, row - reach) : row + reach + 1,
                max(0, column - reach) : column + reach + 1,
            ] = 0
    return result


def example(gate: str = "straight") -> tuple[TargetDrop, torch.Tensor]:
    torch.manual_seed(2)
    module = TargetDrop(8, share=0.3, block=3, reduction=2, gate=gate).double()
    return module, torch.randn(5, 8, 6, 7, dtype=torch.float64)


@pytest.mark.parametrize("gate", ["none", "straight", "full"])
def test_is_the_definition(gate: str) -> None:
    module, x = example(gate)
    scores = attention(x.numpy(), module)
    np.testing.assert_allclose(module.attention(x).detach().numpy(), scores)
    cut = mask(x.numpy(), scores, 2, 3)  # 0.3 of 8 channels, rounded
    factor = scores[..., None, None] if gate == "full" else 1.0
    expected = x.numpy() * factor * cut * cut.size / cut.sum()
    np.testing.assert_allclose(module(x).detach().numpy(), expected, atol=1e-6)


def test_evaluation_is_the_input_itself_but_for_the_full_gate() -> None:
    module, x = example()
    assert module.eval()(x) is x
    full, x = example("full")
    expected = x * full.attention(x)[..., None, None]
    assert torch.equal(full.eval()(x), expected)


@pytest.mark.parametrize(("gate", "learns"), [("none", False), ("straight", True), ("full", True)])
def test_the_attention_learns_only_through_a_gate(gate: str, learns: bool) -> None:
    module, x = example(gate)
    x.requires_grad_()
    module(x).square().sum().backward()
    assert x.grad is not None
    assert all((w.grad is not None) == learns for w in module.parameters())


def test_gradient_of_the_full_gate() -> None:
    module, x = example("full")
    x = x[:2, :, :3, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(module, (x,))


def test_at_least_one_channel_is_a_target() -> None:
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    out = target_mask(x, torch.ones(1, 1), share=0.1, block=1)
    assert out.flatten().tolist() == [1.0] * 8 + [0.0]


def test_cost_is_that_of_the_gate() -> None:
    module, full = TargetDrop(6, reduction=2), TargetDrop(6, reduction=2, gate="full")
    assert formula_for(module)(module, (1, 6, 5, 4)) == Cost()
    counted, cost = count(full, (6, 5, 4)), formula_for(full)(full, (1, 6, 5, 4))
    assert (counted.macs, counted.elementwise_ops) == (cost.macs, cost.elementwise_ops)
    assert "gate=full" in repr(full)


@pytest.mark.parametrize(
    "words", [{"share": 1.0}, {"block": 0}, {"block": 4}, {"reduction": 0}, {"gate": "half"}]
)
def test_refuses_what_cannot_be(words: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        TargetDrop(8, **words)
