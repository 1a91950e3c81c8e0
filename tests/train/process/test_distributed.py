import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_run as tiny
import torch

from fleetfoot.data.loader import Loader
from fleetfoot.train.evaluate import evaluate_net
from fleetfoot.train.process.distributed import (
    any_process,
    from_first,
    gather_rows,
    this_process,
    wrapped,
)

TRAIN = Path(__file__).parent.parent  # with what subprocesses import


def launch(what: str, folder: Path, *, world: int) -> None:
    """Start the processes as torchrun would, without its agent."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(world)}
    processes = [
        subprocess.Popen(
            [sys.executable, str(TRAIN / "gloo_run.py"), what, str(folder)],
            env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(world)
    ]
    codes = [process.wait() for process in processes]
    assert codes == [0] * world


def evaluation_equals_one_process(folder: Path, *, world: int) -> None:
    loader = Loader(tiny.split("val", 10), tiny.PREPROCESS, batch=3)
    alone = evaluate_net(tiny.new_net(), loader)
    launch("evaluate", folder, world=world)
    for rank in range(world):
        found = np.load(folder / f"{rank}.npz")
        assert found["i"].tolist() == list(range(10))
        assert found["labels"].tolist() == alone.labels.tolist()
        np.testing.assert_allclose(found["logits"], alone.logits, rtol=1e-4, atol=1e-5)
        assert (found["logits"].argmax(axis=1) == alone.logits.argmax(axis=1)).all()


def test_alone_everything_is_itself() -> None:
    assert this_process().is_first
    rows = torch.ones(2, 3)
    assert gather_rows(rows) is rows
    assert any_process(True, device=torch.device("cpu"))
    assert from_first("x") == "x"
    net = tiny.new_net()
    assert wrapped(net) is net


def test_two_ranks_evaluate_as_one(tmp_path: Path) -> None:
    evaluation_equals_one_process(tmp_path, world=2)


@pytest.mark.slow
def test_seven_ranks_ten_images_batch_three(tmp_path: Path) -> None:
    evaluation_equals_one_process(tmp_path, world=7)


@pytest.mark.slow
def test_collectives_over_three_ranks(tmp_path: Path) -> None:
    launch("collectives", tmp_path, world=3)
    for rank in range(3):
        gathered, vote, value = json.loads((tmp_path / f"{rank}.json").read_text())
        assert gathered == [[1.0, 1.0], [2.0, 2.0], [2.0, 2.0]]
        assert vote is True
        assert value == {"rank": 0}


@pytest.mark.slow
def test_a_run_over_two_ranks_learns_and_resumes(tmp_path: Path) -> None:
    launch("train", tmp_path, world=2)
    first = json.loads((tmp_path / "0.json").read_text())
    assert first == json.loads((tmp_path / "1.json").read_text())
    launch("train", tmp_path, world=2)  # a finished run resumes to its result
    assert json.loads((tmp_path / "0.json").read_text()) == first
