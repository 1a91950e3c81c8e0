"""The memory claim adds weights and the peak of a call."""

from typing import Any

import pytest

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.vovnet import peak as vovnet_peak

BYTES = {"densenet201": (80, 20), "vovnet39": (30, 10), "resnet50": (1, 1)}


def test_weights_and_the_call_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(name: str, *_: Any) -> dict[str, Any]:
        weights, call = BYTES[name]
        return {"network": name, "weights_bytes": weights, "call_bytes": call}

    monkeypatch.setattr(vovnet_peak, "native", lambda name: name)
    monkeypatch.setattr(vovnet_peak, "_row", row)
    measured = vovnet_peak.memory_ratio(lambda net: net)(Setting(scale="smoke"))
    assert measured.value == (80 + 20) / (30 + 10)
    assert [r["network"] for r in measured.table] == list(BYTES)
