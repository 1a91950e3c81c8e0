import pytest
from PIL import Image

from fleetfoot.data.picture_formats import EXTENSIONS, EXTENSIONS_OF, UNREAD, formats, why_unread


def test_every_format_is_pillow_s_and_its_extensions_are_too() -> None:
    Image.init()
    assert set(EXTENSIONS_OF) <= set(formats()) <= {*Image.OPEN, "HEIF"}
    known = Image.registered_extensions()
    aliases = {".jif": "JPEG", ".mpo": "MPO"}
    for kind, extensions in EXTENSIONS_OF.items():
        for extension in extensions:
            assert known.get(extension, kind) in (kind, aliases.get(extension), "MPO", "DIB")


def test_nothing_is_read_and_unread() -> None:
    assert not EXTENSIONS & set(UNREAD)
    assert all(extension == extension.lower() for extension in (*EXTENSIONS, *UNREAD))


@pytest.mark.parametrize("kind", ["EPS", "PDF", "WMF", "TGA"])
def test_what_runs_programs_or_has_no_mark_is_not_tried(kind: str) -> None:
    assert kind not in formats()


def test_reasons_by_name_and_by_content() -> None:
    assert "pillow-heif" in (why_unread("IMG_1.HEIC") or "")
    assert "raw files" in (why_unread("a.nef") or "")
    assert "PDF" in (why_unread("a.jpg", b"%PDF-1.4") or "")
    assert why_unread("a.jpg", b"text") is None
