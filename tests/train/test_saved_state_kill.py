"""A run killed with -9 at random moments ends with the bits of the undisturbed one."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import kill_run
import pytest
import tiny_run as tiny

from fleetfoot.train.saved_state import load_latest

HERE = Path(__file__).parent


def start(folder: Path, epochs: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(HERE / "kill_run.py"), str(folder), str(epochs)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def kill_and_compare(tmp_path: Path, *, epochs: int, kills: int, longest: float) -> None:
    """Kill a run some time after each sign of life, then compare it with an undisturbed one."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    made = tiny.plan(whole, kill_run.recipe(epochs), kill_run.DATA)
    shutil.copytree(whole, cut)
    kill_run.go(whole, epochs)
    chance = random.Random(0)
    for kill in range(kills):
        process = start(cut, epochs)
        goal = made.total_steps * (kill + 1) // (kills + 2)  # spread over the whole run
        while process.poll() is None and announced(cut) < goal:
            time.sleep(0.001)
        time.sleep(chance.random() * longest)
        assert process.poll() is None, "the run ended before it could be killed"
        process.kill()
        process.wait()
    kill_run.go(cut, epochs)
    assert tiny.fingerprint(cut) == tiny.fingerprint(whole)


def announced(folder: Path) -> int:
    latest = folder / "state" / "latest"
    return int(latest.read_text().strip().removeprefix("step-")) if latest.exists() else -1


def test_killed_and_resumed_equals_undisturbed(tmp_path: Path) -> None:
    kill_and_compare(tmp_path, epochs=4, kills=1, longest=0.05)
    state = load_latest(tmp_path / "cut" / "state")
    assert state is not None
    assert state.step == 4 * 25


@pytest.mark.slow
def test_twenty_kills(tmp_path: Path) -> None:
    kill_and_compare(tmp_path, epochs=400, kills=20, longest=0.3)
