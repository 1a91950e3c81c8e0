"""Frequency Dropout against formulas in NumPy: kernels, draws, filtering, modes."""

import math

import numpy as np
import pytest
import torch

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.core.errors import UsageError
from fleetfoot.measure.counts import count
from fleetfoot.ops.frequency_dropout import (
    FAMILIES,
    Family,
    FrequencyDropout,
    draw_kernels,
    draw_sigma,
    filter_channels,
    kernels,
)


def one(family: str, sigma: float, **words) -> np.ndarray:
    return kernels(family, torch.tensor([sigma], dtype=torch.float64), **words)[0, 0].numpy()


def by_hand(family: str, sigma: float) -> np.ndarray:
    found = np.zeros((3, 3))
    for row in range(3):
        for column in range(3):
            dx, dy = column - 1, row - 1
            square, bell = dx**2 + dy**2, 2 * sigma**2
            if family == "gaussian":
                value = math.exp(-square / bell) / (math.pi * bell)
            elif family == "laplacian":
                value = -(1 - square / bell) * math.exp(-square / bell) / (math.pi * sigma**4)
            else:
                value = math.exp(-(dx**2) / bell) * math.cos(2 * math.pi * dx / 3)
            found[row, column] = value
    return found if family == "gabor" else found / found.sum()


@pytest.mark.parametrize("family", ["gaussian", "laplacian", "gabor"])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0])
def test_kernels_are_the_published_formulas(family: str, sigma: float) -> None:
    np.testing.assert_allclose(one(family, sigma), by_hand(family, sigma), atol=1e-12)


def test_kernels_have_the_values_of_the_sheet() -> None:
    rows = one("laplacian", 1.0)
    assert rows[1].tolist() == pytest.approx([0.137, 0.452, 0.137], abs=5e-4)
    assert rows[0, 0] == pytest.approx(0, abs=1e-12)
    assert one("laplacian", 3.0)[1].tolist() == pytest.approx([0.115, 0.129, 0.115], abs=5e-4)
    sharp = one("laplacian", 0.55)
    assert sharp[1, 1] == pytest.approx(6.2, abs=0.05)
    assert np.abs(sharp).sum() == pytest.approx(11.5, abs=0.6)
    assert one("gabor", 1.0).sum() == pytest.approx(3 * (1 - math.exp(-0.5)))


def test_sharpening_keeps_the_mean_and_lifts_high_frequencies() -> None:
    found = one("sharpen", 1.0, size=7)
    assert found.sum() == pytest.approx(1)
    checker = (-1.0) ** np.add.outer(np.arange(7), np.arange(7))
    assert (found * checker).sum() > 1


@pytest.mark.parametrize("family", FAMILIES)
def test_no_width_is_the_identity(family: str) -> None:
    identity = one(family, 0.05)
    assert identity[1, 1] == 1
    assert np.abs(identity).sum() == 1


def test_three_axes_by_the_same_formula() -> None:
    found = one("gaussian", 0.8, axes=3)
    assert found.shape == (3, 3, 3)
    assert found[1, 1, 2] / found[1, 1, 1] == pytest.approx(math.exp(-1 / (2 * 0.64)))
    assert found[0, 0, 0] / found[1, 1, 1] == pytest.approx(math.exp(-3 / (2 * 0.64)))
    layer = FrequencyDropout(2, axes=3)
    assert layer(torch.randn(1, 2, 4, 5, 6)).shape == (1, 2, 4, 5, 6)


def test_widths_are_uniform_or_absent() -> None:
    torch.manual_seed(0)
    sigma = draw_sigma(Family(0.4, 0.2, 1.0), 20_000)
    assert (sigma == 0).double().mean().item() == pytest.approx(0.4, abs=0.02)
    drawn = sigma[sigma > 0]
    assert 0.2 <= drawn.min() < 0.21
    assert 0.99 < drawn.max() <= 1.0
    assert drawn.mean().item() == pytest.approx(0.6, abs=0.01)
    assert not draw_sigma(Family(1.0, 0.2, 1.0), 50).any()


def test_filters_each_channel_alone_with_zeros_around() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    weights = kernels("gaussian", torch.tensor([0.3, 0.6, 0.9], dtype=torch.float64))
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = np.zeros(x.shape)
    for c in range(3):
        for row in range(4):
            for column in range(5):
                window = padded[:, c, row : row + 3, column : column + 3]
                expected[:, c, row, column] = (window * weights[c, 0].numpy()).sum(axis=(1, 2))
    np.testing.assert_allclose(filter_channels(x, weights), expected, atol=1e-12)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: filter_channels(x, weights), (x,))


def test_a_blur_takes_high_frequencies_by_its_response() -> None:
    torch.manual_seed(0)
    noise = torch.randn(1, 1, 256, 256)
    found = filter_channels(noise, kernels("gaussian", torch.ones(1)))
    power = torch.fft.fft2(found).abs() ** 2 / torch.fft.fft2(noise).abs() ** 2
    row = by_hand("gaussian", 1.0).sum(axis=0)
    response = (row[1] + 2 * row[0] * np.cos(2 * np.pi * 96 / 256)) ** 2
    along = power[0, 0, 0:3, 96].mean().item()
    assert along == pytest.approx(response, rel=0.5)


def test_a_pass_draws_in_training_and_evaluation_is_the_identity() -> None:
    torch.manual_seed(0)
    layer, x = FrequencyDropout(8, families=("gaussian",)), torch.randn(2, 8, 6, 6)
    torch.manual_seed(1)
    first = layer(x)
    assert not torch.equal(layer(x), first)
    torch.manual_seed(1)
    assert torch.equal(layer(x), first)
    assert layer.eval()(x) is x
    assert not layer.state_dict()
    x.requires_grad_()
    layer.train()
    (layer(x).sum() + layer(x).sum()).backward()  # twice in one pass: each has its own filters


def test_an_epoch_keeps_its_filters_at_evaluation() -> None:
    torch.manual_seed(0)
    layer = FrequencyDropout(8, redraw="epoch", keep=True)
    x = torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(layer(x), x)
    layer.draw(("gaussian",), generator=torch.Generator().manual_seed(5))
    first = layer(x)
    assert torch.equal(layer(x), first)
    assert torch.equal(layer.eval()(x), first)
    expected = draw_kernels(("gaussian",), 8, generator=torch.Generator().manual_seed(5))
    assert torch.equal(layer.kernels, expected)


def test_cost_of_what_stays_is_counted() -> None:
    for keep, macs in ((True, 9 * 120), (False, 0)):
        layer = FrequencyDropout(6, keep=keep)
        formula = formula_for(layer)
        assert formula is not None
        assert formula(layer, (1, 6, 5, 4)) == Cost(macs)
        assert count(layer, (6, 5, 4)).macs == macs


def test_says_what_it_is_and_refuses_nonsense() -> None:
    assert "4, gaussian, size=3, redraw=pass" in repr(FrequencyDropout(4, families=("gaussian",)))
    with pytest.raises(UsageError, match="family='sobel'"):
        FrequencyDropout(4, families=("sobel",))
    with pytest.raises(UsageError, match="size=4 is no odd side"):
        kernels("gaussian", torch.ones(2), size=4)
