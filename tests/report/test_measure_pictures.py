import xml.etree.ElementTree as ET
from typing import Any

from fleetfoot.report.measure_pictures import accuracy_over_latency, latency_over_macs

Json = dict[str, Any]


def cell(net: str, ms: float, macs: int | None = 10**9, engine: str = "eager") -> Json:
    words = {"precision": "float32", "layout": "nchw", "threads": 2, "batch": 1, "size": 8}
    return {"net": net, "engine": engine, "latency_ms_p50": ms, "macs": macs, **words}


def test_the_fastest_of_a_network_is_named() -> None:
    cells = [cell("a", 9.0), cell("a", 3.0, engine="openvino"), cell("b", 5.0, 10**8)]
    root = ET.fromstring(latency_over_macs(cells))
    texts = [node.text for node in root.iter("text")]
    assert texts.count("a") == 1
    assert texts.count("b") == 1
    dots = [c for c in root.iter("circle") if c.find("title") is not None]
    assert [c.get("class") for c in dots] == ["dot c1", "dot c3", "dot c1"]


def test_cells_without_counts_are_left_out() -> None:
    assert latency_over_macs([cell("a", 9.0, None)]) == ""


def test_only_known_accuracies_are_drawn_with_their_front() -> None:
    cells = [cell("a", 9.0), cell("b", 3.0), cell("c", 1.0)]
    known = {"source": "x", "size": 8, "precision": None}
    accuracy = {"a": {"top1": 0.9, **known}, "b": {"top1": 0.5, **known}}
    root = ET.fromstring(accuracy_over_latency(cells, accuracy))
    assert len([c for c in root.iter("circle") if c.find("title") is not None]) == 2
    assert root.find("polyline[@class='line front']") is not None
    assert accuracy_over_latency(cells, {}) == ""


def test_an_accuracy_is_drawn_only_for_what_it_was_found_with() -> None:
    published = {"top1": 0.9, "source": "x", "size": 8, "precision": None}
    same = cell("a", 1.0)
    assert accuracy_over_latency([same], {"a": published})
    for change in ({"size": 16}, {"batch": 8}, {"precision": "int8"}):
        assert accuracy_over_latency([same | change], {"a": published}) == ""
    chosen = published | {"precision": "int8"}
    assert accuracy_over_latency([same], {"a": chosen}) == ""
    assert accuracy_over_latency([same | {"precision": "int8"}], {"a": chosen})
