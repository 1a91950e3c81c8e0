"""There is a folder for what is compiled, whatever the user has or lacks."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetfoot.core.cache_folder import _of_this_process, cache_folder

Find = Callable[[], Path]


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Find:
    """Look as a user whose home and temporary folder lie in the test's folder."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    _of_this_process.cache_clear()
    return cache_folder


def nobody() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_the_cache_of_the_user(find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find() == tmp_path / ".cache" / "fleetfoot"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert find() == tmp_path / "xdg" / "fleetfoot"


def test_without_a_home_a_private_folder(
    find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", nobody)
    found = find()
    assert found.parent == tmp_path / "tmp"
    assert found.stat().st_mode & 0o077 == 0
    assert find() == found


def test_a_home_that_is_no_folder(
    find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert find().parent == tmp_path / "tmp"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="has no such permissions")
def test_what_others_may_write_is_not_trusted(
    find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", nobody)
    shared = find()
    shared.chmod(0o777)
    found = find()
    assert found != shared
    assert found.stat().st_mode & 0o077 == 0
    shared.rmdir()
    shared.symlink_to(tmp_path)
    assert find() not in (shared, tmp_path)
