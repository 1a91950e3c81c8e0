import numpy as np
import pytest

from fleetfoot.core.errors import ShapeError
from fleetfoot.deploy.gate import GateSet, allowed_loss, compare, judge, spread

REFERENCE = np.array([[3.0, 0], [0, 3], [3, 0], [0, 3]], dtype=np.float32)
LABELS = np.array([0, 1, 0, 0])


def test_parity_by_hand():
    logits = REFERENCE.copy()
    logits[0] = [3.0, 3.5]  # was right, now wrong
    logits[3] = [4.0, 3.0]  # was wrong, now right
    parity = compare(logits, REFERENCE, labels_N=LABELS)
    assert (parity.correct_reference, parity.correct, parity.net_lost) == (3, 3, 0)
    assert parity.top1_agreement == 0.5
    assert (parity.max_logit_difference, parity.worst_image) == (4.0, 3)
    assert parity.mean_logit_difference == pytest.approx(7.5 / 8)


@pytest.mark.parametrize(("images", "allowed"), [(3, 1), (199, 1), (200, 2), (500, 5)])
def test_allowed_loss(images: int, allowed: int):
    assert allowed_loss(images, 0.01) == allowed


def test_places_are_spread_over_sorted_images():
    classes = np.repeat(np.arange(10), 100)
    assert np.bincount(classes[spread(1000, 50)]).tolist() == [5] * 10
    assert spread(3, 50).tolist() == [0, 1, 2]


def lost(images: int, wrong: int, agreeing: int | None = None):
    """Parity of a form that loses ``wrong`` images; ``agreeing`` answers stay as they were."""
    labels = np.zeros(images, int)
    reference = np.tile(np.float32([1, 0, 0]), (images, 1))
    logits = reference.copy()
    logits[:wrong] = [0, 1, 0]
    if agreeing is not None:  # reference and form are wrong on these, each in its own way
        reference[agreeing:], logits[agreeing:] = [0, 1, 0], [0, 0, 1]
    return compare(logits, reference, labels_N=labels)


def test_lost_images_decide():
    verdict = judge(lost(100, 3), precision="int8", max_drop=0.01)
    assert not verdict.passed
    assert verdict.reason == "int8: 3 of 100 images lost, 1 allowed"
    assert judge(lost(100, 1), precision="int8", max_drop=0.01).passed


def test_agreement_has_room_for_chance_below_500_images():
    for images, room in ((99, 8), (499, 26), (500, 15)):
        for changed in (room, room + 1):
            parity = lost(images, 0, agreeing=images - changed)
            verdict = judge(parity, precision="int8", max_drop=0.01)
            assert verdict.passed is (changed == room)
        assert verdict.reason == f"int8: {changed} of {images} answers changed, {room} allowed"
    many = lost(99, 0, agreeing=50)
    assert judge(many, precision="int8", max_drop=0.5).passed  # the user is ready to lose as many


def test_a_gain_passes():
    right = np.tile(np.float32([1, 0]), (100, 1))
    reference = right.copy()
    reference[:2] = [0, 1]
    parity = compare(right, reference, labels_N=np.zeros(100, int))
    assert parity.net_lost == -2
    assert judge(parity, precision="int8", max_drop=0.0).passed


def test_without_labels_the_logits_decide():
    small = compare(REFERENCE + 0.01, REFERENCE, labels_N=None)
    large = compare(REFERENCE * 1.5, REFERENCE, labels_N=None)
    assert small.net_lost is None
    assert judge(small, precision="bfloat16", max_drop=0.01).passed
    assert not judge(large, precision="bfloat16", max_drop=0.01).passed


@pytest.mark.parametrize("labels", [LABELS, None])
def test_float32_may_differ_by_rounding_alone(labels):
    logits = REFERENCE.copy()
    logits[0, 0] += 0.01  # of a spread of 1.5; no answer changes, no image is lost
    other = compare(logits, REFERENCE, labels_N=labels)
    verdict = judge(other, precision="float32", max_drop=1.0)
    assert not verdict.passed
    assert verdict.reason == (
        "float32: a logit differs by 0.67% of the spread, 0.2% allowed, which is more than rounding"
    )
    assert judge(other, precision="bfloat16", max_drop=1.0).passed
    rounded = compare(REFERENCE * np.float32(1 + 1e-6), REFERENCE, labels_N=labels)
    assert judge(rounded, precision="float32", max_drop=0.0).passed


def test_the_last_digit_of_a_constant_is_rounding():
    reference = np.full((4, 1), 5.0, np.float32)
    parity = compare(np.nextafter(reference, np.float32(6)), reference, labels_N=None)
    assert parity.logit_spread == 0.0
    assert judge(parity, precision="float32", max_drop=0.0).passed


@pytest.mark.parametrize(("images", "allowed"), [(20, 1), (1000, 2)])
def test_float32_may_change_few_answers_even_where_logits_all_but_tie(images: int, allowed: int):
    reference = np.zeros((images, 2), np.float32)
    reference[:, 0], reference[-1] = 1e-4, [2, -2]
    for changed in (allowed, allowed + 1):
        logits = reference.copy()
        logits[:changed] = logits[:changed, ::-1]
        parity = compare(logits, reference, labels_N=np.zeros(images, int))
        verdict = judge(parity, precision="float32", max_drop=1.0)
        assert verdict.passed is (changed == allowed)
    assert f"{changed} of {images} answers changed, {allowed} allowed" in verdict.reason


def test_values_that_are_not_finite_fail():
    logits = REFERENCE.copy()
    logits[0, 0] = np.nan
    verdict = judge(compare(logits, REFERENCE, labels_N=LABELS), precision="float32", max_drop=1.0)
    assert (verdict.passed, verdict.reason) == (False, "its outputs are not finite numbers")


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="the deployed form gives"):
        compare(REFERENCE[:, :1], REFERENCE, labels_N=LABELS)
    with pytest.raises(ShapeError, match="the gate needs uint8 images"):
        GateSet(np.zeros((0, 4, 4, 3), np.uint8))
    with pytest.raises(ShapeError, match="2 gate images have 1 labels"):
        GateSet(np.zeros((2, 4, 4, 3), np.uint8), np.zeros(1, int))
