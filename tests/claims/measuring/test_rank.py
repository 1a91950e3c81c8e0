"""The list is what it says it is; correlations of made-up rows against a hand count."""

from typing import Any

import pytest

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.ledger import claims
from fleetfoot.claims.measuring import rank
from fleetfoot.measure import compare
from fleetfoot.measure.counts import count
from fleetfoot.measure.latency import summarise
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
        "roofline_ms_dealt_bytes": float(macs),
        "latency_over_anchor": float(ms),
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
    assert "roofline_ms 1.000" in macs.measure(SMOKE).note
    assert known["measuring/bytes-rank"].measure(SMOKE).value == pytest.approx(6 * 4 / 210)
    assert known["measuring/bytes-rank"].control.measure(SMOKE).value == pytest.approx(
        -2 + 6 * 6 / 210
    )
    roofline = known["measuring/roofline-rank"]
    gain = roofline.measure(SMOKE)
    assert gain.value == pytest.approx(6 * 6 / 210)
    assert gain.low is not None
    assert gain.high is not None
    assert gain.low <= gain.value <= gain.high
    assert roofline.control.measure(SMOKE).value == 0.0


def test_each_network_is_timed_once_in_groups_that_span_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups: list[list[str]] = []

    def times(nets: dict[str, Any], *_: Any) -> dict[str, Any]:
        groups.append(list(nets))
        speed = 2.0 ** len(groups)  # the machine gets slower from group to group
        blocks = {n: 3.0 if n == "resnet18" else 6.0 for n in nets}
        return {n: summarise([[speed * ms]] * 2) for n, ms in blocks.items()}

    monkeypatch.setattr(rank, "network_ms", times)
    monkeypatch.setattr(rank, "native", lambda name: name)
    rows = [{"network": str(n), "macs": n} for n in range(10)]
    times = rank._timed(rows, rank.IMAGE, SMOKE)
    assert set(times) == {str(n) for n in range(10)}
    assert {one["latency_over_anchor"] for one in times.values()} == {2.0}
    assert {one["anchor_ms_p50"] for one in times.values()} == {6.0, 12.0}
    assert groups == [[*"02468", "resnet18"], [*"13579", "resnet18"]]


def test_the_control_of_work_is_one_network_at_growing_sizes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def times(nets: dict[str, Any], *_: Any) -> dict[str, Any]:
        return {name: summarise([[float(n)]] * 2) for n, name in enumerate(nets, 1)}

    monkeypatch.setattr(rank, "network_ms", times)
    monkeypatch.setattr(rank, "native", skeleton)
    claim = claims()["measuring/macs-rank"]
    control = claim.control.measure(Setting(scale="cpu"))
    work = [row["macs"] for row in control.table]
    assert len(work) == 10
    assert work == sorted(work)
    assert control.value == 1.0
    assert claim.rule(control.value) == "not reproduced"


def test_dealing_bytes_again_keeps_work_and_the_sum_of_bytes() -> None:
    names = ("mobilenetv2_100", "resnet18")
    counts = [count(skeleton(name), (3, 64, 64)) for name in names]
    dealt = rank._shuffled(counts)
    assert [[r.macs for r in c.records] for c in dealt] == [
        [r.macs for r in c.records] for c in counts
    ]
    before, after = ([r.bytes_moved for c in cs for r in c.records] for cs in (counts, dealt))
    assert sorted(before) == sorted(after)
    assert before != after


def test_an_estimate_is_at_least_that_of_bytes_and_of_work() -> None:
    ceilings = rank.Ceilings(threads=1, gflops={"float32": 100.0}, gb_per_s={"memory": 10.0})
    counts = count(skeleton("mobilenetv2_100"), (3, 64, 64))
    row = rank._counted({"mobilenetv2_100": counts}, ceilings)[0]
    assert row["roofline_ms"] > max(row["bytes_moved"] / 10e6, 2 * row["macs"] / 100e6)
    assert row["roofline_ms_dealt_bytes"] != row["roofline_ms"]
