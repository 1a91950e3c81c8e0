import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.core.files import (
    new_folder,
    read_json,
    sha256_of,
    write_bytes,
    write_json,
    write_text,
)

FULL = """
import resource, signal, sys
from pathlib import Path
from fleetfoot.core.files import new_folder, write_bytes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    {action}
except OSError as error:
    print(error.errno)
"""


def on_a_full_disk(action: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a statement in a process whose files may not grow beyond 4 KiB."""
    return subprocess.run(
        [sys.executable, "-c", FULL.format(action=action)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"old")
    result = on_a_full_disk("write_bytes(Path('state'), b'x' * 10_000)", tmp_path)
    assert result.stdout.strip() == "27"  # EFBIG; a full disk is ENOSPC in the same place
    assert (tmp_path / "state").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_full_disk_leaves_the_old_folder(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "a").write_text("old")
    action = "\n    ".join(
        [
            "with new_folder(Path('bundle')) as folder:",
            "    (folder / 'a').write_bytes(b'new')",
            "    (folder / 'b').write_bytes(b'x' * 10_000)",
        ]
    )
    result = on_a_full_disk(action, tmp_path)
    assert result.stdout.strip() == "27"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert (tmp_path / "bundle" / "a").read_text() == "old"


def test_a_kill_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "state"
    target.write_bytes(b"old")
    program = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from fleetfoot.core.files import write_bytes\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"write_bytes(Path({str(target)!r}), b'new')\n"
    )
    result = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert result.returncode == -9
    assert target.read_bytes() == b"old"


def test_written_files_are_whole_and_alone(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"\x00\xff")
    write_text(tmp_path / "b", "Käfer\n")
    write_json(tmp_path / "c.json", {"name": "Käfer", "n": None})
    assert (tmp_path / "a").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b").read_text(encoding="utf-8") == "Käfer\n"
    assert read_json(tmp_path / "c.json") == {"name": "Käfer", "n": None}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c.json"]


def test_json_without_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "nowhere" / "a", "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "the bundle has no such file"),
        (b"{", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b"\xff", "is not valid JSON"),
        (b"[1]", "holds no JSON object; the bundle is damaged"),
    ],
)
def test_read_json_says_what_is_wrong(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "bundle.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_json(path, what="bundle")
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_read_json_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_json(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_read_json_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(DataError, match="cannot be read"):
        read_json(path)


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_new_folder_replaces_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "bundle"
    with new_folder(path) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "a").write_text("1")
        assert not path.exists()
    assert (path / "deep" / "a").read_text() == "1"
    with new_folder(path) as folder:
        (folder / "b").write_text("2")
        assert (path / "deep" / "a").read_text() == "1"
    assert [p.name for p in path.iterdir()] == ["b"]
    assert [p.name for p in path.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_new_folder_leaves_the_old_one(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "a").write_text("old")

    def fail() -> None:
        with new_folder(path) as folder:
            (folder / "a").write_text("new")
            raise error

    with pytest.raises(error):
        fail()
    assert (path / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_a_name_in_another_encoding_comes_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    write_json(tmp_path / "a.json", {name: [name]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8").count("caf\\udce9.jpg") == 2
    assert read_json(tmp_path / "a.json") == {name: [name]}
    write_text(tmp_path / "a.html", f"<p>{name}</p>")
    assert (tmp_path / "a.html").read_bytes() == b"<p>caf\\udce9.jpg</p>"
