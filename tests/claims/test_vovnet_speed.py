"""Ratios from made-up rows; the control of the bottleneck saves the same work."""

from typing import Any

import pytest
import torch

from fleetfoot.claims import vovnet_speed
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.osa_forms import bottlenecked
from fleetfoot.measure.counts import count
from fleetfoot.nets.vovnet import V27_SLIM, VoVNet

ROWS = (
    {"network": "a", "latency_ms_p50": 6.0, "gflops": 10.0},
    {"network": "b", "latency_ms_p50": 2.0, "gflops": 40.0},
)


def test_a_ratio_is_of_the_column_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vovnet_speed, "timed", lambda *_: ROWS)
    smoke = Setting(scale="smoke")
    assert vovnet_speed.ratio("latency_ms_p50", "a", "b", ("a", "b"))(smoke).value == 3.0
    assert vovnet_speed.ratio("gflops", "b", "a", ("a", "b"))(smoke).value == 4.0


def work_of_modules(net: torch.nn.Module) -> list[int]:
    modules = vovnet_speed.osa_modules(net, vovnet_speed.SIDES["cpu"])
    return [count(module, shape).macs for module, shape in modules.values()]


def test_control_and_bottleneck_save_the_same_work() -> None:
    with torch.device("meta"):
        plain, shallow = VoVNet(V27_SLIM, 0), VoVNet(vovnet_speed.SHALLOW, 0)
        nets = (plain, bottlenecked(plain), shallow)
    work = [sum(work_of_modules(net)) for net in nets]
    assert work[1] / work[0] == pytest.approx(0.68, abs=0.005)
    assert work[2] == pytest.approx(work[1], rel=0.01)
    stages = plain.get_submodule("stages")
    assert work[0] == count(stages, (128, 150, 150)).macs


def test_rates_are_work_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Times:
        ms_p50, ms_iqr = 0.5, 0.1

    def times(nets: dict[str, Any], *_: Any) -> dict[str, Times]:
        return dict.fromkeys(nets, Times())

    monkeypatch.setattr(vovnet_speed, "network_ms", times)
    layer = torch.nn.Conv2d(8, 8, 1)
    rows = vovnet_speed.rows_of({"one": layer}, (8, 25, 25), Setting(scale="smoke"))
    assert rows[0]["macs"] == 40_000
    assert rows[0]["gflops"] == pytest.approx(2 * 40_000 / 0.5e-3 / 1e9)
