"""A claim's protocol says how thoroughly it trains, from the efforts themselves."""

from fleetfoot.claims.claim import Claim, Control, Effort, Measurement, Needs, Scale, Setting
from fleetfoot.claims.rules import above

EFFORTS: dict[Scale, Effort] = {
    "cpu": Effort(seeds=3, epochs=1, size=24, train_images=4000, test_images=500),
    "gpu": Effort(seeds=5, epochs=30),
}


def measure(_: Setting) -> Measurement:
    return Measurement(value=0.0)


def claim(needs: Needs) -> Claim:
    return Claim(
        id="toy/claim",
        paper="ours",
        sentence="A sentence.",
        protocol="A protocol.",
        unit="points",
        paper_value=None,
        measure=measure,
        rule=above(0.0),
        control=Control("nothing", measure),
        footing={"cpu": "scaled", "long": "scaled", "gpu": "scaled"},
        needs=needs,
    )


def test_a_protocol_ends_with_the_efforts_of_the_scales_it_has() -> None:
    assert claim(Needs(efforts=EFFORTS)).whole_protocol == (
        "A protocol. At the cpu scale: 3 seeds, 1 epoch, 4,000 training images, 500 test images, "
        "24 px. At the long and gpu scales: 5 seeds, 30 epochs, all training images, all test "
        "images."
    )


def test_a_claim_that_trains_nothing_has_its_protocol_alone() -> None:
    assert claim(Needs()).whole_protocol == "A protocol."
