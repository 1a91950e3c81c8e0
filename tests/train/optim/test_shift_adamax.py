import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.train.optim import shift_adamax
from fleetfoot.train.optim.optimizers import glorot_factor, make_optimizer, set_lr
from fleetfoot.train.optim.rules import Groups, ShiftAdaMax

BETA1, BETA2 = 0.9, 0.999


def ap2(x: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.where(x == 0, 0.0, np.exp2(np.round(np.log2(np.abs(x)))))


def reference(w: np.ndarray, gradients: list[np.ndarray], rates: list[float]) -> np.ndarray:
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), start=1):
        m = BETA1 * m + (1 - BETA1) * g
        v = np.maximum(BETA2 * v, np.abs(g))
        w = w - ap2(np.asarray(lr / (1 - BETA1**t))) * m / np.maximum(ap2(v), 2.0**-27)
    return w


def trained(rule: ShiftAdaMax, w: np.ndarray, gradients: list[np.ndarray], *, rates: list[float]):
    layer = nn.Linear(*reversed(w.shape), bias=False).double()
    layer.weight.data = torch.from_numpy(w.copy())
    optimizer = make_optimizer(layer, rule)
    assert isinstance(optimizer, shift_adamax.ShiftAdaMax)
    for gradient, lr in zip(gradients, rates, strict=True):
        set_lr(optimizer, lr)
        layer.weight.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
    return layer.weight.detach().numpy(), optimizer


def draws(steps: int) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=(3, 5)) * 10.0 ** rng.integers(-6, 2) for _ in range(steps)]
    for gradient in gradients:
        gradient[0, 0] = 0.0  # a weight that never hears anything
    return rng.uniform(-1, 1, (3, 5)), gradients


RULE = ShiftAdaMax(momentum=BETA1, beta2=BETA2)


def test_is_the_rule_of_the_paper_also_when_the_rate_drops() -> None:
    w, gradients = draws(7)
    rates = [2**-6] * 4 + [2**-7] * 3
    found, _ = trained(RULE, w, gradients, rates=rates)
    np.testing.assert_allclose(found, reference(w, gradients, rates), rtol=1e-12, atol=1e-15)
    assert found[0, 0] == w[0, 0]


def test_every_step_is_a_shift_of_the_mean_gradient() -> None:
    w, gradients = draws(1)
    found, optimizer = trained(RULE, w, gradients, rates=[0.013])
    (state,) = optimizer.state.values()
    moved = gradients[0] != 0
    ratio = (w - found)[moved] / state["mean"].numpy()[moved]
    np.testing.assert_allclose(np.log2(ratio), np.round(np.log2(ratio)), atol=1e-9)


def test_the_largest_gradient_is_forgotten_in_time() -> None:
    gradients = [np.full((1, 1), 1.0)] + [np.full((1, 1), 1e-3)] * 1000
    _, optimizer = trained(RULE, np.zeros((1, 1)), gradients, rates=[2**-10] * 1001)
    (state,) = optimizer.state.values()
    # Rounded to a power of two after every step, as the authors' code stores it, it would stay 1.
    assert state["largest"].item() == pytest.approx(BETA2**1000)
    assert ap2(np.asarray(BETA2)) == 1.0


@pytest.mark.parametrize("form", ["exact", "power_of_two"])
def test_the_glorot_factor_multiplies_the_step_and_is_not_rounded_with_it(form: str) -> None:
    w, gradients = draws(3)
    rates = [0.01, 0.01, 0.003]
    plain, _ = trained(RULE, w, gradients, rates=rates)
    rule = ShiftAdaMax(momentum=BETA1, beta2=BETA2, groups=Groups(glorot=form))
    found, _ = trained(rule, w, gradients, rates=rates)
    factor = np.sqrt((3 + 5) / 1.5) if form == "exact" else 2.0
    np.testing.assert_allclose(found - w, factor * (plain - w), rtol=1e-9)


def test_the_fans_of_a_convolution_count_its_positions() -> None:
    weight = torch.empty(128, 3, 3, 3)
    assert glorot_factor(weight, "exact") == pytest.approx(1 / np.sqrt(1.5 / (27 + 1152)))
    assert glorot_factor(weight, "power_of_two") == 32
    assert glorot_factor(torch.empty(128), "exact") == 1


def test_a_body_that_stands_still_stays() -> None:
    w, gradients = draws(2)
    rule = ShiftAdaMax(groups=Groups(body_lr=0.0))
    found, _ = trained(rule, w, gradients, rates=[0.1, 0.1])
    assert np.array_equal(found, w)


def test_weight_decay_is_added_to_the_gradient() -> None:
    w, gradients = draws(1)
    rule = ShiftAdaMax(momentum=BETA1, beta2=BETA2, weight_decay=0.5)
    found, _ = trained(rule, w, gradients, rates=[2**-6])
    expected = reference(w, [gradients[0] + 0.5 * w], [2**-6])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
