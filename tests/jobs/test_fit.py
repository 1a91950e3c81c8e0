"""`fit` from end to end on two dozen small pictures, and what it refuses."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fleetfoot import fit
from fleetfoot.core.errors import BudgetError, DataError, Interrupted, UsageError
from fleetfoot.core.files import read_json, sha256_of
from fleetfoot.core.listener import Silent
from fleetfoot.deploy.bundle import load
from fleetfoot.jobs.fit import FitRecord
from fleetfoot.measure.device import allowed_threads

SMALL = {"options": '[["width",0.125]]'}
COLOURS = {"blue": (20, 30, 230), "red": (230, 30, 20)}


def make_pictures(folder: Path, *, each: int = 12, size: int = 16) -> Path:
    """Write noisy pictures of two colours, one folder per class."""
    generator = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            noise = generator.normal(0, 40, (size, size, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("data") / "colours")


@pytest.fixture(scope="module")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> FitRecord:
    out = tmp_path_factory.mktemp("runs") / "colours"
    return fit(
        str(pictures),
        epochs=4,
        out=str(out),
        settings={"batch": "4", "lr": "0.05", "state_every": "2", **SMALL},
    )


def test_the_record_has_the_figures(finished: FitRecord):
    assert finished.net == "fleetnet_small"
    assert finished.val_top1 == 1.0
    assert finished.test_top1 is None
    assert finished.budget_met is None
    assert finished.epochs == 4
    assert finished.bundle.top1 == 1.0
    assert finished.bundle.latency_ms_p50 > 0
    assert finished.parity.top1_agreement == 1.0


def test_the_run_folder_is_complete(finished: FitRecord):
    run = Path(finished.run)
    for name in (
        *("run.json", "config.toml", "data.json", "plan.json", "metrics.jsonl", "evaluation.json"),
        *("report.html", "report.json", "bundle/bundle.json", "weights/model.safetensors"),
    ):
        assert (run / name).stat().st_size > 0, name
    record = read_json(run / "run.json")
    assert record["exit_code"] == 0
    assert record["status"] == "finished"
    assert record["choice"]["reason"] == "row of the table: images up to 16 px"
    assert record["initial_weights"] == {"source": "trained from scratch", "licence": "yours"}


def test_the_bundle_predicts_as_it_was_trained(finished: FitRecord, pictures: Path):
    bundle = load(finished.run)
    answers = bundle.predict([pictures / "blue" / "0.png", pictures / "red" / "0.png"])
    assert [answer.label for answer in answers] == ["blue", "red"]


def test_the_report_states_the_same_figures(finished: FitRecord):
    report = read_json(Path(finished.run) / "report.json")
    assert report["headline"]["top1"] == finished.val_top1
    assert report["headline"]["latency_ms_p50"] == finished.bundle.latency_ms_p50


def test_the_config_of_a_run_gives_the_same_run_again(
    finished: FitRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The same settings, fed back, lead to the same specification, and are written alike."""
    seen: list[Any] = []

    def stop(spec: Any, *_: Any, **__: Any) -> None:
        seen.append(spec)
        raise KeyboardInterrupt

    monkeypatch.setattr("fleetfoot.recipes.run.run", stop)
    with pytest.raises(Interrupted, match="--resume"):
        fit(config=Path(finished.run) / "config.toml", out=str(tmp_path / "again"))
    with pytest.raises(Interrupted):  # the finished run itself
        fit(resume=str(shutil.copytree(finished.run, tmp_path / "run")))
    assert seen[0] == seen[1]
    assert seen[0].recipe.batch == read_json(tmp_path / "run" / "plan.json")["recipe"]["batch"]
    written = [(tmp_path / run / "config.toml").read_text() for run in ("again", "run")]
    assert written[0] == written[1]
    assert read_json(tmp_path / "again" / "run.json")["exit_code"] == 130


def kill_and_resume(data: Path, out: Path, *, after: float) -> None:
    """Start the same run in a process, kill it with -9 after some time, resume it."""
    words = ["fit", str(data), "--epochs", "4", "--out", str(out)]
    settings = ["--set", "batch=4", "--set", "lr=0.05", "--set", "state_every=2"]
    command = [sys.executable, "-m", "fleetfoot"]
    process = subprocess.Popen(
        [*command, *words, *settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (out / "state" / "latest").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    done = subprocess.run(
        [*command, "fit", "--resume", str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "resumed after step" in done.stderr


class Killed(BaseException):
    """Nothing catches it: no state is saved on the way out, as with kill -9."""


class KillsAt(Silent):
    """Kills the run once a step was taken; remembers what is said."""

    def __init__(self, step: int | None = None) -> None:
        self.step = step
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)

    def update(self, **fields: Any) -> None:
        if fields.get("step") == self.step and "loss" in fields:
            raise Killed


def metrics_without_times(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [
        {k: v for k, v in line.items() if k not in ("seconds", "images_per_second")}
        for line in lines
    ]


@pytest.mark.usefixtures("one_form")
def test_killed_and_resumed_is_the_uninterrupted_run(
    finished: FitRecord, pictures: Path, tmp_path: Path
):
    """Precision and layout come from a measurement, so the plan is copied from the whole run."""
    whole, out = Path(finished.run), tmp_path / "killed"
    shutil.copytree(whole, out)
    for name in ("state", "weights", "bundle"):
        shutil.rmtree(out / name)
    for name in ("metrics.jsonl", "evaluation.json", "report.html", "report.json"):
        (out / name).unlink()
    with pytest.raises(Killed):
        fit(resume=str(out), listener=KillsAt(8))
    assert not (out / "weights").exists()
    heard = KillsAt()
    done = fit(resume=str(out), listener=heard)
    steps = read_json(out / "plan.json")["total_steps"]
    assert f"resumed after step 6 of {steps}" in heard.messages
    assert done.val_top1 == finished.val_top1
    assert sha256_of(out / "weights" / "model.safetensors") == sha256_of(
        whole / "weights" / "model.safetensors"
    )
    assert metrics_without_times(out) == metrics_without_times(whole)


@pytest.mark.slow
def test_kill_9_in_a_whole_process_and_resume(pictures: Path, tmp_path: Path):
    out = tmp_path / "killed"
    kill_and_resume(pictures, out, after=0.1)
    assert read_json(out / "run.json")["exit_code"] == 0


def test_resume_takes_nothing_else(tmp_path: Path):
    with pytest.raises(UsageError, match="--resume takes everything"):
        fit(resume=str(tmp_path), epochs=3)


def test_resume_of_a_folder_that_is_no_run(tmp_path: Path):
    with pytest.raises(DataError, match=r"nothing: is no run folder \(no config\.toml\)"):
        fit(resume=str(tmp_path / "nothing"))


def test_resume_on_other_images_is_refused(finished: FitRecord, pictures: Path, tmp_path: Path):
    run, data = tmp_path / "run", tmp_path / "data"
    shutil.copytree(finished.run, run)
    shutil.copytree(pictures, data)
    (data / "red" / "0.png").unlink()
    record = run / "run.json"
    record.write_text(record.read_text().replace(str(pictures), str(data)))
    with pytest.raises(DataError, match="not the data"):
        fit(resume=str(run))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"net": "fasternet_t9"}, "fasternet_t"),
        ({"recipe": "transfr"}, "transfer"),
        ({"methods": ["mixap"]}, "'mixap' is not a method; nearest: mixup"),
        ({"methods": ["max_dropout", "jocor"]}, "jocor"),
        ({"net": "allcnn_c", "methods": ["shake_drop"]}, "method shake_drop finds no place"),
        ({"methods": ["fixres"]}, "method fixres is for a network that has been trained"),
        ({"budget": "fast"}, "is not a time"),
        ({"threads": 0}, "--threads 0"),
        ({"size": 2}, "--size 2"),
        ({"max_drop": 1.5}, "--max-drop"),
        ({"epochs": 1, "minutes": 1}, "both given"),
        ({"settings": {"lrr": "1"}}, "lr"),
        ({"settings": {"lr": "fast"}}, "lr=fast"),
        ({"device": "gpu"}, "--device gpu"),
        ({"weights": "somewhere.safetensors"}, "--net"),
    ],
)
def test_wrong_words_end_in_one_line(
    pictures: Path, tmp_path: Path, words: dict[str, Any], message: str
):
    with pytest.raises(UsageError, match=message) as caught:
        fit(str(pictures), out=str(tmp_path / "run"), **words)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_wrong_words_are_refused_before_the_data_are_opened(tmp_path: Path):
    with pytest.raises(UsageError, match="is not a time"):
        fit(str(tmp_path / "there is no such folder"), budget="fast")


class StopsWhenPlanning(Silent):
    def stage(self, text: str) -> None:
        if text.startswith("planning"):
            raise KeyboardInterrupt


def test_threads_and_ranks_of_others_count_for_little(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """More threads than there are processors are cut; RANK alone is no torchrun."""
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(Interrupted):
        fit(str(pictures), threads=9999, out=str(tmp_path / "run"), listener=StopsWhenPlanning())
    (line,) = [
        line
        for line in (tmp_path / "run" / "config.toml").read_text().splitlines()
        if line.startswith("threads")
    ]
    assert line == f"threads = {allowed_threads()}"
    assert read_json(tmp_path / "run" / "run.json")["status"] == "Interrupted"


def test_without_data_there_is_a_hint():
    with pytest.raises(UsageError, match="name the data"):
        fit()


def test_an_impossible_budget_names_the_fastest_and_trains_nothing(pictures: Path, tmp_path: Path):
    with pytest.raises(BudgetError, match="fastest is fleetnet"):
        fit(str(pictures), net="fleetnet_small", size=16, budget="0.1us", out=str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_two_processes_under_torchrun_make_one_run(pictures: Path, tmp_path: Path):
    out = tmp_path / "run"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("-m", "fleetfoot", "fit", str(pictures), "--epochs", "2", "--out", str(out)),
            *("--set", "batch=4", "--set", "lr=0.05", "--json"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["run"] == str(out)
    assert read_json(out / "plan.json")["world"] == 2
    assert load(out).classes == tuple(COLOURS)
