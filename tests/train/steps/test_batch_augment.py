"""Batch Augment: copies that are alike are the plain step; others are shifted and mirrored."""

from typing import Any

import numpy as np
import pytest
import tiny_run as tiny
import torch
from torch import Tensor, nn

from fleetfoot.data.loader import Batch
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.steps.batch_augment import copies_step, mirrored, shifted
from fleetfoot.train.steps.step import Context, inputs_of, supervised_step

NORMALISE = Normalise(tiny.PREPROCESS, layout="nchw", device=torch.device("cpu"))
PLAIN: dict[str, Any] = {"pad": 0, "flip": 0.0, "average": False}


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (3, 8, 8, 3), dtype=torch.uint8, generator=generator)
    return Batch(pixels, torch.tensor([0, 1, 2]), torch.arange(3))


def context() -> Context:
    return Context(tiny.recipe(), 0, 3, NORMALISE, "float32")


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 3))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(4)


@pytest.mark.parametrize("average", [False, True])
def test_equal_copies_are_the_plain_step(average: bool) -> None:
    model = net()
    plain, _ = supervised_step(model, batch(), context())
    words = {**PLAIN, "average": average}
    loss, _ = copies_step(supervised_step, copies=3, **words)(model, batch(), context())
    torch.testing.assert_close(loss, plain)


def test_copies_are_augmented_apart_and_go_through_the_transforms() -> None:
    seen: list[Tensor] = []

    def keep(net: nn.Module, batch: Batch, context: Context) -> Any:
        seen.append(inputs_of(batch, context)[0])
        assert batch.labels.tolist() == [0, 1, 2, 0, 1, 2]
        assert batch.indices.tolist() == [0, 1, 2, 0, 1, 2]
        return torch.zeros(()), {}

    copies_step(keep, copies=2, pad=2, flip=0.5, average=False)(net(), batch(), context())
    first, second = seen[0].chunk(2)
    assert not torch.equal(first, second)


def test_the_averaged_outputs_give_the_loss() -> None:
    model = net()
    seen: list[Tensor] = []

    def keep(net: nn.Module, batch: Batch, context: Context) -> Any:
        images, _ = inputs_of(batch, context)
        seen.extend((net(images), model(images)))
        return torch.zeros(()), {}

    copies_step(keep, copies=2, pad=2, flip=0.5, average=True)(model, batch(), context())
    averaged, single = seen
    torch.testing.assert_close(averaged, ((single[:3] + single[3:]) / 2).repeat(2, 1))


def test_shifts_are_crops_of_the_reflected_image() -> None:
    images = torch.randn(6, 2, 5, 7)
    found = shifted(images, 2, seeded()).numpy()
    moves = torch.randint(5, (6, 2), generator=seeded()).numpy()
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    for image, whole, (top, left) in zip(found, padded, moves):
        np.testing.assert_array_equal(image, whole[:, top : top + 5, left : left + 7])
    assert shifted(images, 0, seeded()) is images


def test_some_images_are_mirrored() -> None:
    images = torch.randn(200, 1, 2, 3)
    found = mirrored(images, 0.5, seeded())
    is_same = (found == images).flatten(1).all(dim=1)
    assert torch.equal(found[~is_same], images[~is_same].flip(3))
    assert is_same.float().mean().item() == pytest.approx(0.5, abs=0.1)
    assert mirrored(images, 0.0, seeded()) is images
