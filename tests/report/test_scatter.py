import itertools
import random
import re
import xml.etree.ElementTree as ET

from fleetfoot.report.plane import Axis
from fleetfoot.report.scatter import Curve, Dot, pareto, scatter, stairs


def test_dots_lie_where_their_figures_say() -> None:
    dots = [Dot(x=x, y=y, css="c1", title=f"<{x}>") for x, y in ((1, 1), (10, 5), (100, 9))]
    x_axis = Axis(label="x", low=1, high=100, log=True)
    y_axis = Axis(label="y", low=1, high=9)
    root = ET.fromstring(scatter(dots, x_axis, y_axis, title="t"))
    circles = list(root.iter("circle"))
    xs, ys = ([float(c.get(name) or "") for c in circles] for name in ("cx", "cy"))
    assert abs(xs[1] - (xs[0] + xs[2]) / 2) < 0.2
    assert abs(ys[1] - (ys[0] + ys[2]) / 2) < 0.2
    assert ys[0] > ys[2]  # upwards
    assert circles[0].find("title").text == "<1>"  # type: ignore[union-attr]


def test_no_dots_no_chart() -> None:
    axis = Axis(label="x", low=0, high=1)
    assert scatter([], axis, axis, title="t") == ""


def test_labels_never_overlap() -> None:
    generator = random.Random(0)
    dots = [
        Dot(x=generator.random(), y=generator.random(), css="c1", title="", label=f"net_{i}")
        for i in range(80)
    ]
    axis = Axis(label="", low=0, high=1)
    chart = scatter(dots, axis, axis, title="t")
    found = re.findall(r'<text class="tick" x="([\d.]+)" y="([\d.]+)">(net_\d+)', chart)
    assert len(found) > 20
    boxes = [(float(x), float(y), 7.2 * len(name)) for x, y, name in found]
    for (x0, y0, w0), (x1, y1, w1) in itertools.combinations(boxes, 2):
        assert abs(y0 - y1) >= 11.9 or x0 + w0 <= x1 + 0.2 or x1 + w1 <= x0 + 0.2


def test_pareto_equals_the_definition() -> None:
    generator = random.Random(1)
    points = [(generator.randint(1, 9), generator.random()) for _ in range(60)]

    def beaten(point: tuple[float, float]) -> bool:
        return any(
            q != point and q[0] <= point[0] and q[1] >= point[1] and q != point for q in points
        )

    expected = {point for point in points if not beaten(point)}
    assert {points[i] for i in pareto(points)} == expected


def test_a_level_line_is_not_written_over() -> None:
    front = [(1.0, 0.5), (3.0, 0.9)]
    dots = [Dot(x=x, y=y, css="c1", title="", label="name") for x, y in front]
    axis = Axis(label="", low=0, high=4)
    chart = scatter(
        dots, axis, Axis(label="", low=0, high=1), title="t", curves=[Curve(stairs(front), "front")]
    )
    label = re.search(r'x="([\d.]+)" y="[\d.]+">name', chart)
    circle = re.search(r'cx="([\d.]+)"', chart)
    assert label
    assert circle
    assert float(label[1]) < float(circle[1])  # to the left: the front leads to the right
