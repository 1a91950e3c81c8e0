import pytest

from fleetfoot.core.errors import BudgetError
from fleetfoot.search.candidates import (
    HEADROOM,
    candidates_for,
    choose_within,
    prior,
)
from fleetfoot.search.choice import Candidate, Situation

LITES = frozenset(f"tf_efficientnet_lite{n}" for n in range(3))
PHOTOS = Situation(pixels=256, images=290, weights=LITES)
NO_WEIGHTS = Situation(pixels=256, images=290)


def measured(net: str, size: int, ms: float | None, prior: float = 50.0) -> Candidate:
    return Candidate(
        net=net, size=size, pretrained=True, recipe="transfer", prior=prior, latency_ms_p50=ms
    )


def test_the_prior_follows_the_published_resolution_figures():
    """MobileNetV2 loses 1.1, 3.0, 6.5, 11.5 points at 192, 160, 128, 96 px against 224."""
    at = {size: prior("tf_efficientnet_lite0", size, PHOTOS) for size in (224, 192, 160, 128, 96)}
    lost = [at[224] - at[size] for size in (192, 160, 128, 96)]
    assert lost == pytest.approx([1.1, 3.0, 6.5, 11.5], abs=0.5)


def test_pretrained_weights_outweigh_any_network_from_scratch_on_few_images():
    scratch = max(prior(f"fasternet_t{n}", 224, PHOTOS) for n in range(3))
    assert prior("tf_efficientnet_lite0", 96, PHOTOS) > scratch


def test_candidates_are_the_networks_with_weights_the_best_first():
    found = candidates_for(PHOTOS)
    assert {c.net for c in found} == LITES
    assert [c.prior for c in found] == sorted((c.prior for c in found), reverse=True)
    assert all(c.size % 32 == 0 for c in found)
    assert {c.net for c in candidates_for(NO_WEIGHTS)} > {"fasternet_t0", "fleetnet_small"}
    assert all(not c.pretrained for c in candidates_for(NO_WEIGHTS))


def test_a_named_network_and_size_limit_the_candidates():
    found = candidates_for(PHOTOS, nets=["tf_efficientnet_lite1"], size=160)
    assert [(c.net, c.size) for c in found] == [("tf_efficientnet_lite1", 160)]


def test_the_highest_prior_within_the_budget_wins_and_every_candidate_says_why():
    choice = choose_within(
        [measured("a", 224, 2.7, 75), measured("a", 160, 1.5, 71), measured("b", 96, 0.9, 60)],
        budget_ms=2.0,
        seconds=3.0,
    )
    assert (choice.net, choice.size) == ("a", 160)
    assert [c.kept for c in choice.candidates] == [False, True, True]
    assert "over" in choice.candidates[0].reason


def test_a_candidate_without_headroom_is_dropped():
    close = measured("a", 192, HEADROOM * 2.0 + 0.01, 73)
    choice = choose_within([close, measured("a", 160, 1.0, 70)], budget_ms=2.0, seconds=0)
    assert choice.size == 160


def test_nothing_within_the_budget_names_the_fastest_and_its_time():
    found = [measured("slow", 224, 2.7), measured("fast", 96, 0.912), measured("dead", 64, None)]
    with pytest.raises(BudgetError, match=r"fast at 96 px with 0\.91 ms") as caught:
        choose_within(found, budget_ms=0.01, seconds=0)
    assert "\n" not in str(caught.value)


def test_nothing_measured_is_said():
    with pytest.raises(BudgetError, match="no candidate could be measured"):
        choose_within([measured("dead", 64, None)], budget_ms=5, seconds=0)
