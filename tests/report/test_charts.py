import xml.etree.ElementTree as ET

import pytest

from fleetfoot.report.charts import Bar, Line, bar_chart, line_chart, reliability
from fleetfoot.report.marks import HEIGHT, WIDTH

SVG = ET.Element


def parse(svg: str) -> SVG:
    return ET.fromstring(svg)


def test_line_chart_is_xml_and_inside_its_frame() -> None:
    line = Line("<loss> & more", [(0, 0.0), (50, 9.0), (100, 1.0)], "c1")
    words = {"x_label": "step", "y_label": "loss"}
    root = parse(line_chart([line], title='"loss"', y_limits=(0, 5), **words))
    points = root.find("polyline").get("points").split()  # type: ignore[union-attr]
    ys = [float(point.split(",")[1]) for point in points]
    assert min(ys) >= 0  # 9 is beyond the limit and stops at the frame
    assert root.get("aria-label") == '"loss"'


def test_one_point_is_a_dot() -> None:
    line = Line("val", [(5.0, 1.0)], "c2")
    root = parse(line_chart([line], title="t", x_label="step", y_label="loss"))
    assert root.find("polyline") is None
    dot = root.find("circle")
    assert dot is not None
    assert 0 < float(dot.get("cx") or 0) < WIDTH
    assert 0 < float(dot.get("cy") or 0) < HEIGHT


def test_no_points_no_chart() -> None:
    assert line_chart([Line("a", [], "c1")], title="t", x_label="x", y_label="y") == ""
    assert bar_chart([], title="t") == ""
    assert reliability([{"images": 0}], title="t") == ""


def test_bars_are_as_long_as_their_times() -> None:
    bars = [Bar(f"<{t}>", float(t), t * 1.1, "c1", "title") for t in (1, 2, 4)]
    root = parse(bar_chart(bars, title="latency", limit=3.0))
    widths = [float(r.get("width") or 0) for r in root.iter("rect")]
    assert [round(w / widths[0], 1) for w in widths] == [1.0, 2.0, 4.0]
    assert root.find("line[@class='limit']") is not None


def test_a_far_whisker_crushes_no_bar() -> None:
    times = [("a", 30.0, 40.0), ("eager", 170.0, 4500.0)]
    bars = [Bar(name, value, high, "c1", "title") for name, value, high in times]
    root = parse(bar_chart(bars, title="latency"))
    short, long = (float(r.get("width") or 0) for r in root.iter("rect"))
    assert long > 0.4 * WIDTH
    assert long / short == pytest.approx(170 / 30, rel=0.01)
    ends = [float(line.get("x2") or 0) for line in root.findall(".//line[@class='whisker']")]
    assert max(ends) <= WIDTH - 62


def test_names_of_bars_begin_on_the_paper() -> None:
    bars = [Bar("onnxruntime bfloat16 nchw", 1.0, None, "c1", "title")]
    root = parse(bar_chart(bars, title="latency"))
    name = next(t for t in root.iter("text") if t.get("class") == "name")
    assert float(name.get("x") or 0) >= 6.5 * len(bars[0].name)


def test_reliability_skips_empty_bins() -> None:
    full = {"low": 0.8, "high": 1.0, "confidence": 0.9, "accuracy": 0.7, "images": 5.0}
    empty = {"low": 0.0, "high": 0.2, "confidence": None, "accuracy": None, "images": 0.0}
    root = parse(reliability([empty, full], title="t"))
    titles = [t.text for r in root.iter("rect") for t in r.iter("title")]
    assert len(titles) == 1
    assert "5 images" in (titles[0] or "")
