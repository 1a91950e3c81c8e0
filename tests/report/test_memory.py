import xml.etree.ElementTree as ET

from fleetfoot.report.memory import memory_chart

MEBI = 1 << 20


def test_bars_are_as_high_as_their_bytes() -> None:
    live = [MEBI, 4 * MEBI, 2 * MEBI]
    root = ET.fromstring(memory_chart(live, title="t", names=["<a>", "b", "c"]))
    bars = list(root.iter("rect"))
    heights = [float(bar.get("height") or 0) for bar in bars]
    assert [round(h / heights[0], 1) for h in heights] == [1, 4, 2]
    assert [bar.get("class") for bar in bars] == ["bar c1", "bar c2", "bar c1"]  # the peak
    assert bars[0].find("title").text == "<a>: 1.0\u202fMiB"  # type: ignore[union-attr]


def test_the_arena_is_a_line_above_the_peak() -> None:
    root = ET.fromstring(memory_chart([MEBI], title="t", arena=2 * MEBI))
    line = root.find("line[@class='limit']")
    assert line is not None
    assert float(line.get("y1") or 0) < float(next(root.iter("rect")).get("y") or 0)


def test_no_steps_no_chart() -> None:
    assert memory_chart([], title="t") == ""
