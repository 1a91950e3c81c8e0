import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fleetfoot.core.errors import DataError, explain
from fleetfoot.core.out_folder import check_out, expanded, is_vacant

AS_ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False


def test_a_folder_to_be_made_is_left_to_be_made(tmp_path: Path) -> None:
    check_out(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["", "inside", "deep/inside"])
def test_a_file_in_the_way_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"^--out \S*file\S*: .*is a file; name a folder$"):
        check_out(tmp_path / "file" / below)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="the system has no /proc")
def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(DataError, match=r"^--out /proc/self/x: cannot be written"):
        check_out(Path("/proc/self/x"))


def test_a_full_disk_is_found_before_the_work(tmp_path: Path) -> None:
    more = shutil.disk_usage(tmp_path).free + (1 << 40)
    with pytest.raises(OSError, match="No space left") as found:
        check_out(tmp_path, least_free=more)
    assert found.value.errno == errno.ENOSPC
    message, code = explain(found.value)
    assert message.startswith(f"{tmp_path}: the disk is full")
    assert code == 1


def test_a_fresh_volume_is_vacant(tmp_path: Path) -> None:
    assert is_vacant(tmp_path)
    assert is_vacant(tmp_path / "absent")
    (tmp_path / "lost+found").mkdir()
    assert is_vacant(tmp_path)
    (tmp_path / "a").touch()
    assert not is_vacant(tmp_path)
    assert not is_vacant(tmp_path / "a")


def test_a_tilde_that_is_nobodys_home_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/x") == Path("/home/me/x")
    assert expanded("~$a.jpg") == Path("~$a.jpg")


MOUNTED = """
set -e
mount -t tmpfs -o size={size} tmpfs {place}
mkdir {place}/lost+found
{python} -c '{code}'
ls {place} {place}/lost+found
"""
WRITE_TWICE = """
from pathlib import Path
from fleetfoot.core.files import new_folder
for text in ("old", "new"):
    with new_folder(Path("{place}")) as folder:
        (folder / "golden").mkdir()
        (folder / "golden" / "a").write_text(text)
        (folder / text).write_text(text)
print((Path("{place}") / "golden" / "a").read_text())
"""


def in_a_volume(place: Path, code: str, *, size: str) -> subprocess.CompletedProcess[str]:
    """Run a program that sees a volume at ``place``, which no other process does."""
    if not (AS_ROOT and shutil.which("unshare")):
        pytest.skip("only root may mount a volume")
    tried = subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True)
    if tried.returncode:
        pytest.skip("the system lets nobody mount a volume")
    place.mkdir()
    script = MOUNTED.format(
        size=size, place=place, python=sys.executable, code=code.format(place=place)
    )
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False
    )


def test_a_mounted_volume_takes_a_new_folder_and_keeps_its_own(tmp_path: Path) -> None:
    done = in_a_volume(tmp_path / "volume", WRITE_TWICE, size="1m")
    assert done.returncode == 0, done.stderr
    said = done.stdout.split()
    assert said[0] == "new"
    assert {"golden", "lost+found", "new"} <= set(said[1:])
    assert "old" not in said


def test_a_small_volume_is_refused_before_the_work(tmp_path: Path) -> None:
    code = "from pathlib import Path; from fleetfoot.core.out_folder import check_out; "
    done = in_a_volume(tmp_path / "volume", code + 'check_out(Path("{place}"))', size="1m")
    assert done.returncode
    assert "No space left on device" in done.stderr
