"""Damages of images by hand, and that the claims' rules are those of their protocol."""

import numpy as np
import pytest

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.frequency_dropout.damage import (
    CLAIMS,
    DAMAGES,
    EFFORTS,
    damaged,
    net_of,
    trained,
)
from fleetfoot.core.seeds import rng
from fleetfoot.ops.frequency_dropout import FrequencyDropout

SMOKE = Setting(scale="smoke")


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 180, (6, 5, 3)).astype(np.float32)


def test_damages_are_what_their_names_say() -> None:
    image, draw = picture(), rng(0)
    blurred = DAMAGES["blur"](image, draw)
    np.testing.assert_allclose(blurred[2, 3], image[1:4, 2:5].mean(axis=(0, 1)), rtol=1e-6)
    corner = (4 * image[0, 0] + 2 * image[0, 1] + 2 * image[1, 0] + image[1, 1]) / 9
    np.testing.assert_allclose(blurred[0, 0], corner, rtol=1e-6)
    np.testing.assert_allclose(DAMAGES["sharpening"](image, draw) + blurred, 2 * image, rtol=1e-6)
    stripes = DAMAGES["stripes"](image, draw) - image
    np.testing.assert_allclose(stripes[:, :, 1], np.tile([30, -30, 30, -30, 30], (6, 1)))
    many = np.zeros((100, 100, 3), np.float32)
    assert DAMAGES["noise"](many, draw).std() == pytest.approx(20, rel=0.03)


def test_damaged_images_are_the_same_every_time() -> None:
    pytest.importorskip("sklearn")
    first, again = (damaged("noise", SMOKE, EFFORTS["cpu"]) for _ in range(2))
    assert np.array_equal(first.read(3), again.read(3))
    assert first.read(3).dtype == np.uint8
    assert not np.array_equal(first.read(3), damaged("blur", SMOKE, EFFORTS["cpu"]).read(3))


@pytest.mark.slow
def test_a_training_ends_without_filters() -> None:
    pytest.importorskip("sklearn")
    net = trained("frequency_dropout", 0, SMOKE).net
    assert not any(isinstance(module, FrequencyDropout) for module in net.modules())
    assert [*net.state_dict()] == [*net_of(SMOKE).state_dict()]


def test_rules_are_those_of_the_protocol() -> None:
    rules = {claim.id: claim.judge for claim in CLAIMS}
    assert rules["frequencydropout/accuracy"](2.5, "cpu") == "partly"  # a stand-in
    assert rules["frequencydropout/accuracy"](1.4, "cpu") == "not reproduced"
    assert rules["frequencydropout/damaged-images"](1.5, "cpu") == "partly"
