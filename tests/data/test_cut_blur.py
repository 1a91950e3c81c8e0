"""CutBlur: one box of the other resolution."""

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import ShapeError
from fleetfoot.data.cut_blur import cut_blur


def test_a_box_has_the_other_resolution() -> None:
    low, high = torch.zeros(2, 3, 20, 30), torch.ones(2, 3, 20, 30)
    inside = []
    for seed in range(20):
        out = cut_blur(low, high, torch.Generator().manual_seed(seed))
        assert torch.equal(out, out[:1, :1].expand_as(out))  # one box a batch
        centre = out[0, 0, 10, 15].item()
        rows, columns = np.nonzero(out[0, 0].numpy() == centre)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == height * width
        assert height / 20 == pytest.approx(0.7, abs=0.1)
        assert width / 30 == pytest.approx(0.7, abs=0.1)
        inside.append(centre)
    assert 0.2 < np.mean(inside) < 0.8


def test_a_box_of_everything_is_one_of_the_two() -> None:
    low, high = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    for seed in range(4):
        out = cut_blur(low, high, torch.Generator().manual_seed(seed), alpha=2.0)
        assert out.unique().numel() == 1


def test_shapes_must_be_equal() -> None:
    with pytest.raises(ShapeError, match="equal shapes"):
        cut_blur(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 4, 4), torch.Generator())
