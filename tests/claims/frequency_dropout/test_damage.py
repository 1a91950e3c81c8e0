"""Damages of images by hand, and that the claims' rules are those of their protocol."""

import numpy as np
import pytest

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.frequency_dropout.damage import CLAIMS, DAMAGES, NETS, WITH, damaged, network
from fleetfoot.claims.judgement import train_errors
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
    first, again = (damaged("noise", SMOKE) for _ in range(2))
    assert np.array_equal(first.read(3), again.read(3))
    assert first.read(3).dtype == np.uint8
    assert not np.array_equal(first.read(3), damaged("blur", SMOKE).read(3))


@pytest.mark.slow
def test_a_training_ends_without_filters() -> None:
    pytest.importorskip("sklearn")
    net = NETS.train(WITH, SMOKE, seed=0).net
    assert not any(isinstance(module, FrequencyDropout) for module in net.modules())
    assert [*net.state_dict()] == [*network(WITH, "smoke").state_dict()]


@pytest.mark.slow
def test_damaged_images_state_the_training_error() -> None:
    pytest.importorskip("sklearn")
    found = {claim.id: claim for claim in CLAIMS}["frequencydropout/damaged-images"].measure(SMOKE)
    assert set(train_errors(found)) == {"without", "with frequency_dropout"}
    means = [sum(row[name] for name in DAMAGES) / len(DAMAGES) for row in found.table]
    assert found.value == pytest.approx(means[0] - means[1])


def test_rules_are_those_of_the_protocol() -> None:
    claims = {claim.id: claim for claim in CLAIMS}
    assert claims["frequencydropout/accuracy"].rule(2.5) == "reproduced"
    assert claims["frequencydropout/accuracy"].rule(1.4) == "not reproduced"
    assert claims["frequencydropout/accuracy"].footing["cpu"] == "scaled"
    assert claims["frequencydropout/damaged-images"].rule(1.5) == "partly"
    assert claims["frequencydropout/damaged-images"].footing["gpu"] == "stand-in"
