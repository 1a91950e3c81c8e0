"""The model by hand; the ceilings are measured small, and nothing is asked of their size."""

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.measure.counts import count
from fleetfoot.measure.roofline import (
    PRECISIONS,
    Ceilings,
    _drop_disturbed,
    attainable_gflops,
    estimate_ms,
    measure_ceilings,
    operator_ms,
    triad_bytes,
)

ROOF = Ceilings(
    threads=1, gflops={"float32": 100.0, "int8": 400.0}, gb_per_s={"memory": 10.0, "L2": 50.0}
)


def test_the_roof_is_flat_right_of_the_ridge_and_slants_left_of_it():
    assert attainable_gflops(5.0, ROOF) == 50.0
    assert attainable_gflops(10.0, ROOF) == 100.0
    assert attainable_gflops(10.0, ROOF, precision="int8") == 100.0
    assert attainable_gflops(5.0, ROOF, level="L2") == 100.0


def test_an_unknown_ceiling_is_refused_or_none():
    assert attainable_gflops(1.0, ROOF, precision="bfloat16") is None
    with pytest.raises(UsageError, match="no ceiling was measured for bfloat16"):
        estimate_ms(count(nn.Linear(2, 2), (2,)), ROOF, precision="bfloat16")
    assert attainable_gflops(1.0, ROOF, level="L3") is None
    assert operator_ms(1, 1, ROOF, "float32", "L3") is None


def test_the_estimate_is_the_sum_over_operators():
    """A 1x1 convolution from 4 to 8 channels on 10 x 10, then a ReLU, by hand."""
    net = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.ReLU())
    macs, conv_bytes, relu_bytes = 3200, 4 * (400 + 32 + 800), 4 * 1600
    compute, memory = 2 * macs / 100e6, conv_bytes / 10e6  # milliseconds
    assert memory > compute
    expected = memory + relu_bytes / 10e6
    assert estimate_ms(count(net, (4, 10, 10)), ROOF) == pytest.approx(expected)
    wide = Ceilings(threads=1, gflops={"float32": 1.0}, gb_per_s={"memory": 1e6})
    assert estimate_ms(count(net, (4, 10, 10)), wide) == pytest.approx(
        2 * macs / 1e6 + relu_bytes / 1e12
    )


def test_triads_lie_where_they_should():
    caches = {"L1d": 48 << 10, "L2": 2 << 20, "L3": 32 << 20}
    sizes = triad_bytes(caches, 2, 1 << 40)
    assert sizes["memory"] == 128 << 20
    assert sizes["L2"] == 2 << 20  # half of two caches
    assert 4 << 20 < sizes["L3"] < 32 << 20
    assert triad_bytes({}, 1, 1 << 40) == {"memory": 128 << 20}
    assert triad_bytes({"L3": 1 << 40}, 1, 1 << 30)["memory"] == 1 << 30


def test_a_cache_slower_than_memory_is_unknown_with_the_reason():
    rates = {"memory": 10.0, "L3": 9.0, "L2": 40.0}
    assert set(_drop_disturbed(rates)) == {"L3"}
    assert rates == {"memory": 10.0, "L2": 40.0}


def test_ceilings_are_measured_and_threads_put_back():
    before = torch.get_num_threads()
    ceilings = measure_ceilings(1, PRECISIONS, side=64, most_bytes=1 << 20)
    assert torch.get_num_threads() == before
    assert set(ceilings.gflops) | set(ceilings.reasons) - {"L2", "L3"} == set(PRECISIONS)
    assert all(value > 0 for value in (*ceilings.gflops.values(), *ceilings.gb_per_s.values()))
    assert "memory" in ceilings.gb_per_s
    with pytest.raises(UsageError, match="int4"):
        measure_ceilings(1, ("int4",))
