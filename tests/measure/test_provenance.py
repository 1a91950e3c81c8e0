"""Provenance: which code ran, by commit and by hash."""

import subprocess
from pathlib import Path

import pytest

from fleetfoot.core.results import to_json
from fleetfoot.measure import provenance as file
from fleetfoot.measure.provenance import provenance

torch = pytest.importorskip("torch")


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in a repository of its own, committed."""
    package = tmp_path / "package"
    (package / "claims" / "results").mkdir(parents=True)
    (package / "claims" / "claim.py").write_text("A = 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    monkeypatch.setattr(file, "SOURCE", package)
    file.code_sha256.cache_clear()
    yield package
    file.code_sha256.cache_clear()


def test_a_source_file_that_differs_is_told_and_a_result_is_not(source: Path) -> None:
    clean = provenance()
    assert (len(clean.commit or ""), clean.dirty) == (40, False)
    (source / "claims" / "results" / "a.b.cpu.json").write_text("{}")
    (source.parent / "outside.py").write_text("")
    assert provenance().dirty is False
    (source / "claims" / "claim.py").write_text("A = 2\n")
    assert provenance().dirty is True


def test_the_hash_is_of_the_source_files(source: Path) -> None:
    before = provenance().code_sha256
    file.code_sha256.cache_clear()
    (source / "claims" / "claim.py").write_text("A = 2\n")
    assert provenance().code_sha256 != before


def test_outside_a_repository_the_commit_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "SOURCE", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    record = to_json(provenance())
    assert (record["commit"], record["dirty"]) == (None, None)
    assert record["machine"]["cpu"]
    assert {record["machine"][key] for key in ("accelerator", "cuda", "driver")} == {None}


def test_an_accelerator_is_told_with_driver_and_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "an accelerator")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(file, "_said", lambda *_: "580.1\n580.1")
    machine = provenance(device="cuda").machine
    assert [machine[key] for key in ("accelerator", "cuda", "driver")] == [
        *("an accelerator", "13.0", "580.1"),
    ]
    monkeypatch.setattr(file, "_said", lambda *_: None)  # no driver's tool
    assert provenance(device="cuda").machine["driver"] is None
