"""Full disks: real limits on file sizes, in a process of its own (the limit cannot be lifted)."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

LIMITED = """
import resource, sys
from pathlib import Path

import tiny_run as tiny
from fleetfoot.core.errors import FleetfootError
from fleetfoot.core.listener import Silent
from fleetfoot.train.steps.step import supervised_step

_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

class Aloud(Silent):
    def message(self, text):
        print(text)

def train(folder, first, last):
    def step(net, batch, context):
        full = first <= context.step < last
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000 if full else hard, hard))
        return supervised_step(net, batch, context)

    recipe = tiny.recipe(epochs=2, state_every=2)
    tiny.plan(folder, recipe)
    try:
        print("steps", tiny.run(folder, recipe, step=step, progress=Aloud()).steps)
    except FleetfootError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

train(Path(sys.argv[1]), 3, 9)
print("=====")
train(Path(sys.argv[2]), 7, 99)
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    """What two trainings said: one while the disk was full for a time, one with it full at last."""
    folders = [tmp_path_factory.mktemp(name) for name in ("for_a_time", "at_last")]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, folders)],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(folders, done.stdout.split("=====\n"), strict=True))


def test_training_goes_on_over_a_full_disk_and_saves_when_there_is_room(
    said: dict[Path, str],
) -> None:
    tmp_path, text = next(iter(said.items()))
    assert "the state after step 4 could not be saved (File too large)" in text
    assert text.endswith("steps 12\n")
    assert (tmp_path / "state" / "latest").read_text().strip() == "step-12"
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 12 + 2
    left = {path.name for path in (tmp_path / "state").iterdir()}
    assert left == {"latest", "step-10", "step-12"}


def test_a_last_state_that_cannot_be_saved_is_an_error(said: dict[Path, str]) -> None:
    tmp_path, text = list(said.items())[1]
    last_line = text.splitlines()[-1]
    assert "the state after step 12 cannot be saved (File too large)" in last_line
    assert f"the last good state is {tmp_path / 'state' / 'step-6'}" in last_line
    assert (tmp_path / "state" / "latest").read_text().strip() == "step-6"
