import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fleetfoot import cli

pytest.importorskip("jinja2")


def test_a_bundle_alone_has_a_report(bundle: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.run(["report", str(bundle), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == {
        "schema": "fleetfoot.report/1",
        "run": str(bundle),
        "html": str(bundle / "report.html"),
        "json": str(bundle / "report.json"),
    }
    assert "<html" in (bundle / "report.html").read_text()
    json.loads((bundle / "report.json").read_text())
    assert cli.run(["report", str(bundle)]) == 0
    assert capsys.readouterr().out.splitlines() == [answer["html"], answer["json"]]


@pytest.mark.parametrize("word", ["no/such/run", "fasternet_t0"])
def test_what_has_no_report(word: str, capsys: pytest.CaptureFixture[str]):
    assert cli.run(["report", word]) == 3
    assert "no such folder" in capsys.readouterr().err


def test_a_folder_that_may_not_be_written_is_named(
    public: Path, bundle: Path, nobody: Any, capsys: pytest.CaptureFixture[str]
):
    cli.run(["report", str(bundle)])  # imports what only root may read
    capsys.readouterr()
    (public / "run").mkdir()
    (public / "run" / "run.json").write_text('{"schema": "fleetfoot.run/1"}')
    nobody()
    assert cli.run(["report", str(public / "run")]) == 3
    err = capsys.readouterr().err
    assert str(public / "run") in err
    assert err.count("\n") == 1


def test_a_full_disk_leaves_the_old_report(bundle: Path):
    (bundle / "report.html").write_text("the old report")
    (bundle / "report.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "fleetfoot", "report", str(bundle)],
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)),
        check=False,
    )
    assert done.returncode == 1
    assert b"the disk is full" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert (bundle / "report.html").read_text() == "the old report"
    assert (bundle / "report.json").read_text() == "{}"
    assert not list(bundle.glob(".report*"))
