import xml.etree.ElementTree as ET

from fleetfoot.report.ratios import Ratio, ratio_chart


def ratio(value: float, control: float | None = None) -> Ratio:
    return Ratio(name="<a/b>", value=value, css="good", text="2 / 1 &", title="t", control=control)


def test_the_published_figure_is_the_line_at_1() -> None:
    root = ET.fromstring(ratio_chart([ratio(1.0), ratio(4.0, 0.5)], title="t"))
    limit = root.find("line[@class='limit']")
    dots = [c for c in root.iter("circle") if c.get("class") == "dot good"]
    assert limit is not None
    assert limit.get("x1") == dots[0].get("cx")
    hollow = root.find(".//circle[@class='hollow']")
    assert hollow is not None
    columns = [float(c.get("cx") or 0) for c in (hollow, *dots)]
    assert columns[0] < columns[1] < columns[2]


def test_a_control_without_a_ratio_is_not_drawn() -> None:
    for control in (None, 0.0, -3.0, float("inf")):
        root = ET.fromstring(ratio_chart([ratio(2.0, control)], title="t"))
        assert root.find(".//circle[@class='hollow']") is None


def test_a_far_ratio_stops_at_the_edge() -> None:
    root = ET.fromstring(ratio_chart([ratio(1e9), ratio(1e-9)], title="t"))
    for circle in root.iter("circle"):
        assert 200 < float(circle.get("cx") or 0) < 800


def test_no_lines_no_chart() -> None:
    assert ratio_chart([], title="t") == ""
