"""What a recording says of views, of work in place, and of tensors made on the way."""

import torch
from torch import Tensor, nn

from fleetfoot.measure.memory import Step
from fleetfoot.measure.recorder import record

FLOATS = 4 * 3 * 3  # of the input


class PartInPlace(nn.Module):
    """Rectifies the first of four channels where it lies."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        y[:, :1].relu_()
        return y


def test_work_in_place_on_a_part_leaves_the_buffer_as_large_as_it_is() -> None:
    recording = record(PartInPlace(), (1, 4, 3, 3))
    assert recording.records[1].out_shapes == ((1, 1, 3, 3),)
    assert recording.memory.steps == (Step((0,), (1,)), Step((1,), (1,)))
    assert recording.memory.sizes == {0: 4 * FLOATS, 1: 4 * FLOATS}
    assert (recording.memory.inputs, recording.memory.outputs) == ((0,), (1,))


class WithNoise(nn.Module):
    """Adds a tensor that it makes itself; the weight is no buffer of the schedule."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.ones(x.shape, device=x.device)
        return x * self.weight + noise


def test_a_tensor_made_on_the_way_lives_from_its_maker() -> None:
    recording = record(WithNoise(), (1, 4, 3, 3), bytes_per_element=2)
    assert recording.memory.steps == (Step((), (1,)), Step((0,), (2,)), Step((2, 1), (3,)))
    assert set(recording.memory.sizes.values()) == {2 * FLOATS}
    assert recording.memory.inputs == (0,)
