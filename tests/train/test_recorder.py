"""Full disks: real limits on file sizes, in a process of its own (the limit cannot be lifted)."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

LIMITED = """
import resource, sys
from pathlib import Path

import tiny_run as tiny
from fleetfoot.core.errors import FleetfootError
from fleetfoot.core.listener import Silent
from fleetfoot.train.steps.step import supervised_step

folder, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

class Aloud(Silent):
    def message(self, text):
        print(text)

def step(net, batch, context):
    full = first <= context.step < last
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000 if full else hard, hard))
    return supervised_step(net, batch, context)

recipe = tiny.recipe(epochs=2, state_every=2)
tiny.plan(folder, recipe)
try:
    result = tiny.run(folder, recipe, step=step, progress=Aloud())
    print("steps", result.steps)
except FleetfootError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def limited(folder: Path, *, first: int, last: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(folder), str(first), str(last)],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )


def test_training_goes_on_over_a_full_disk_and_saves_when_there_is_room(tmp_path: Path) -> None:
    done = limited(tmp_path, first=3, last=9)
    assert done.returncode == 0, done.stderr
    assert "the state after step 4 could not be saved (File too large)" in done.stdout
    assert done.stdout.endswith("steps 12\n")
    assert (tmp_path / "state" / "latest").read_text().strip() == "step-12"
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 12 + 2
    left = {path.name for path in (tmp_path / "state").iterdir()}
    assert left == {"latest", "step-10", "step-12"}


def test_a_last_state_that_cannot_be_saved_is_an_error(tmp_path: Path) -> None:
    done = limited(tmp_path, first=7, last=99)
    assert done.returncode == 1, done.stderr
    last_line = done.stdout.splitlines()[-1]
    assert "the state after step 12 cannot be saved (File too large)" in last_line
    assert f"the last good state is {tmp_path / 'state' / 'step-6'}" in last_line
    assert (tmp_path / "state" / "latest").read_text().strip() == "step-6"
