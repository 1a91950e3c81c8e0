import xml.etree.ElementTree as ET

from fleetfoot.report.matrix import matrix, name


def test_cells_are_the_counts() -> None:
    root = ET.fromstring(matrix([[3, 1], [0, 0]], ["<a>", "b"], title="confusion"))
    titles = [t.text for t in root.iter("title")]
    assert titles == ["<a> taken for <a>: 3 of 4", "<a> taken for b: 1 of 4"]
    assert [r.get("class") for r in root.iter("rect")] == ["hit", "miss", "frame"]


def test_many_classes_have_cells_without_words() -> None:
    size = 60
    counts = [[int(i == j) for j in range(size)] for i in range(size)]
    root = ET.fromstring(matrix(counts, [], title="t"))
    assert len(list(root.iter("title"))) == size
    assert len(list(root.iter("text"))) == 2  # the names of the axes


def test_empty() -> None:
    assert matrix([], [], title="t") == ""


def test_names_are_cut_and_never_missing() -> None:
    assert name(["a" * 20], 0, letters=5) == "aaaa\u2026"
    assert name([], 3) == "3"
