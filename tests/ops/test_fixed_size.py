"""The check of the image size."""

import pytest
import torch

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.core.errors import ShapeError, UsageError
from fleetfoot.ops.fixed_size import FixedSize


def test_hands_images_of_its_size_through() -> None:
    x = torch.randn(2, 3, 6, 6)
    assert FixedSize(6)(x) is x


@pytest.mark.parametrize("size", [(6, 5), (7, 7)])
def test_refuses_another_size(size: tuple[int, int]) -> None:
    with pytest.raises(ShapeError, match=f"6 x 6 images, got {size[0]} x {size[1]}"):
        FixedSize(6)(torch.zeros(1, 3, *size))


@pytest.mark.parametrize("size", [0, -6])
def test_refuses_nonsense_when_built(size: int) -> None:
    with pytest.raises(UsageError, match=f"size={size} is too small"):
        FixedSize(size)


def test_costs_nothing_and_says_what_it_is() -> None:
    module = FixedSize(24)
    formula = formula_for(module)
    assert formula is not None
    assert formula(module, (1, 3, 24, 24)) == Cost()
    assert "24" in repr(module)
