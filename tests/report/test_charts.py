import xml.etree.ElementTree as ET

from fleetfoot.report.charts import Bar, Line, bar_chart, line_chart, reliability

SVG = ET.Element


def parse(svg: str) -> SVG:
    return ET.fromstring(svg)


def test_line_chart_is_xml_and_inside_its_frame() -> None:
    line = Line("<loss> & more", [(0, 0.0), (50, 9.0), (100, 1.0)], "c1")
    root = parse(line_chart([line], title='"loss"', x_label="step", y_limits=(0, 5)))
    points = root.find("polyline").get("points").split()  # type: ignore[union-attr]
    ys = [float(point.split(",")[1]) for point in points]
    assert min(ys) >= 0  # 9 is beyond the limit and stops at the frame
    assert root.get("aria-label") == '"loss"'


def test_one_point_is_a_dot() -> None:
    root = parse(line_chart([Line("val", [(1, 0.5)], "c2")], title="t", x_label="step"))
    assert root.find("polyline") is None
    assert root.find("circle") is not None


def test_no_points_no_chart() -> None:
    assert line_chart([Line("a", [], "c1")], title="t", x_label="x") == ""
    assert bar_chart([], title="t") == ""
    assert reliability([{"images": 0}], title="t") == ""


def test_bars_are_as_long_as_their_times() -> None:
    bars = [Bar(f"<{t}>", float(t), t * 1.1, "c1", "title") for t in (1, 2, 4)]
    root = parse(bar_chart(bars, title="latency", limit=3.0))
    widths = [float(r.get("width") or 0) for r in root.iter("rect")]
    assert [round(w / widths[0], 1) for w in widths] == [1.0, 2.0, 4.0]
    assert root.find("line[@class='limit']") is not None


def test_reliability_skips_empty_bins() -> None:
    full = {"low": 0.8, "high": 1.0, "confidence": 0.9, "accuracy": 0.7, "images": 5.0}
    empty = {"low": 0.0, "high": 0.2, "confidence": None, "accuracy": None, "images": 0.0}
    root = parse(reliability([empty, full], title="t"))
    titles = [t.text for r in root.iter("rect") for t in r.iter("title")]
    assert len(titles) == 1
    assert "5 images" in (titles[0] or "")
