"""What a recording says of views, work in place, tensors made on the way, and variables."""

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


class KeepsWhatItNeedsNoMore(nn.Module):
    """The variable names the first map until the end, though the third step needs the second."""

    def forward(self, x: Tensor) -> Tensor:
        first = x * 2
        second = first * 2
        return second * 2


def test_a_map_is_held_while_a_variable_names_it() -> None:
    """The caller names the input; each step adds a map and none is given up."""
    size = 4 * FLOATS
    held = record(KeepsWhatItNeedsNoMore(), (1, 4, 3, 3)).held_bytes
    assert held == (2 * size, 3 * size, 4 * size)


def test_a_map_that_is_renamed_is_given_up() -> None:
    chain = nn.Sequential(*(nn.Sigmoid() for _ in range(4)))
    size = 4 * FLOATS  # a Sequential gives a map up when the next module returns
    assert record(chain, (1, 4, 3, 3)).held_bytes == (2 * size, *(3 * size,) * 3)


class WithSigns(nn.Module):
    """Multiplies by the signs of its weights, and takes the sign of what comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        signs = (self.weight >= 0).to(x.dtype).mul_(2).sub_(1)
        return (x * signs >= 0).to(x.dtype)


def test_what_is_computed_from_parameters_alone_is_a_parameter() -> None:
    recording = record(WithSigns(), (1, 4, 3, 3))
    assert [r.op for r in recording.records] == [
        "aten.mul.Tensor",
        "aten.ge.Scalar",
        "aten._to_copy.default",
    ]
    # The comparison is a step too, which ties the sign to what it is the sign of.
    assert recording.memory.steps == (Step((0,), (1,)), Step((1,), (2,)), Step((2,), (3,)))


class AddsToParameter(nn.Module):
    """Begins with a copy of a parameter, to which the image is added where it lies."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 4, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight.clone().add_(x).relu()


def test_what_an_image_was_added_to_is_no_parameter() -> None:
    recording = record(AddsToParameter(), (1, 4, 3, 3))
    assert [r.op for r in recording.records] == ["aten.add_.Tensor", "aten.relu.default"]
