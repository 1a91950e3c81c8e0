"""Forms of products of signs agree; one that counts filling bits does not."""

import pytest

pytest.importorskip("numba")

from fleetfoot.claims.binary_kernels.exact import signs
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.ledger import claims

SMOKE = Setting(scale="smoke")


@pytest.mark.parametrize("name", ["binarykernels/forms-agree", "binarykernels/zero-border"])
def test_it_holds_and_its_control_fails(name: str) -> None:
    claim = claims()[name]
    assert claim.rule(claim.measure(SMOKE).value) == "reproduced"
    assert claim.rule(claim.control.measure(SMOKE).value) == "not reproduced"


def test_signs_are_signs_in_equal_parts() -> None:
    x = signs(1000, 10)
    assert set(x.ravel().tolist()) == {-1.0, 1.0}
    assert abs(x.mean()) < 0.03
