"""Figures 3 and 6: counts and shares against values worked out by hand."""

import numpy as np
import pytest
import torch

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.fasternet import filters
from fleetfoot.claims.fasternet.trained_resnet import Trained, _untrained, convolutions


def test_a_filter_is_counted_where_its_norm_over_channels_is_largest() -> None:
    weight = torch.zeros(3, 2, 3, 3)
    weight[0, :, 1, 1] = 3.0  # norm 4.24 at position 5
    weight[0, 0, 0, 0] = 4.0  # 4 at position 1: the largest entry, but not the largest norm
    weight[1, 1, 2, 2] = -1.0
    weight[2, 0, 1, 1] = 1.0
    assert filters.salient_positions(weight).tolist() == [0, 0, 0, 0, 2, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("counts", "lead"), [([1, 2, 1, 0, 6, 3, 0, 0, 0], 2.0), ([8, 0, 0, 0, 4, 0, 0, 0, 0], 0.5)]
)
def test_the_lead_of_the_centre(counts: list[int], lead: float) -> None:
    assert filters._lead(torch.tensor(counts)) == lead


def test_copies_of_one_channel_are_one_direction() -> None:
    draw = np.random.default_rng(0)
    one = torch.from_numpy(draw.normal(size=(4, 1, 9, 9)))
    copies = torch.cat([one * scale for scale in (1, -2, 3, 0.5)], dim=1)
    assert filters.share_of_leading_quarter(copies) == pytest.approx(1.0)
    with_constant = torch.cat((copies, torch.ones(4, 4, 9, 9)), dim=1)
    assert filters.share_of_leading_quarter(with_constant) == pytest.approx(1.0)


def test_independent_channels_share_alike() -> None:
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 8, 32, 32)))
    share = filters.share_of_leading_quarter(noise)
    correlations = np.corrcoef(noise.numpy().swapaxes(0, 1).reshape(8, -1))
    assert share == pytest.approx(np.sort(np.linalg.eigvalsh(correlations))[-2:].sum() / 8)
    assert share == pytest.approx(0.25, abs=0.01)


def test_shuffling_keeps_each_channels_values() -> None:
    maps = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 4, 5, 6)))
    dealt = filters.shuffled(maps)
    assert dealt.shape == maps.shape
    assert not torch.equal(dealt, maps)
    for channel in range(4):
        old, new = (x[:, channel].flatten().sort().values for x in (maps, dealt))
        assert torch.equal(old, new)


def test_claims_look_at_the_trained_network_and_controls_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    initial, net = _untrained((16, 32), 3).eval(), _untrained((16, 32), 3).eval()
    for layers in convolutions(net).values():
        for layer in layers:
            layer.weight.data[:, :, 1, 1] *= 10
    trained = Trained(initial, net, 0.5, torch.randn(4, 3, 8, 8))
    monkeypatch.setattr(filters, "trained_resnet", lambda _: trained)
    figure6, figure3 = filters.CLAIMS
    measured = figure6.measure(Setting())
    assert figure6.rule(measured.value) == "reproduced"
    assert sum(row["filters"] for row in measured.table) == 2 * 16 + 2 * 32
    assert figure6.rule(figure6.control.measure(Setting()).value) == "not reproduced"
    assert figure3.control.measure(Setting()).value < figure3.measure(Setting()).value
