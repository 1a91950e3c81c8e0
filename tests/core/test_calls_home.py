"""The switches are set; tests/contracts/test_calls_home.py watches what every verb does."""

import os
import sys

import pytest

import fleetfoot  # noqa: F401  importing it sets them
from fleetfoot.core.calls_home import switch_off_telemetry


def test_the_package_sets_the_switches() -> None:
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    with pytest.raises(ImportError):
        import openvino_telemetry  # noqa: F401


def test_what_is_imported_already_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino_telemetry", os)
    switch_off_telemetry()
    assert sys.modules["openvino_telemetry"] is os
