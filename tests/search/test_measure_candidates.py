from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from fleetfoot.core.listener import Silent
from fleetfoot.deploy.cells import CellTiming
from fleetfoot.ops.class_map import ClassMap
from fleetfoot.search import measure_candidates as module
from fleetfoot.search.choice import Candidate
from fleetfoot.search.measure_candidates import CandidateTimer

SMALL = Candidate(net="fleetnet_small", size=32, pretrained=False, recipe="glyphs", prior=1.0)
WORDS = {"classes": 3, "channels": 1, "threads": 1, "listener": Silent()}


def timed(folder: Path, candidates: list[Candidate], *, seconds: float = 60.0, **words: Any):
    return CandidateTimer(folder, **{**WORDS, **words})(candidates, seconds)


def test_sizes_of_a_network_are_measured_and_a_larger_one_takes_longer(tmp_path: Path):
    small, large = timed(tmp_path, [SMALL, replace(SMALL, size=96, prior=2.0)])
    assert (small.size, large.size) == (32, 96)
    assert small.latency_ms_p50 is not None
    assert large.latency_ms_p50 is not None
    assert large.latency_ms_p50 > 1.5 * small.latency_ms_p50
    assert (small.engine, large.engine) == ("openvino", "openvino")
    assert small.precision is not None


def test_a_network_that_there_is_no_time_to_make_is_left_out(tmp_path: Path):
    assert timed(tmp_path, [SMALL], seconds=-1) == []


def test_what_cannot_run_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(items: list[module.Sized], **_: object) -> dict[str, CellTiming]:
        return {
            item.name: CellTiming(
                name=item.name, latency=None, actual_precision=None, open_ms=None, error="no luck"
            )
            for item in items
        }

    monkeypatch.setattr(module, "measure_deployed", fail)
    (failed,) = timed(tmp_path, [SMALL])
    assert failed.reason == "cannot run: no luck"


@pytest.mark.slow
def test_pretrained_networks_are_measured_with_the_slowest_head_training_may_choose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: list[type] = []

    def look(items: list[module.Sized], **_: object) -> dict[str, CellTiming]:
        seen.extend(type(item.net.classifier) for item in items)
        raise StopIteration

    monkeypatch.setattr(module, "measure_deployed", look)
    lite = replace(SMALL, net="tf_efficientnet_lite0")
    for pretrained in (True, False):
        with pytest.raises(StopIteration):
            timed(tmp_path, [replace(lite, pretrained=pretrained)], channels=3)
    assert seen == [ClassMap, nn.Linear]


def test_a_network_is_measured_with_its_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[list[str]] = []

    def look(items: list[module.Sized], **_: object) -> dict[str, CellTiming]:
        seen.extend([str(node.target) for node in item.net.graph.nodes] for item in items)
        raise StopIteration

    monkeypatch.setattr(module, "measure_deployed", look)
    for options in ({}, {SMALL.net: {"mirrored": True}}):
        with pytest.raises(StopIteration):
            timed(tmp_path, [SMALL], options=options)
    assert ["flip" in targets for targets in seen] == [False, True]


def test_an_option_replaces_the_head_that_would_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def look(items: list[module.Sized], **_: object) -> dict[str, CellTiming]:
        (item,) = items
        assert item.net.classifier.known.out_features == 7
        raise StopIteration

    monkeypatch.setattr(module, "measure_deployed", look)
    lite = replace(SMALL, net="tf_efficientnet_lite0", pretrained=True)
    with pytest.raises(StopIteration):
        timed(tmp_path, [lite], channels=3, options={lite.net: {"class_map": 7}})
