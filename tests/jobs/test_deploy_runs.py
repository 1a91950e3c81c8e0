"""`deploy` on run folders that the real `fit` wrote, from another working folder than theirs."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fleetfoot.core.errors import DataError
from fleetfoot.core.files import read_json, sha256_of
from fleetfoot.core.listener import Silent
from fleetfoot.data.samples import Split
from fleetfoot.jobs.deploy import Images, deploy, images_for
from fleetfoot.jobs.fit import fit
from fleetfoot.jobs.requests import DeployRequest, FitRequest
from fleetfoot.jobs.runs import load_network, resolve

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
FAST: dict[str, Any] = {"precision": "float32", "engine": "onnxruntime"}
DATA = Path("data")


class Notes(Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def message(self, text: str) -> None:
        self.heard.append(text)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
        settings={"options": [["width", 0.125]], "batch": 8},
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


def test_other_images_may_be_damaged_where_those_of_the_run_were(home: Path) -> None:
    request = DeployRequest(run=str(home / "run"), calibrate=str(home / DATA))
    target = resolve(str(home / "run"))
    images = images_for(target, load_network(target), request, Silent())
    assert images.gate is not None
    assert len(images.gate) == 24


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


def images(home: Path, *, calibrate: Path | None = None, notes: Notes | None = None) -> Images:
    target = resolve(str(home / "run"))
    request = DeployRequest(calibrate=None if calibrate is None else str(calibrate))
    return images_for(target, load_network(target), request, notes or Notes())


def keys(split: Split | None) -> set[str]:
    return set() if split is None else {sample.key for sample in split.samples}


def test_a_run_is_gated_on_validation_and_calibrated_on_training_images(home: Path):
    found = images(home)
    splits = read_json(home / "run" / "data.json")["splits"]
    for name, split in (("val", found.gate), ("train", found.training)):
        assert keys(split) == {key for key, _ in splits[name]["samples"]}, name


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
    data = tmp_path / "whole"
    shutil.copytree(home / DATA, data, ignore=shutil.ignore_patterns("broken.png"))
    notes = Notes()
    found = images(home, calibrate=data, notes=notes)
    assert (len(keys(found.gate)), found.training, found.source) == (24, None, str(data))
    assert notes.heard == [f"{data} has no training split: int8 is calibrated on the gate's images"]


def test_of_digits_the_images_that_are_not_held_out_calibrate(tmp_path: Path):
    target = resolve("fleetnet_small")
    network = load_network(target, weights="none")
    found = images_for(target, network, DeployRequest(calibrate="digits"), Notes())
    assert len(keys(found.gate)) + len(keys(found.training)) == 1797
    assert not keys(found.gate) & keys(found.training)


def test_other_data_than_those_of_the_run_are_refused(home: Path, copy: Path, tmp_path: Path):
    data = shutil.copytree(home / DATA, tmp_path / "data")
    run = copy / "run.json"
    run.write_text(run.read_text().replace(str(home / DATA), str(data)))
    (data / "light" / "0.png").unlink()
    with pytest.raises(DataError, match=r"not the data that .*; give --calibrate DATA$") as caught:
        deploy(DeployRequest(run=str(copy), **FAST))
    assert "\n" not in str(caught.value)
    shutil.rmtree(data)
    with pytest.raises(DataError, match=r"no such folder .*; give --calibrate DATA$"):
        deploy(DeployRequest(run=str(copy), **FAST))


def test_a_stopped_run_goes_on_from_another_folder(
    home: Path, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.rmtree(copy / "state")
    monkeypatch.chdir(tmp_path)
    fit(FitRequest(resume=copy))
    weights = Path("weights") / "model.safetensors"
    assert sha256_of(copy / weights) == sha256_of(home / "run" / weights)


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
