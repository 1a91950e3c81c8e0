"""The list is what it says it is; correlations of made-up rows against a hand count."""

from types import SimpleNamespace
from typing import Any

import pytest

from fleetfoot.claims import rank
from fleetfoot.claims.claim import Setting
from fleetfoot.claims.ledger import claims
from fleetfoot.measure import compare
from fleetfoot.measure.counts import count
from fleetfoot.nets import catalog
from fleetfoot.nets.create import skeleton

SMOKE = Setting(scale="smoke")
# Ranks of the time: 1 2 3 4 5 6
ROWS = tuple(
    {
        "network": name,
        "macs": macs,
        "params": 7 - ms,
        "activations": ms,
        "bytes_moved": moved,
        "bytes_moved_fused": moved,
        "roofline_ms": float(ms),
        "roofline_ms_endless_bandwidth": float(macs),
        "latency_ms_p50": float(ms),
    }
    for name, macs, moved, ms in [
        ("a", 2, 1, 1), ("b", 1, 2, 2), ("c", 4, 3, 3),
        ("d", 3, 4, 4), ("e", 6, 6, 5), ("f", 5, 5, 6),
    ]
)  # fmt: skip


def test_the_list_has_at_least_twenty_networks_of_the_library() -> None:
    assert len(set(rank.NETWORKS)) == len(rank.NETWORKS) >= 20
    assert tuple(sorted(rank.NETWORKS)) == rank.NETWORKS
    for name in rank.NETWORKS:
        entry = catalog.entry(name)
        assert entry.classes == 1000
        if entry.input == rank.IMAGE:
            assert 0.2e9 <= entry.macs <= 5e9, name


@pytest.mark.slow
def test_their_work_is_in_the_range_at_this_size() -> None:
    work = {name: count(skeleton(name), rank.IMAGE).macs for name in rank.NETWORKS}
    assert all(0.2e9 <= macs <= 5e9 for macs in work.values()), work


def test_correlations_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank, "measured_rows", lambda _: ROWS)
    monkeypatch.setattr(compare, "RESAMPLES", 100)
    known = claims()
    macs = known["measuring/macs-rank"]
    # 1 - 6 * sum of squared rank differences / (n (n^2 - 1)): six differences of 1
    assert macs.measure(SMOKE).value == pytest.approx(1 - 6 * 6 / 210)
    assert macs.control(SMOKE).value == 1.0
    assert "roofline_ms 1.000" in macs.measure(SMOKE).note
    assert known["measuring/bytes-rank"].measure(SMOKE).value == pytest.approx(6 * 4 / 210)
    assert known["measuring/bytes-rank"].control(SMOKE).value == pytest.approx(-2 + 6 * 6 / 210)
    roofline = known["measuring/roofline-rank"]
    gain = roofline.measure(SMOKE)
    assert gain.value == pytest.approx(6 * 6 / 210)
    assert gain.low is not None
    assert gain.high is not None
    assert gain.low <= gain.value <= gain.high
    assert roofline.control(SMOKE).value == 0.0


def test_each_network_is_timed_once_in_groups_that_span_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups: list[list[str]] = []

    def times(nets: dict[str, Any], *_: Any) -> dict[str, Any]:
        groups.append(list(nets))
        return dict.fromkeys(nets, SimpleNamespace(ms_p50=1.0, ms_iqr=0.1))

    monkeypatch.setattr(rank, "network_ms", times)
    monkeypatch.setattr(rank, "native", lambda name: name)
    rows = [{"network": str(n), "macs": n} for n in range(10)]
    assert set(rank._timed(rows, rank.IMAGE, SMOKE)) == {str(n) for n in range(10)}
    assert groups == [["0", "2", "4", "6", "8"], ["1", "3", "5", "7", "9"]]


def test_endless_bandwidth_leaves_the_work_alone() -> None:
    ceilings = rank.Ceilings(threads=1, gflops={"float32": 100.0}, gb_per_s={"memory": 10.0})
    row = rank._counted("mobilenetv2_100", (3, 64, 64), ceilings)
    assert row["roofline_ms_endless_bandwidth"] == pytest.approx(2 * row["macs"] / 100e6)
    assert row["roofline_ms"] > row["bytes_moved"] / 10e6
