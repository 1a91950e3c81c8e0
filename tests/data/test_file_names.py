import unicodedata
from pathlib import Path

import pytest

from fleetfoot.data.file_names import identities, on_disk
from fleetfoot.data.source import FileReader

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("written", "there"),
    [
        ("a/b.png", "a/b.png"),
        ("a\\b.png", "a/b.png"),
        (".\\a\\b.png ", "a/b.png"),
        (f"{NFC}/{NFD}.png", f"{NFD}/{NFC}.png"),
        (f"{NFC}\\{NFD}.png", f"{NFD}/{NFC}.png"),
        ("b\\c.png", "b\\c.png"),
        (" d.png", " d.png"),
        ("gone\\x.png ", "gone\\x.png"),
        ("a\0é.png", "a\0é.png"),
    ],
)
def test_the_name_on_disk(tmp_path: Path, written: str, there: str) -> None:
    for name in ("a/b.png", f"{NFD}/{NFC}.png", "b\\c.png", " d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert on_disk(tmp_path, written) == there


def test_names_of_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        (tmp_path / name).touch()
    (tmp_path / "soft").symlink_to("a")
    (tmp_path / "hard").hardlink_to(tmp_path / "a")
    names = ["a", "./a", str(tmp_path / "a"), "soft", "hard", "b", "gone", "gone"]
    found = identities(names, FileReader(tmp_path))
    assert len(set(found[:5])) == 1
    assert len(set(found)) == 3
    assert found[6] == found[7]
    assert identities(["x#0", "x#1"], lambda _: None) == ["x#0", "x#1"]
    monkeypatch.setattr("fleetfoot.data.file_names.LOOKED_UP", 3)
    found = identities(names, FileReader(tmp_path))
    assert found[0] == found[1] == found[2] != found[3]
