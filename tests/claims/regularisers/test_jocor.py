"""JoCoR's claim: labels that are wrong by a share, and what is shown of them."""

import pytest
import torch
from torch import nn

from fleetfoot.claims.regularisers.jocor import CLAIMS, NOISE, noisy, pair, with_labels
from fleetfoot.data.loader import Batch

LABELS = torch.arange(5000) % 10


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_share_of_the_labels_is_wrong_and_any_other_class(share: float) -> None:
    found = noisy(LABELS, share, 0)
    wrong = found != LABELS
    assert wrong.float().mean().item() == pytest.approx(share, abs=0.03)
    assert torch.equal(noisy(LABELS, share, 0), found)
    if share:
        assert ((found - LABELS)[wrong] % 10).unique().tolist() == list(range(1, 10))


def test_a_label_of_nine_in_ten_wrong_ones_tells_nothing() -> None:
    found = noisy(LABELS, 0.9, 3)
    counts = torch.bincount(10 * LABELS + found, minlength=100).float() / 500
    assert counts.max().item() < 0.17
    assert counts.min().item() > 0.04


def test_a_step_is_shown_the_other_labels_by_index() -> None:
    seen = []

    def step(net, batch, context):
        seen.extend(batch.labels.tolist())
        return torch.zeros(()), {}

    batch = Batch(torch.zeros(2, 1, 1, 3), torch.tensor([0, 1]), torch.tensor([4, 2]))
    with_labels(torch.tensor([5, 6, 7, 8, 9]), step)(nn.Identity(), batch, None)
    assert seen == [9, 7]


def test_the_two_networks_differ() -> None:
    both = pair("smoke")
    assert not torch.equal(both.first.classifier.weight, both.second.classifier.weight)


def test_chance_is_rejected() -> None:
    (claim,) = CLAIMS
    assert claim.rule(100 * NOISE) == "not reproduced"
