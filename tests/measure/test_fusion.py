"""Bytes of fused operators: toy graphs worked out by hand."""

from torch import Tensor, nn

from fleetfoot.measure.fusion import fused_elements
from fleetfoot.measure.recorder import record

MAP = 2 * 3 * 3  # elements of every map below


class Toy(nn.Module):
    """A 1x1 convolution and an activation, joined in the ways that matter."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.conv = nn.Conv2d(2, 2, 1, bias=False)  # 4 elements
        self.other = nn.Conv2d(2, 2, 1, bias=False)
        self.act = nn.ReLU()
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return getattr(self, self.how)(x)

    def chain(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x))

    def read_twice(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.act(y) + y

    def returned(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.conv(x)
        return y, self.act(y)

    def after_pool(self, x: Tensor) -> Tensor:
        return self.act(self.pool(x))

    def sum_of_two(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x) + self.other(x))


def fused(how: str) -> int:
    return fused_elements(record(Toy(how), (1, 2, 3, 3)))


def test_an_activation_runs_inside_its_producer() -> None:
    assert fused("chain") == (MAP + 4) + MAP


def test_a_map_that_is_read_twice_is_written() -> None:
    """The sum runs inside the activation: both read what the convolution wrote."""
    assert fused("read_twice") == (MAP + 4 + MAP) + (MAP + MAP)


def test_a_map_that_is_returned_is_written() -> None:
    assert fused("returned") == (MAP + 4 + MAP) + (MAP + MAP)


def test_nothing_runs_inside_a_pool() -> None:
    assert fused("after_pool") == 2 * MAP + 2 * MAP


def test_a_sum_runs_inside_one_of_its_producers() -> None:
    """The other convolution writes its map, and the first reads it: no add of its own."""
    assert fused("sum_of_two") == (MAP + 4 + MAP) + (MAP + 4 + MAP + MAP)
