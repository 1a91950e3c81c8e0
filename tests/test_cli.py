"""The words, the exit codes and the two streams; jobs are replaced by small ones here."""

import errno
import inspect
import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from fleetfoot import cli
from fleetfoot.core.errors import (
    BudgetError,
    DataError,
    FleetfootError,
    GateError,
    Interrupted,
    MissingError,
    ShapeError,
    TrainingError,
    UsageError,
)
from fleetfoot.jobs import screen
from fleetfoot.jobs.fit import FitRecord
from fleetfoot.jobs.requests import FitRequest

GOLDEN = Path(__file__).parent / "golden" / "cli_words.json"
VERBS = (
    "audit",
    "claims",
    "compress",
    "deploy",
    "doctor",
    "evaluate",
    "fit",
    "measure",
    "nets",
    "predict",
)
VERBS += ("report",)


def words_now() -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    for verb in VERBS:
        arguments = cli.app[verb].assemble_argument_collection()
        shown = [a for a in arguments if a.parse and not a.children]
        words[verb] = [f"{a.name} ({_kind(a)})" for a in shown]
    return words


def _kind(argument: Any) -> str:
    if argument.index is not None and argument.field_info.kind != inspect.Parameter.KEYWORD_ONLY:
        return "positional"
    default = argument.field_info.default
    return "required" if default is inspect.Parameter.empty else f"default {default!r}"


def test_the_words_are_those_of_the_golden_list():
    """`FLEETFOOT_ACCEPT=1 pytest tests/test_cli.py` accepts a change of the words."""
    now = words_now()
    if os.environ.get("FLEETFOOT_ACCEPT") == "1":
        GOLDEN.write_text(json.dumps(now, indent=1) + "\n")
    assert now == json.loads(GOLDEN.read_text())


def test_every_command_is_in_the_golden_list():
    named = {name for name in cli.app if not name.startswith("-")}
    assert named == set(VERBS)


def replace_job(monkeypatch: pytest.MonkeyPatch, verb: str, job: Any) -> None:
    module = types.ModuleType(f"fleetfoot.jobs.{verb}")
    setattr(module, verb, job)
    monkeypatch.setitem(sys.modules, module.__name__, module)


def raising(error: BaseException) -> Any:
    def job(*_: Any, **__: Any) -> None:
        raise error

    return job


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (FleetfootError("a b"), 1, "fleetfoot: a b"),
        (TrainingError("nan at step 3"), 1, "fleetfoot: nan at step 3"),
        (UsageError("two\nlines"), 2, "fleetfoot: two lines"),
        (ShapeError("shape"), 2, "fleetfoot: shape"),
        (DataError("bad \x1b[31mname\x07"), 3, "fleetfoot: bad \\x1b[31mname\\x07"),
        (BudgetError("too slow"), 4, "fleetfoot: too slow"),
        (GateError("lost 3"), 5, "fleetfoot: lost 3"),
        (MissingError("no torch"), 6, "fleetfoot: no torch"),
        (Interrupted("saved"), 130, "fleetfoot: saved"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "out of memory"),
        (RuntimeError("odd\nthing"), 1, "unexpected RuntimeError: odd thing"),
        (OSError(errno.ENOSPC, "No space left", "/x/y"), 1, "/x/y: the disk is full"),
        (OSError(errno.EFBIG, "File too large"), 1, "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 3, "/x: Permission denied"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), 3, "/x: Read-only"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x"), 3, "/x: No such file"),
        (OSError(errno.EIO, "Input/output error", "/x"), 1, "/x: Input/output error"),
        (OSError("plain"), 1, "plain"),
    ],
)
def test_each_error_is_one_line_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    words: str,
):
    replace_job(monkeypatch, "nets", raising(error))
    assert cli.run(["nets"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1
    assert cli.run(["nets", "--json"]) == code
    answer = json.loads(capsys.readouterr().out)
    assert answer.keys() == {"schema", "error", "exit_code"}
    assert answer["exit_code"] == code
    assert f"fleetfoot: {answer['error']}\n" == err


def test_the_traceback_is_there_for_who_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    replace_job(monkeypatch, "nets", raising(RuntimeError("odd")))
    assert cli.run(["nets"]) == 1
    assert "FLEETFOOT_TRACEBACK=1" in capsys.readouterr().err
    monkeypatch.setenv("FLEETFOOT_TRACEBACK", "1")
    assert cli.run(["nets"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fitt"], 'Did you mean "fit"'),
        (["fit", "x", "--epocs", "3"], "--epochs"),
        (["fit", "x", "--epochs", "many"], "--epochs"),
        (["fit", "x", "--epochs"], "--epochs"),
        (["evaluate", "run"], "DATA"),
        (["predict"], "RUN"),
        (["deploy", "run", "--to", "tflite"], "--to"),
        (["report", "a", "b"], "b"),
        (["nets", "--json=maybe"], "json"),
    ],
)
def test_wrong_words_end_in_one_line_and_2(
    capsys: pytest.CaptureFixture[str], words: list[str], expected: str
):
    assert cli.run(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert expected in err
    assert err.count("\n") == 1


def test_wrong_words_with_json_are_one_object(capsys: pytest.CaptureFixture[str]):
    assert cli.run(["evaluate", "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "fleetfoot.error/1"
    assert answer["exit_code"] == 2


def test_json_after_two_dashes_is_a_file_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    replace_job(monkeypatch, "predict", raising(DataError("none")))
    assert cli.run(["predict", "run", "--", "--json"]) == 3
    assert capsys.readouterr().out == ""


def test_the_words_of_fit_are_one_request(monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []

    def job(request: FitRequest, *, listener: Any) -> Any:
        seen.extend((request, listener))
        return types.SimpleNamespace(exit_code=0)

    replace_job(monkeypatch, "fit", job)
    monkeypatch.setattr(screen, "show", lambda *_: None)
    assert cli.run(["fit", "photos", "--set", "lr=1", "--set", "a.b=x=y", "--out", "o"]) == 0
    request, listener = seen
    assert request == FitRequest(data="photos", settings=("lr=1", "a.b=x=y"), out=Path("o"))
    assert request.changes == {"lr": "1", "a.b": "x=y"}
    assert listener is not None
    assert cli.run(["fit", "photos", "--set", "lr"]) == 2


@pytest.mark.parametrize(("met", "code"), [(True, 0), (None, 0), (False, 4)])
def test_a_budget_that_is_not_met_is_told_in_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, met: bool | None, code: int
):
    record = object.__new__(FitRecord)
    vars(record)["budget_met"] = met
    replace_job(monkeypatch, "fit", lambda *_, **__: record)
    monkeypatch.setattr(screen, "show", lambda *_: None)
    assert cli.run(["fit", "photos"]) == code


def test_prints_of_libraries_go_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def job(*_: Any, **__: Any) -> Any:
        sys.stdout.write("INFO: a chatty library\n")
        return {"classes": 2}

    replace_job(monkeypatch, "audit", job)
    assert cli.run(["audit", "x", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"schema": "fleetfoot.audit/1", "classes": 2}
    assert "chatty" in err


def run_fleetfoot(*words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "fleetfoot", *words]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, **options)


def test_help_and_version_import_nothing_heavy():
    code = (
        "import sys; from fleetfoot import cli\n"
        "assert cli.run(['--help']) == 0\n"
        "assert cli.run(['fit', '--help']) == 0\n"
        "assert cli.run(['--version']) == 0\n"
        "heavy = {'torch', 'numpy', 'PIL', 'openvino', 'onnxruntime', 'torchvision', 'pydantic'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Usage: fleetfoot" in done.stdout


def test_a_failure_of_the_whole_process():
    done = run_fleetfoot("report", "no/such/run", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["exit_code"] == 3
    assert done.stderr.decode() == f"fleetfoot: {json.loads(done.stdout)['error']}\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_an_answer_that_cannot_be_written_is_no_success():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fleetfoot", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert "the disk is full" in done.stderr.decode()


def test_a_reader_that_leaves_early_is_no_error():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "fleetfoot", "fit", "--help"],
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_name_the_terminal_cannot_show_is_escaped():
    done = run_fleetfoot("report", "no/sũch/run", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 3
    assert b"s\\u0169ch" in done.stderr


def test_nothing_on_any_stream_in_colour_when_asked():
    done = run_fleetfoot("--help", env={**os.environ, "NO_COLOR": "1"})
    assert b"\x1b[" not in done.stdout + done.stderr
