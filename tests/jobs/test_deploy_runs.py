"""`deploy` on run folders that the real `fit` wrote, from another working folder than theirs."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.core.files import read_json, sha256_of
from fleetfoot.core.listener import Silent
from fleetfoot.data.samples import Split
from fleetfoot.jobs.deploy import DeployRecord, Images, accuracy_remark, deploy, images_for
from fleetfoot.jobs.fit import fit
from fleetfoot.jobs.requests import DeployRequest, FitRequest, GateKnown
from fleetfoot.jobs.run_data import open_run_data
from fleetfoot.jobs.runs import alone_on, load_network, resolve

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
FAST: dict[str, Any] = {"precision": "float32", "engine": "onnxruntime"}
UNMEASURED = {"precision": "float32", "layout": "nchw", "kernels": "torch"}
DATA = Path("data")


class Notes(Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def message(self, text: str) -> None:
        self.heard.append(text)


@pytest.fixture(scope="module")
def home(one_form: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, one of which is damaged, and a run on them that skips it.

    The run is started from inside, with relative paths.
    """
    home = tmp_path_factory.mktemp("home")
    draw = np.random.default_rng(0)
    for name, bright in (("dark", 60), ("light", 190)):
        (home / DATA / name).mkdir(parents=True)
        for number in range(12):
            pixels = draw.integers(bright - 50, bright + 50, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(home / DATA / name / f"{number}.png")
    (home / DATA / "dark" / "broken.png").write_bytes(b"no picture")
    request = FitRequest(
        data=str(DATA),
        net="fleetnet_small",
        epochs=1,
        settings={"options": [["width", 0.125]], "batch": 8, **UNMEASURED},
        skip_damaged=True,
        out=Path("run"),
    )
    before = Path.cwd()
    os.chdir(home)
    try:
        fit(request)
    finally:
        os.chdir(before)
    return home


@pytest.fixture
def copy(home: Path, tmp_path: Path) -> Path:
    """A copy of the run for a test that changes it."""
    return shutil.copytree(home / "run", tmp_path / "run")


def others(home: Path, folder: Path) -> Path:
    """Return a folder with the pictures of the run under other names, one more that is damaged."""
    for file in (home / DATA).glob("*/*.png"):
        (folder / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / file.parent.name / f"other {file.name}")
    return folder


def test_other_images_may_be_damaged_where_those_of_the_run_were(
    home: Path, tmp_path: Path
) -> None:
    gate = images(home, calibrate=others(home, tmp_path / "others")).gate
    assert len(keys(gate)) == 24


def test_other_images_are_tolerated_where_it_is_asked(home: Path, tmp_path: Path) -> None:
    data = others(home, tmp_path / "others")
    shutil.copytree(data / "dark", data / "unknown")
    with pytest.raises(DataError, match=r"'unknown'.* --allow-class-mismatch"):
        images(home, calibrate=data)
    asked = GateKnown(allow_class_mismatch=True)
    assert len(keys(images(home, calibrate=data, known=asked).gate)) == 24


def test_the_run_says_what_its_data_are(home: Path):
    record = read_json(home / "run" / "run.json")
    assert record["data"] == str(home / DATA)
    assert (record["skip_damaged"], record["allow_class_mismatch"]) == (True, False)


def test_a_run_is_deployed_from_another_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As `fit` deployed it: the same graph, gate, reference and card."""
    monkeypatch.chdir(tmp_path)
    record = deploy(DeployRequest(run=str(home / "run"), out=tmp_path / "again", **FAST))
    first = read_json(home / "run" / "bundle" / "bundle.json")
    again = read_json(tmp_path / "again" / "bundle.json")
    assert record.gate_source == str(home / DATA)
    assert record.gate_images == first["reference"]["images"] > 0
    for key in ("net", "classes", "aliases", "reference", "weights"):
        assert again[key] == first[key], key
    assert again["weights"] == {"source": "trained from scratch", "licence": "yours"}
    assert first_logits(home / "run" / "bundle") == first_logits(tmp_path / "again")


def first_logits(bundle: Path) -> list[float]:
    """Return what the network itself says to the first image of the gate."""
    return read_json(bundle / "golden" / "expected.json")["images"][0]["logits"]


def images(
    home: Path,
    *,
    calibrate: Path | None = None,
    notes: Notes | None = None,
    known: GateKnown | None = None,
) -> Images:
    target = resolve(str(home / "run"))
    calibration = None if calibrate is None else str(calibrate)
    request = DeployRequest(calibrate=calibration, known=known or GateKnown())
    return images_for(target, load_network(target), request, notes or Notes())


def keys(split: Split | None) -> set[str]:
    return set() if split is None else {sample.key for sample in split.samples}


def test_a_run_is_gated_on_validation_and_calibrated_on_training_images(home: Path):
    found = images(home)
    splits = read_json(home / "run" / "data.json")["splits"]
    for name, split in (("val", found.gate), ("train", found.training)):
        assert keys(split) == {key for key, _ in splits[name]["samples"]}, name


def test_a_run_is_not_gated_on_images_that_it_was_trained_on(home: Path, tmp_path: Path):
    """Neither in its folder, to which images were added, nor in a copy of it."""
    shutil.copytree(home, tmp_path / "home")
    (tmp_path / "home" / "run").rename(tmp_path / "run")
    moved = tmp_path / "home" / DATA
    for number in range(20):
        shutil.copy(moved / "dark" / "1.png", moved / "dark" / f"more {number}.png")
    own = {key for key, _ in read_json(tmp_path / "run" / "data.json")["splits"]["val"]["samples"]}
    notes = Notes()
    found = images(tmp_path, calibrate=moved, notes=notes)
    assert keys(found.gate) == own
    assert not keys(found.training) & own
    assert notes.heard[0].startswith("20 images added since the run: in none of its splits (dark/")


def test_a_run_goes_on_where_images_were_added(
    home: Path, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = shutil.copytree(home / DATA, tmp_path / "data")
    for file in (copy / "run.json", copy / "config.toml", copy / "data.json"):
        file.write_text(file.read_text().replace(str(home / DATA), str(data)))
    shutil.copy(data / "dark" / "1.png", data / "dark" / "00.png")
    (data / "a new class").mkdir()
    shutil.copy(data / "dark" / "2.png", data / "a new class" / "0.png")
    notes = Notes()
    opened = open_run_data(copy, listener=notes, otherwise="stop")
    assert notes.heard == ["2 images were added since the run began: they are left out"]
    kept = read_json(copy / "data.json")
    assert opened.classes == tuple(kept["classes"])
    for name, split in opened.splits.items():
        assert [[s.key, s.label] for s in split.samples] == kept["splits"][name]["samples"]
    trained = kept["splits"]["train"]["samples"][0][0]
    (data / trained).unlink()
    with pytest.raises(DataError, match=r"not the data that .*; stop$"):
        open_run_data(copy, listener=Notes(), otherwise="stop")


def test_a_run_at_work_is_left_alone(home: Path, copy: Path):
    with alone_on(copy):
        with pytest.raises(UsageError, match="another fleetfoot works on this run"):
            fit(FitRequest(resume=copy))
        with pytest.raises(UsageError, match="another fleetfoot works on this run"):
            deploy(DeployRequest(run=str(copy), **FAST))


def test_far_fewer_correct_answers_than_the_run_had_are_remarked(home: Path):
    target = resolve(str(home / "run"))
    record = object.__new__(DeployRecord)
    vars(record)["reference"] = {"top1": 0.35, "top1_high": 0.4}
    remark = accuracy_remark(record, 0.986, target)
    assert remark is not None
    assert "right on 35.0 % of the gate's images, --accuracy says 98.6 %" in remark
    assert accuracy_remark(record, 0.41, target) is None  # within what chance and images do
    had = read_json(home / "run" / "evaluation.json")["val"]["top1"]
    vars(record)["reference"] = {"top1": had / 2, "top1_high": had / 2}
    assert "its run had" in (accuracy_remark(record, None, target) or "")
    assert accuracy_remark(record, None, resolve("fleetnet_small")) is None


def test_a_training_split_calibrates_int8(home: Path, tmp_path: Path):
    for name, numbers in (("train", range(8)), ("val", range(8, 12))):
        for label in ("dark", "light"):
            (tmp_path / name / label).mkdir(parents=True)
            for number in numbers:
                file = f"{label}/{number}.png"
                shutil.copy(home / DATA / file, tmp_path / name / file)
    notes = Notes()
    found = images(home, calibrate=tmp_path, notes=notes)
    assert {key.split("/")[0] for key in keys(found.gate)} == {"val"}
    assert {key.split("/")[0] for key in keys(found.training)} == {"train"}
    assert notes.heard == [
        f"int8 is calibrated on training images of {tmp_path}, the gate on others"
    ]


def test_data_without_a_training_split_are_said_to_serve_twice(home: Path, tmp_path: Path):
    data = others(home, tmp_path / "whole")
    notes = Notes()
    found = images(home, calibrate=data, notes=notes)
    assert (len(keys(found.gate)), found.training, found.source) == (24, None, str(data))
    assert notes.heard == [
        "left out: dark/other broken.png: is not an image; replace or remove it",
        f"{data} has no training split: int8 is calibrated on the gate's images",
    ]


def test_of_digits_the_images_that_are_not_held_out_calibrate(tmp_path: Path):
    target = resolve("fleetnet_small")
    network = load_network(target, weights="none")
    found = images_for(target, network, DeployRequest(calibrate="digits"), Notes())
    assert len(keys(found.gate)) + len(keys(found.training)) == 1797
    assert not keys(found.gate) & keys(found.training)


def test_other_data_than_those_of_the_run_are_refused(home: Path, copy: Path, tmp_path: Path):
    data = tmp_path / "data"
    run = copy / "run.json"
    run.write_text(run.read_text().replace(str(home / DATA), str(data)))
    with pytest.raises(DataError, match=r"no such folder .*; give --calibrate DATA$") as caught:
        deploy(DeployRequest(run=str(copy), **FAST))
    assert "\n" not in str(caught.value)
    shutil.copytree(home / DATA, data)
    for file in (data / "light").iterdir():
        shutil.copy(data / "dark" / "0.png", file)
    for file in (data / "dark").iterdir():
        shutil.copy(data / "light" / "0.png", file)
    with pytest.raises(DataError, match=r"none of the \d+ val images .*; give --calibrate DATA$"):
        deploy(DeployRequest(run=str(copy), **FAST))


def test_a_stopped_run_goes_on_from_another_folder(
    home: Path, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.rmtree(copy / "state")
    monkeypatch.chdir(tmp_path)
    fit(FitRequest(resume=copy))
    weights = Path("weights") / "model.safetensors"
    assert sha256_of(copy / weights) == sha256_of(home / "run" / weights)


@pytest.mark.slow  # tests/test_before.py goes on with that run, too
@pytest.mark.usefixtures("one_form")
def test_a_run_of_the_version_before_is_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its run.json has no tolerances: they are in its config.toml."""
    run = shutil.copytree(SAMPLES / "stopped", tmp_path / "run")
    assert "skip_damaged" not in read_json(run / "run.json")
    fit(FitRequest(resume=run))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    record = deploy(DeployRequest(run=str(run), **FAST))
    assert (record.net, record.gate_source) == ("fleetnet_small", "digits")
    assert record.reference["correct"] > 100
