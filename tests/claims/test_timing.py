"""Timing for claims: shapes of the answers and what is restored, never the times themselves."""

import dataclasses

import pytest
import torch
from torch import nn

from fleetfoot.claims import timing
from fleetfoot.claims.claim import Setting
from fleetfoot.core.errors import FleetfootError, MissingError
from fleetfoot.measure.latency import Schedule, summarise

SMOKE = Setting(scale="smoke")


def test_operators_are_timed_without_autograd_on_so_many_threads() -> None:
    seen: list[tuple[bool, int]] = []
    before = torch.get_num_threads()
    times = timing.operator_ms(
        {"a": lambda: seen.append((torch.is_inference_mode_enabled(), torch.get_num_threads()))},
        SMOKE,
    )
    assert times["a"].samples >= timing.SMOKE.min_samples
    assert set(seen) == {(True, 1)}
    assert torch.get_num_threads() == before


def test_networks_of_different_sizes_side_by_side() -> None:
    nets = {"small": nn.Conv2d(3, 4, 3), "large": nn.Conv2d(1, 4, 3)}
    times = timing.network_ms(nets, {"small": (3, 8, 8), "large": (1, 16, 16)}, SMOKE)
    assert set(times) == {"small", "large"}
    assert all(latency.ms_p50 > 0 for latency in times.values())


def test_the_layout_reaches_the_network() -> None:
    call = timing.network_call(nn.Conv2d(3, 4, 3), (1, 3, 8, 8), "cpu", layout="nhwc")
    assert call().is_contiguous(memory_format=torch.channels_last)


def test_the_same_weights_each_time() -> None:
    first, second = timing.native("fasternet_t0"), timing.native("fasternet_t0")
    assert not first.training
    assert torch.equal(first.stem.conv.weight, second.stem.conv.weight)


def test_a_foreign_network_without_timm_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(MissingError, match=r"fleetfoot\[claims\]"):
        timing.foreign("mobilevit_xxs")


def test_a_ratio_is_of_rounds_and_carries_an_interval() -> None:
    """A machine that gets slower and slower falls on both: each round's ratio is 2."""
    fast = summarise([[t, t, 9 * t] for t in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)])
    slow = summarise([[2 * t, 2 * t, t] for t in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)])
    measured = timing.times_as_long(slow, fast, table=({"row": 1},))
    assert (measured.value, measured.low, measured.high) == pytest.approx((2.0, 2.0, 2.0))
    assert measured.table == ({"row": 1},)
    noisy = summarise([[2.0 * t] for t in (1.0, 2.5, 4.0, 6.0, 16.0, 48.0)])
    wide = timing.times_as_long(noisy, fast)
    assert (wide.low or 0) < 2 < (wide.high or 0)


@pytest.mark.slow
def test_at_full_scale_each_network_has_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Schedule(min_samples=2, min_seconds=0.01, rounds=2, warm_up_seconds=0.01)
    monkeypatch.setattr(timing, "FULL", quick)
    setting = dataclasses.replace(SMOKE, scale="cpu")
    nets = {"fine": nn.Conv2d(3, 4, 3)}
    assert timing.network_ms(nets, (3, 8, 8), setting)["fine"].samples >= 2
    nets["broken"] = nn.Conv2d(3, 4, 3)
    nn.init.constant_(nets["broken"].weight, float("nan"))
    with pytest.raises(FleetfootError, match="broken cannot be timed: its outputs are not finite"):
        timing.network_ms(nets, (3, 8, 8), setting)


def test_rows_have_a_name_further_columns_and_the_time() -> None:
    times = {name: summarise([[ms], [ms]]) for name, ms in (("a", 2.0), ("b", 3.0))}
    rows = timing.rows_of(times, "network", macs={"b": 7, "a": 5})
    assert [
        (row["network"], row["macs"], row["latency_ms_p50"], row["samples"]) for row in rows
    ] == [
        ("a", 5, 2.0, 2),
        ("b", 7, 3.0, 2),
    ]
