"""A command does its work whichever of its streams are closed; libraries are silent when asked."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import pathlib, sys, warnings, logging
from fleetfoot.core.streams import hush_libraries, open_closed_streams
open_closed_streams()
print("said"), print("complained", file=sys.stderr), sys.stdin.read()
with open(sys.argv[1], "w") as file:
    assert file.fileno() > 2
    file.write("done")
hush_libraries()
warnings.warn("deprecated")
logging.getLogger("library").error("trouble")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="speaks to a shell")
@pytest.mark.parametrize("closed", ["", "<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_any_of_them_may_be_closed(closed: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", PROGRAM, str(tmp_path / "out")]
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *words]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_text() == "done"
    parts = closed.split()
    assert done.stdout == ("" if ">&-" in parts else "said\n")
    assert done.stderr == ("" if "2>&-" in parts else "complained\n")
