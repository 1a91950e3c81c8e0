import xml.etree.ElementTree as ET

from fleetfoot.report.roofline import roofline

CEILINGS = {"gflops": {"float32": 100.0}, "gb_per_s": {"memory": 10.0, "L2": 50.0}}


def layer(
    intensity: float, gflops: float, ms: float = 1.0, kind: str = "conv"
) -> dict[str, object]:
    return {
        "path": f"stage.<{intensity}>",
        "kind": kind,
        "ms": ms,
        "gflops": gflops,
        "intensity": intensity,
        "roof_fraction": gflops / min(100.0, 10.0 * intensity),
    }


def test_one_dot_a_layer_and_one_line_a_ceiling() -> None:
    chart = roofline([layer(1, 5), layer(40, 80, kind="linear")], CEILINGS, title="t")
    root = ET.fromstring(chart)
    dots = [c for c in root.iter("circle") if c.find("title") is not None]
    assert len(dots) == 2
    assert len(list(root.iter("polyline"))) == 3
    assert "50.0\u202f% of the roof" in chart
    assert "80.0\u202f% of the roof" in chart


def test_area_is_the_share_of_the_time() -> None:
    root = ET.fromstring(roofline([layer(1, 5, 9), layer(40, 80, 36)], CEILINGS, title="t"))
    radii = [float(c.get("r") or 0) for c in root.iter("circle") if c.find("title") is not None]
    assert radii[0] == 2 * radii[1]


def test_nothing_without_ceilings_layers_or_the_precision() -> None:
    assert roofline([], CEILINGS, title="t") == ""
    assert roofline([layer(1, 5)], {"gflops": {}, "gb_per_s": {}}, title="t") == ""
    assert roofline([layer(1, 5)], CEILINGS, title="t", precision="int8") == ""
    unknown = {**layer(1, 5), "gflops": None}
    assert roofline([unknown], CEILINGS, title="t") == ""
