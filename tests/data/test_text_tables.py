import codecs
from pathlib import Path

import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.data.text_tables import read_records

PLAIN = 'path,label\na b.png,cat\n"c, d.png",dog\n'
ROWS = [{"path": "a b.png", "label": "cat"}, {"path": "c, d.png", "label": "dog"}]


def read(path: Path, content: bytes | str) -> list[dict[str, object]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [record.cells for record in read_records(path)]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        "\n\n" + PLAIN.replace("\n", "\n\n"),
        ' Path , LABEL\na b.png, cat\n"c, d.png", dog\n'.replace("cat", '"cat"'),
        'path;label\na b.png;cat\n"c, d.png";dog\n',
        "path\tlabel\na b.png\tcat\nc, d.png\tdog\n",
        "path|label\na b.png|cat\nc, d.png|dog\n",
        "sep=;\r\npath;label\na b.png;cat\nc, d.png;dog\n",
        PLAIN + ",\n , \n",
    ],
)
def test_every_form_of_one_table(tmp_path: Path, content: str) -> None:
    found = read(tmp_path / "t.csv", content)
    assert [{k.strip(): str(v).strip() for k, v in row.items()} for row in found] == ROWS


def test_cells_beyond_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    assert read(path, "path,label,\na,b,\nc,d,,,\n")[1] == {"path": "c", "label": "d", "": ""}
    path.write_text("path,label\na,b\nc, d.png,dog\n")
    assert [record.problem for record in read_records(path)] == [
        "",
        "has 3 cells for 2 columns; put what holds ',' into quotes",
    ]
    assert read(path, "path,label\na\n") == [{"path": "a", "label": None}]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    for name, content in (("t.csv", "path,label\na,café\n"), ("t.jsonl", '{"label": "café"}')):
        assert read(tmp_path / name, content.encode(encoding))[0]["label"] == "café"
    big = codecs.BOM_UTF16_BE + "path,label\na,café\n".encode("utf-16-be")
    assert read(tmp_path / "t.csv", big)[0]["label"] == "café"


def test_another_encoding_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3: holds a byte that is not UTF-8 \(0xe9\); save"):
        read(tmp_path / "t.csv", "path,label\na,b\nc,é\n".encode("latin-1"))
    with pytest.raises(DataError, match="is no readable table"):
        read(tmp_path / "t.csv", codecs.BOM_UTF16_LE + b"p\x00\x00")


def test_a_quote_that_is_not_closed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no readable table \(a quote is not closed\)"):
        read(tmp_path / "t.csv", 'path,label\na,b\n"c,d\n')


def test_lines_are_counted_as_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('sep=,\npath,label\n"a\nb",c\n\nd,e\n')
    assert [record.line for record in read_records(path)] == [3, 6]
    path = tmp_path / "t.jsonl"
    path.write_text('\n{"path": 1}\n\n{"path": 2}\n')
    assert [record.line for record in read_records(path)] == [2, 4]


def test_lines_that_are_not_json_objects(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"path": "a", "label": 1}\n\n{"path": \n')
    with pytest.raises(DataError, match="line 3: is not JSON"):
        read_records(path)
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match="line 1: is not JSON"):
        read_records(path)
    rows = '[\n {"path": "a", "label": 1},\n {"path": "b", "label": 2}\n]\n'
    for whole in ("[1]\n", rows, rows.replace("\n", "")):
        path.write_text(whole)
        with pytest.raises(DataError, match=r"line 1: is no.*; write one object a line: `jq -c"):
            read_records(path)
    path.write_text("1\n2\n")
    with pytest.raises(DataError, match=r"line 1: is no JSON object$"):
        read_records(path)
    path.write_text('{"path": "a", "label": 1}\n{"path": "a", "label": 1, "label": 2}\n')
    with pytest.raises(
        DataError, match=r"line 2: is not JSON \(one object has a key twice: path, l"
    ):
        read_records(path)
