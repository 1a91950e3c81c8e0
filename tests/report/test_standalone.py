import re
import xml.etree.ElementTree as ET

import pytest

from fleetfoot.report.memory import memory_chart
from fleetfoot.report.standalone import STYLE, standalone


def test_the_file_is_xml_with_its_colours_inside() -> None:
    text = standalone(memory_chart([1 << 20], title="<t>"))
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert (root.get("width"), root.get("height")) == ("760", "300")
    used = {name for words in re.findall(r'class="([^"]+)"', text) for name in words.split()}
    style = root.find("{http://www.w3.org/2000/svg}style")
    assert style is not None
    assert "prefers-color-scheme: dark" in (style.text or "")
    assert {"chart", "grid", "tick", "axis", "c2", "bad"} & used


def test_every_colour_of_the_sheet_is_defined_for_light_and_dark() -> None:
    sheet = STYLE.read_text(encoding="utf-8")
    for name in set(re.findall(r"var\((--[\w-]+)\)", sheet)):
        assert len(re.findall(rf"{name}:", sheet)) == 2, name


def test_what_is_no_chart_is_refused() -> None:
    for text in ("", "<svg></svg>", "<p>"):
        with pytest.raises(ValueError, match="not a chart"):
            standalone(text)
