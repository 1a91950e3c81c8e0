import xml.etree.ElementTree as ET

from fleetfoot.report.marks import circle, legend, line, polyline, rect, svg, text


def test_whole_pixels_are_written_as_they_are_and_others_to_a_tenth() -> None:
    assert line("grid", 1, 2.0, 3.25, 40) == '<line class="grid" x1="1" y1="2.0" x2="3.2" y2="40"/>'
    assert polyline("c1", [(1, 2), (3.25, 4)]) == (
        '<polyline class="line c1" points="1.0,2.0 3.2,4.0"/>'
    )


def test_a_rectangle_has_further_attributes() -> None:
    assert rect("bar c1", 1, 2, 3.0, 4, rx=2, fill_opacity="0.25") == (
        '<rect class="bar c1" x="1" y="2" width="3.0" height="4" rx="2" fill-opacity="0.25"/>'
    )


def test_svg_escapes_its_title() -> None:
    assert 'aria-label="&quot;&gt;&lt;b"' in svg([], title='"><b')


def test_texts_and_titles_are_escaped() -> None:
    assert ET.fromstring(text("tick", 1, 2, "<a> & b", anchor="end")).text == "<a> & b"
    titled = ET.fromstring(circle("dot", 1, 2, 3, title="<a> & b"))
    assert titled.findtext("title") == "<a> & b"


def test_a_legend_has_a_dot_and_a_text_each_side_by_side() -> None:
    root = ET.fromstring(f"<g>{legend([('c1', 'one'), ('hollow', '<two>')], 10, 20)}</g>")
    assert [c.get("class") for c in root.iter("circle")] == ["dot c1", "hollow"]
    assert [t.text for t in root.iter("text")] == ["one", "<two>"]
    first, second = (float(t.get("x") or 0) for t in root.iter("text"))
    assert first + 30 < second
