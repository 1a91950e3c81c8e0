"""Ratios from made-up rows; the control of the bottleneck saves the same work."""

import pytest
import torch

from fleetfoot.claims.claim import Claim, Measurement, Scale, Setting
from fleetfoot.claims.judgement import judge
from fleetfoot.claims.vovnet import speed as vovnet_speed
from fleetfoot.claims.vovnet.osa_forms import bottlenecked
from fleetfoot.measure.counts import count
from fleetfoot.measure.latency import summarise
from fleetfoot.nets.vovnet import V27_SLIM, VoVNet

# Time and rate of b change by a factor of two between rounds, and those of a alike.
FOUND = {
    "a": vovnet_speed.Timed(30, summarise([[6.0], [12.0]])),
    "b": vovnet_speed.Timed(40, summarise([[2.0], [4.0]])),
}


def test_ratios_of_times_and_of_rates_are_of_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vovnet_speed, "timed", lambda *_: FOUND)
    smoke, names = Setting(scale="smoke"), ("a", "b")
    times = vovnet_speed.times_as_slow("a", "b", names)(smoke)
    assert (times.value, times.low, times.high) == pytest.approx((3.0, 3.0, 3.0))
    work = vovnet_speed.Timed.ns_per_mac
    rates = vovnet_speed.times_as_slow("a", "b", names, each=work)(smoke)
    assert (rates.value, rates.low, rates.high) == pytest.approx((4.0, 4.0, 4.0))


def test_on_a_cpu_the_figures_of_a_gpu_are_neither_confirmed_nor_refuted() -> None:
    known = {claim.id: claim for claim in vovnet_speed.CLAIMS}
    on_cpu, on_gpu = (known[f"vovnet/speed-densenet201{end}"] for end in ("", "-gpu"))
    slow = Measurement(value=1.0)

    def verdict(claim: Claim, value: float, scale: Scale) -> str:
        return judge(claim, Measurement(value=value), slow, scale).verdict

    assert verdict(on_cpu, 9.0, "cpu") == "points the same way"
    assert verdict(on_cpu, 1.5, "cpu") == "points the other way"
    assert (on_cpu.footing, on_gpu.footing) == ({"cpu": "stand-in"}, {"gpu": "scaled"})
    assert (on_cpu.rule(9.0), on_gpu.rule(9.0)) == ("reproduced", "reproduced")
    assert on_cpu.rule(1.5) == on_gpu.rule(1.5) == "not reproduced"


def work_of_modules(net: torch.nn.Module) -> list[int]:
    modules = vovnet_speed.osa_modules(net, vovnet_speed.SIDES)
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
    monkeypatch.setattr(
        vovnet_speed, "network_ms", lambda nets, *_: dict.fromkeys(nets, summarise([[0.5]] * 2))
    )
    layer = torch.nn.Conv2d(8, 8, 1)
    found = vovnet_speed.side_by_side({"one": layer}, {"one": (8, 25, 25)}, Setting(scale="smoke"))
    row = vovnet_speed.table(found)[0]
    assert row["macs"] == 40_000
    assert row["samples"] == 2
    assert row["gflops"] == pytest.approx(2 * 40_000 / 0.5e-3 / 1e9)
