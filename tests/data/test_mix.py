import sys

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import MissingError
from fleetfoot.data.augment import Mix
from fleetfoot.data.mix import mix_batch


def batch(count: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.arange(count * 3 * 12 * 12, dtype=torch.float32).reshape(count, 3, 12, 12)
    return images, torch.eye(count)


def test_processes_draw_for_themselves() -> None:
    images, targets = batch()
    words = {"mix": Mix(mixup=0.8), "seed": 0, "step": 1}
    first, same, second = (mix_batch(images, targets, **words, rank=r)[0] for r in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, second)


def test_nothing_asked_for_nothing_done() -> None:
    images, targets = batch()
    mixed, mixed_targets = mix_batch(images, targets, Mix(), seed=0, step=0)
    assert mixed is images
    assert mixed_targets is targets


@pytest.mark.parametrize(
    "mix",
    [Mix(mixup=0.8), Mix(cutmix=1.0), Mix(mixup=0.2, cutmix=1.0, erasing=0.5)],
)
def test_a_function_of_seed_and_step(mix: Mix) -> None:
    images, targets = batch()
    before = images.clone()
    state = torch.random.get_rng_state()
    first = mix_batch(images, targets, mix, seed=0, step=5)
    torch.rand(7)
    again = mix_batch(images, targets, mix, seed=0, step=5)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    for other in ({"seed": 1, "step": 5}, {"seed": 0, "step": 6}):
        assert not torch.equal(first[0], mix_batch(images, targets, mix, **other)[0])
    assert torch.equal(images, before)
    torch.random.set_rng_state(state)
    mix_batch(images, targets, mix, seed=0, step=5)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_mixup_against_numpy() -> None:
    images, targets = batch()
    mixed, mixed_targets = mix_batch(images, targets, Mix(mixup=0.8), seed=0, step=1)
    share = mixed_targets[0, 0].item()
    assert 0 < share < 1
    for value, result in ((images, mixed), (targets, mixed_targets)):
        plain = value.numpy()
        expected = share * plain + (1 - share) * np.roll(plain, 1, axis=0)
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_cutmix_against_numpy() -> None:
    images, targets = batch()
    mixed, mixed_targets = mix_batch(images, targets, Mix(cutmix=1.0), seed=0, step=3)
    kept = (mixed == images).numpy()
    other = np.roll(images.numpy(), 1, axis=0)
    np.testing.assert_array_equal(mixed.numpy()[~kept], other[~kept])
    np.testing.assert_allclose(kept.mean(), mixed_targets[0, 0].item(), atol=1e-6)
    rows, columns = np.nonzero(~kept[0, 0])
    assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)  # one rectangle


def test_probability_and_choice() -> None:
    images, targets = batch()
    both = Mix(mixup=0.8, cutmix=1.0, mix_probability=0.5)
    kinds = {"none": 0, "cutmix": 0, "mixup": 0}
    for step in range(200):
        mixed, mixed_targets = mix_batch(images, targets, both, seed=0, step=step)
        if torch.equal(mixed_targets, targets):
            kinds["none"] += 1
        else:
            other = images.roll(1, 0)
            whole = ((mixed == images) | (mixed == other)).all()
            kinds["cutmix" if whole else "mixup"] += 1
    assert 70 < kinds["none"] < 130
    assert min(kinds["cutmix"], kinds["mixup"]) > 25


def test_erasing_is_per_image() -> None:
    images, targets = batch(200)
    images = images + 1
    erased, same = mix_batch(images, targets, Mix(erasing=0.25), seed=0, step=0)
    assert torch.equal(same, targets)
    touched = (erased == 0).flatten(1).any(dim=1)
    assert 30 < int(touched.sum()) < 70
    areas = (erased == 0).float().mean(dim=(1, 2, 3))[touched]
    assert areas.unique().numel() > 5


def test_one_image_is_not_mixed() -> None:
    images, targets = batch(1)
    assert torch.equal(mix_batch(images, targets, Mix(mixup=1.0), seed=0, step=0)[0], images)


def test_a_broken_torchvision_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.transforms.v2", None)
    with pytest.raises(MissingError, match=r"torchvision.*pip install"):
        mix_batch(*batch(), Mix(mixup=1.0), seed=0, step=0)
