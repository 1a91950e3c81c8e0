"""Table 2: sums instead of pixels, kernels instead of modules; the references run the modules."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.fasternet import fits
from fleetfoot.claims.fasternet.trained_resnet import Seen, Trained, _untrained
from fleetfoot.ops.partial_conv import partial_conv

GENERATOR = torch.Generator().manual_seed(0)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=GENERATOR)


WEIGHT = drawn(6, 16, 3, 3)
MAPS = drawn(5, 16, 7, 6)
SEEN = Seen(MAPS, F.conv2d(MAPS, WEIGHT, padding=1))


def test_the_error_of_a_kernel_is_that_of_its_convolution() -> None:
    kernel = drawn(6, 16, 3, 3)
    difference = F.conv2d(MAPS, kernel, padding=1) - SEEN.outputs
    expected = difference.square().mean() / SEEN.outputs.var(correction=0)
    sums = fits.moments(SEEN)
    assert float(fits.error(kernel.double(), sums)) == pytest.approx(float(expected), rel=1e-5)
    assert float(fits.error(WEIGHT.double(), sums)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", fits.FORMS)
def test_a_form_is_the_operator_of_its_name(name: str) -> None:
    weight = drawn(16, 16, 3, 3)
    dense = fits.FORMS[name](16).kernel(weight)
    alone = torch.stack([weight[channel, channel] for channel in range(16)])[:, None]
    expected = {
        "DW + PW": lambda: F.conv2d(MAPS, alone, padding=1, groups=16),
        "GConv(16) + PW": lambda: F.conv2d(MAPS, alone, padding=1, groups=16),
        "PConv(1/4) + PW": lambda: partial_conv(MAPS, weight[:4, :4]),
        "PW alone": lambda: MAPS,
    }[name]()
    torch.testing.assert_close(F.conv2d(MAPS, dense, padding=1), expected)


def test_groups_of_two() -> None:
    weight = drawn(8, 8, 3, 3)
    dense = fits.in_groups(8, 4).kernel(weight)
    blocks = torch.cat([weight[2 * g : 2 * g + 2, 2 * g : 2 * g + 2] for g in range(4)])
    expected = F.conv2d(MAPS[:, :8], blocks, padding=1, groups=4)
    torch.testing.assert_close(F.conv2d(MAPS[:, :8], dense, padding=1), expected)


def test_a_1x1_convolution_is_fitted_exactly() -> None:
    """With the 3x3 part fixed, the least squares solution over all pixels."""
    sums = fits.moments(SEEN)
    kernel = fits.fitted(fits.FORMS["PW alone"](16), sums, steps=1)
    pixels = MAPS.permute(0, 2, 3, 1).reshape(-1, 16).double()
    wanted = SEEN.outputs.permute(0, 2, 3, 1).reshape(-1, 6).double()
    expected = torch.linalg.lstsq(pixels, wanted).solution.T
    torch.testing.assert_close(kernel[:, :, 1, 1], expected, rtol=1e-4, atol=1e-4)
    assert float(kernel.abs().sum()) == pytest.approx(float(kernel[:, :, 1, 1].abs().sum()))


def test_a_pair_finds_what_a_pair_has_made() -> None:
    pair = nn.Sequential(
        nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.Conv2d(16, 6, 1, bias=False)
    )
    with torch.no_grad():
        sums = fits.moments(Seen(MAPS, pair(MAPS)))
    kernel = fits.fitted(fits.FORMS["DW + PW"](16), sums, steps=60)
    assert float(fits.error(kernel, sums)) < 0.01
    other = fits.fitted(fits.FORMS["PW alone"](16), sums, steps=60)
    assert float(fits.error(other, sums)) > 0.3


def test_fits_are_kept_with_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    net = _untrained((16, 32), 3).eval()
    trained = Trained(net, net, 0.5, drawn(10, 3, 8, 8))
    monkeypatch.setattr(fits, "trained_resnet", lambda _: trained)
    setting = Setting(scale="smoke")
    depthwise, _ = fits.CLAIMS
    measured = depthwise.measure(setting)
    monkeypatch.setattr(fits, "fitted", None)  # not fitted again
    assert depthwise.measure(setting) == measured
    assert len(measured.table) == 4
    errors = fits.errors(setting)
    ratio = sum(errors["DW + PW"].values()) / sum(errors["PConv(1/4) + PW"].values())
    assert measured.value == pytest.approx(ratio)
