"""A child imports the source that its parent imports, nothing that lies about, and ends with it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fleetfoot
from fleetfoot.core.child_process import child_environment, import_folders, look_also_in

CODE = "import os, sys, random, fleetfoot; print(fleetfoot.__file__, os.environ['OMP_NUM_THREADS'])"


def output(words: list[str], **options: object) -> str:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, **options)  # pyright: ignore
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("given", ["{}/more", "", "{}/more:"])  # an empty part is where we are
@pytest.mark.parametrize("how", ["-c", "-m"])
def test_it_imports_our_source_and_nothing_of_the_working_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, how: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", given.format(tmp_path))
    (tmp_path / "random.py").write_text("raise SystemExit('of the user')")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "shown.py").write_text(CODE)
    words = ["-c", CODE] if how == "-c" or not given else ["-m", "shown"]
    found = output(words, env=child_environment(3), cwd=tmp_path)
    assert found.split() == [str(fleetfoot.__file__), "3"]


def test_a_relative_folder_means_the_same_in_a_child(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "lib")
    assert child_environment(1)["PYTHONPATH"].split(os.pathsep)[-1] == str(tmp_path / "lib")


def test_folders_of_the_parent_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "/usr/lib/first"])
    folders = import_folders()
    assert folders == [str(Path.cwd()), "/usr/lib/first"]
    look_also_in(folders)
    assert sys.path == ["", "/usr/lib/first", str(Path.cwd())]


def test_the_command_finds_no_module_where_it_is_called(tmp_path: Path) -> None:
    for name in ("random", "torch", "onnxruntime", "json", "cyclopts"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('of the user')")
    environment = {**os.environ, "PYTHONPATH": str(Path(fleetfoot.__file__).parents[1])}
    words = ["-m", "fleetfoot", "nets", "fleetnet_small"]
    assert "fleetnet_small" in output(words, env=environment, cwd=tmp_path)


CHILD = """
import time
from fleetfoot.core.child_process import end_with_parent
end_with_parent()
print("ready", flush=True)
time.sleep(60)
"""
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


def test_it_ends_with_the_one_that_started_it() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=child_environment(1)) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        killed = time.monotonic()
        parent.kill()
        assert parent.stdout.read() == b""  # the child held it open
    assert time.monotonic() - killed < 20
