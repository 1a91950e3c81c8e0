"""Which networks are timed at which size, and which time is divided by which."""

from types import SimpleNamespace
from typing import Any

import pytest

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.efficientnet import latency as efficientnet_latency
from fleetfoot.claims.ledger import claims
from fleetfoot.measure.latency import summarise

MS = {"resnet152": 60.0, "resnet101": 40.0, "efficientnet_b1": 10.0, "efficientnet_b7": 300.0}
SEEN: dict[str, tuple[int, ...]] = {}


@pytest.fixture(autouse=True)
def made_up_times(monkeypatch: pytest.MonkeyPatch) -> None:
    def times(_: Any, images: dict[str, tuple[int, ...]], __: Setting) -> dict[str, Any]:
        SEEN.clear()
        SEEN.update(images)
        return {n: summarise([[MS.get(n, 1.0)]] * 2) for n in images}

    monkeypatch.setattr(efficientnet_latency, "network_ms", times)
    monkeypatch.setattr(efficientnet_latency, "native", lambda name: name)
    monkeypatch.setattr(efficientnet_latency, "count", lambda *_: SimpleNamespace(macs=1))


def test_b1_against_resnet152() -> None:
    claim = claims()["efficientnet/b1-against-resnet152"]
    assert claim.measure(Setting(scale="cpu")).value == pytest.approx(6.0)
    assert SEEN == {"resnet152": (3, 224, 224), "efficientnet_b1": (3, 240, 240)}
    assert claim.control.measure(Setting(scale="cpu")).value == pytest.approx(1.5)


def test_b7_against_b1() -> None:
    claim = claims()["efficientnet/b7-against-b1"]
    assert claim.measure(Setting(scale="cpu")).value == pytest.approx(30.0)
    assert len(SEEN) == 8
    assert SEEN["efficientnet_b7"] == (3, 600, 600)
    claim.control.measure(Setting(scale="cpu"))
    assert set(SEEN.values()) == {(3, 224, 224)}
