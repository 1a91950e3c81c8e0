from pathlib import Path

import pytest

from fleetfoot.data.image_files import LeftOut, images_in


def files(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def found(root: Path) -> tuple[list[str], tuple[str, ...]]:
    left_out = LeftOut(root)
    images = [path.relative_to(root).as_posix() for path in images_in(root, left_out)]
    return images, left_out.notes


def test_pictures_are_found_by_name_sorted(tmp_path: Path) -> None:
    root = files(tmp_path, "b.JPG", "a.avif", "deep/c.jp2", "deep/d.Tiff")
    assert found(root) == (["a.avif", "b.JPG", "deep/c.jp2", "deep/d.Tiff"], ())


@pytest.mark.parametrize(
    "folder",
    ["@eaDir", "__MACOSX", "lost+found", "#recycle", "$RECYCLE.BIN", "System Volume Information"],
)
def test_what_systems_put_there_is_left_out_and_named(tmp_path: Path, folder: str) -> None:
    root = files(tmp_path, "a.jpg", f"{folder}/a.jpg", "Thumbs.db")
    images, notes = found(root)
    assert images == ["a.jpg"]
    assert len(notes) == 1
    assert notes[0].startswith("left out, of the system: 2 (")
    assert folder in notes[0]
    assert "Thumbs.db" in notes[0]


def test_hidden_ones_and_no_images_are_named(tmp_path: Path) -> None:
    names = [".AppleDouble/a.jpg", "._a.jpg", ".ipynb_checkpoints/b.png", ".x", ".y"]
    images, notes = found(files(tmp_path, "a.jpg", "list.csv", "README", *names))
    assert images == ["a.jpg"]
    assert notes == (
        "left out, hidden: 5 (.AppleDouble, ._a.jpg, .ipynb_checkpoints and 2 more)",
        "left out, no images: 2 (README, list.csv)",
    )


def test_a_name_that_only_looks_like_one_of_a_system_is_a_folder(tmp_path: Path) -> None:
    root = files(tmp_path, "__background__/a.jpg", "_hidden/b.jpg", "lost/c.jpg", "@home/d.jpg")
    assert len(found(root)[0]) == 4


def test_a_photograph_of_a_format_that_is_not_read_is_given_unless_it_is_there_twice(
    tmp_path: Path,
) -> None:
    images, notes = found(files(tmp_path, "a.heic", "b.CR2", "b.jpg"))
    assert images == ["a.heic", "b.jpg"]
    assert notes == ("left out, there in another format as well: 1 (b.CR2)",)
