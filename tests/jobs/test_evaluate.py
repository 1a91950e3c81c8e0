import json
import shutil
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleetfoot import cli
from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.core.files import read_json, sha256_of
from fleetfoot.core.listener import SILENT
from fleetfoot.data import decode, scan
from fleetfoot.data.decode import pixels_of
from fleetfoot.data.open_data import open_data
from fleetfoot.data.samples import Sample, Split
from fleetfoot.deploy.bundle import load
from fleetfoot.jobs import evaluate as job
from fleetfoot.jobs.evaluate import EvaluateRecord
from fleetfoot.jobs.known import Known
from fleetfoot.jobs.predict import predict
from fleetfoot.jobs.requests import EvaluateRequest
from fleetfoot.jobs.run_data import write_data
from fleetfoot.measure.accuracy import softmax
from tests.jobs.conftest import COLOURS


def evaluate(run: str, data: str, *, listener: Any = SILENT, **words: Any) -> EvaluateRecord:
    return job.evaluate(EvaluateRequest(run=run, data=data, **words), listener=listener)


class Ear:
    def __init__(self):
        self.done: list[int] = []
        self.stages: list[str] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def update(self, **fields: int) -> None:
        self.done.append(fields["done"])

    def message(self, text: str) -> None: ...

    def close(self) -> None: ...


def test_a_bundle_is_measured_on_class_folders(bundle: Path, pictures: Path):
    (pictures / "red" / "0.png").rename(pictures / "blue" / "wrong.png")
    ear = Ear()
    record = evaluate(str(bundle), str(pictures), split="all", listener=ear)
    assert (record.images, record.correct) == (9, 8)
    assert record.top1 == pytest.approx(8 / 9)
    assert record.top1_low < 8 / 9 < record.top1_high
    assert record.top5 is None
    assert record.split == "all"
    assert record.form == "onnxruntime float32"
    scores = {row.name: row for row in record.per_class}
    assert scores["blue"].recall == pytest.approx(3 / 4)
    assert scores["red"].precision == pytest.approx(2 / 3)
    assert record.worst[0].key == "blue/wrong.png"
    assert ear.done == [9]
    assert "onnxruntime" in ear.stages[-1]


def test_a_bundle_answers_with_its_temperature(bundle: Path, pictures: Path):
    plain = evaluate(str(bundle), str(pictures), split="all")
    fitted = {"temperature": 20.0, "images": 30, "ece_before": 0.3, "ece_after": 0.02}
    content = read_json(bundle / "bundle.json") | {"calibration": fitted}
    (bundle / "bundle.json").write_text(json.dumps(content))
    record = evaluate(str(bundle), str(pictures), split="all")
    assert (record.correct, record.calibration.ece > plain.calibration.ece) == (9, True)
    assert record.loss > plain.loss
    assert record.notes == (
        "temperature 20 was fitted on 30 images; on those the calibration error is too good, "
        "cross-fitted it was 2.0 %",
    )
    (red,) = predict(str(bundle), [pictures / "red" / "0.png"]).predictions
    loaded = load(bundle)
    crop = loaded.preprocess.crop(np.full((30, 30, 3), COLOURS["red"], np.uint8))
    expected = softmax(loaded.logits(crop[None]) / 20).max()
    assert red.probability == pytest.approx(expected, abs=0.01)


def test_labels_may_be_other_names_of_classes(bundle: Path, pictures: Path, tmp_path: Path):
    table = tmp_path / "table.csv"
    table.write_text("path,label\npictures/red/0.png,n3\npictures/blue/0.png,blue\n")
    record = evaluate(str(bundle), str(table))
    assert (record.images, record.correct) == (2, 2)
    assert {row.name: row.images for row in record.per_class} == {"red": 1, "blue": 1, "green": 0}


def test_a_class_that_the_network_does_not_know(bundle: Path, pictures: Path):
    (pictures / "green").rename(pictures / "yellow")
    with pytest.raises(DataError, match="'yellow'"):
        evaluate(str(bundle), str(pictures), split="all")
    record = evaluate(str(bundle), str(pictures), split="all", allow_class_mismatch=True)
    assert (record.images, record.correct) == (6, 6)
    assert any("yellow" in note for note in record.notes)


def test_a_damaged_image_is_named(bundle: Path, pictures: Path):
    (pictures / "red" / "0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"0\.png"):
        evaluate(str(bundle), str(pictures), split="all")
    record = evaluate(str(bundle), str(pictures), split="all", skip_damaged=True)
    assert record.images == 8


def test_another_engine_of_the_bundle_may_answer(bundle: Path, pictures: Path):
    record = evaluate(str(bundle), str(pictures), split="all", engine="openvino", threads=1)
    assert record.correct == 9
    assert record.form.startswith("openvino")
    with pytest.raises(UsageError, match="tensorrt"):
        evaluate(str(bundle), str(pictures), engine="tensorrt")


def test_json_has_every_key(bundle: Path, pictures: Path, capsys: pytest.CaptureFixture[str]):
    words = ["evaluate", str(bundle), str(pictures), "--split", "all"]
    assert cli.run([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "fleetfoot.evaluate/1"
    assert {"top1", "top5", "images", "correct", "per_class"} <= answer.keys()
    assert answer["top5"] is None
    assert cli.run(words) == 0
    out = capsys.readouterr().out
    assert "100.0 % (70.1 to 100.0 %, 95 % interval)" in out
    assert "9 of 9 correct" in out


def test_what_is_missing_is_said(bundle: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.run(["evaluate", str(bundle), "no/such/data", "--quiet"]) == 3
    assert "no/such/data" in capsys.readouterr().err
    assert cli.run(["evaluate", "no/such/run", "digits", "--quiet"]) == 3
    assert cli.run(["evaluate", str(bundle), "digits", "--quiet"]) == 3  # other classes
    words = ["evaluate", "fasternet_t0", "digits", "--engine", "openvino", "--quiet"]
    assert cli.run(words) == 2


def test_a_bundle_is_evaluated_without_torch(bundle: Path, pictures: Path):
    code = (
        "import sys; from fleetfoot import cli\n"
        "code = cli.run(sys.argv[1:])\n"
        "assert 'torch' not in sys.modules\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "evaluate", str(bundle), str(pictures), "--split", "all"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def test_a_run_is_its_trained_network(tmp_path: Path):
    torch = pytest.importorskip("torch")
    from fleetfoot.data.preprocess import Preprocess
    from fleetfoot.nets.create import create
    from fleetfoot.nets.portable import save_portable

    torch.manual_seed(0)
    net = create("fleetnet_small", num_classes=10, in_chans=1)
    preprocess = Preprocess(16, 1.0, "bilinear", (127.5,), (127.5,), 1)
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    classes = [str(digit) for digit in range(10)]
    save_portable(run / "weights", net, classes=classes, preprocess=preprocess.to_json())
    record = evaluate(str(run), "digits")
    assert record.form == "eager float32"
    assert record.split == "evaluation"
    assert record.top5 is not None
    assert record.images == sum(row.images for row in record.per_class)


def test_views_and_networks_answer_by_their_mean(bundle: Path, pictures: Path):
    one = evaluate(str(bundle), str(pictures), split="all")
    twice = evaluate(str(bundle), str(pictures), split="all", average=(str(bundle),))
    assert twice.form == "onnxruntime float32, mean of 2"
    assert twice.loss == pytest.approx(one.loss, rel=1e-6)
    mirrored = evaluate(str(bundle), str(pictures), split="all", crops=2)
    assert mirrored.form == "onnxruntime float32, 2 views"
    assert mirrored.loss == pytest.approx(one.loss, rel=1e-6)  # the pictures are symmetric


def test_networks_of_other_classes_are_not_averaged(bundle: Path, pictures: Path):
    with pytest.raises(UsageError, match="--average mnist_sigmoid: has other classes than"):
        evaluate(str(bundle), str(pictures), average=("mnist_sigmoid",))


def test_accents_of_two_forms_are_one_class_where_networks_are_averaged(
    bundle: Path, pictures: Path
):
    other = bundle.parent / "other"
    shutil.copytree(bundle, other)
    content = read_json(bundle / "bundle.json")
    for place, name in ((bundle, "bl\u00e9u"), (other, "ble\u0301u")):
        classes = [name if known == "blue" else known for known in content["classes"]]
        (place / "bundle.json").write_text(json.dumps(content | {"classes": classes}))
    (pictures / "blue").rename(pictures / "bl\u00e9u")
    found = evaluate(str(bundle), str(pictures), split="all", average=(str(other),))
    assert found.form == "onnxruntime float32, mean of 2"
    assert found.images > 0


def test_a_run_answers_with_its_bundle_unless_asked(bundle: Path, pictures: Path):
    run = bundle.parent
    assert evaluate(str(run), str(pictures), split="all").form == "onnxruntime float32"
    with pytest.raises(DataError, match="has no weights/ yet"):
        evaluate(str(run), str(pictures), engine="eager")
    with pytest.raises(UsageError, match="is a bundle; evaluate the run it came from"):
        evaluate(str(bundle), str(pictures), engine="eager")


def test_in_its_own_data_a_run_is_evaluated_on_its_own_split(
    bundle: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
):
    data = open_data(str(pictures))
    write_data(bundle.parent, data, audit=None)
    (pictures / "red" / "added.png").write_bytes((pictures / "red" / "0.png").read_bytes())
    for words in ({}, {"split": "val"}):
        record = evaluate(str(bundle.parent), str(pictures), **words)
        assert (record.split, record.images) == ("val", len(data.val))
    assert evaluate(str(bundle), str(pictures)).images == len(data.val)
    assert evaluate(str(bundle), str(pictures), split="train").images == len(data.train)
    assert cli.run(["evaluate", str(bundle.parent), str(pictures)]) == 0
    assert "note         1 images added since the run" in capsys.readouterr().out
    whole = evaluate(str(bundle), str(pictures), split="all")
    assert whole.images == 10
    assert f"{len(data.train)} of these 10 images are the run's training images" in whole.notes
    with pytest.raises(DataError, match="has no split 'test'; it has train, val"):
        evaluate(str(bundle), str(pictures), split="test")


@pytest.mark.parametrize("words", [{"split": "tset"}, {"engine": "nope"}, {"precision": "int3"}])
def test_words_are_looked_at_before_the_data(words: dict[str, str]):
    with pytest.raises(UsageError, match="is not one of"):
        evaluate("no/such/run", "no/such/data", **words)


def test_pictures_are_not_held_at_full_size(bundle: Path):
    held: list[weakref.ref[Any]] = []
    most: list[int] = []

    def read(_: str) -> Any:
        picture = np.zeros((60, 60, 3), np.uint8)
        held.append(weakref.ref(picture))
        most.append(sum(one() is not None for one in held))
        return picture

    samples = tuple(Sample(index, str(index), 0) for index in range(20))
    answerer = job._bundle_answerer(str(bundle), EvaluateRequest())
    for crops in (1, 2):
        request = EvaluateRequest(crops=crops)
        logits, _ = job._answers([answerer], Split("all", samples, read), request, SILENT)
        assert logits.shape == (20, 3)
    assert max(most) <= 2


def test_each_picture_is_decoded_once(
    bundle: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
):
    decoded: list[str] = []

    def spy(*words: Any, name: str, **more: Any) -> Any:
        decoded.append(name)
        return pixels_of(*words, name=name, **more)

    for module in (decode, scan):
        monkeypatch.setattr(module, "pixels_of", spy)
    assert evaluate(str(bundle), str(pictures)).images == 9
    assert sorted(decoded) == sorted(set(decoded))
    assert len(decoded) == 9


def test_damage_that_reading_shows(bundle: Path, pictures: Path):
    cut = [pictures / "red" / "0.png", pictures / "blue" / "1.png"]
    for path in cut:
        path.write_bytes(path.read_bytes()[:-30])
    refused = r"2 of 9 images cannot be used: blue/1\.png: is truncated.*; red/0\.png.*--skip-dam"
    with pytest.raises(DataError, match=refused):
        evaluate(str(bundle), str(pictures))
    record = evaluate(str(bundle), str(pictures), skip_damaged=True)
    assert (record.images, record.correct) == (7, 7)
    assert [note.partition(": is truncated")[0] for note in record.notes] == [
        "left out: blue/1.png",
        "left out: red/0.png",
    ]
    for path in pictures.rglob("*.png"):
        path.write_bytes(path.read_bytes()[:60])
    for skip in (False, True):
        with pytest.raises(DataError, match="none of its 9 images can be used; the first: "):
            evaluate(str(bundle), str(pictures), skip_damaged=skip)


def test_a_damaged_image_of_the_runs_own_split_is_not_one_that_was_changed(
    bundle: Path, pictures: Path
):
    data = open_data(str(pictures))
    write_data(bundle.parent, data, audit=None)
    path = pictures / data.val.samples[0].key
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=f"1 of {len(data.val)} images cannot be used"):
        evaluate(str(bundle.parent), str(pictures))


def test_weights_are_of_networks_by_name(bundle: Path, pictures: Path):
    for run in (bundle, bundle.parent):
        with pytest.raises(UsageError, match=r"--weights own\.pt: .* brings its own; leave it out"):
            evaluate(str(run), str(pictures), weights="own.pt")


def test_far_fewer_correct_answers_than_are_known_are_remarked(bundle: Path, pictures: Path):
    for path in list((pictures / "red").iterdir()):
        path.rename(pictures / "blue" / f"red {path.name}")
    record = evaluate(str(bundle), str(pictures), known=Known(accuracy=0.99))
    assert record.notes == (
        "the network is right on 66.7 % of these images, --accuracy says 99.0 %: look at "
        "preprocessing, order of classes and images before you use it",
    )
    assert evaluate(str(bundle), str(pictures), known=Known(accuracy=0.8)).notes == ()


def test_networks_that_read_16_bits_otherwise_are_not_averaged(bundle: Path, pictures: Path):
    other = bundle.parent / "other"
    shutil.copytree(bundle, other)
    contract = read_json(bundle / "preprocess.json") | {"depth": 12}
    (other / "preprocess.json").write_text(json.dumps(contract))
    content = read_json(other / "bundle.json")
    content["files"]["preprocess.json"] = sha256_of(other / "preprocess.json")
    (other / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match="other: reads 16 bits otherwise than"):
        evaluate(str(bundle), str(pictures), average=(str(other),))


def test_views_that_there_are_not_are_refused_before_the_data_are_read(bundle: Path):
    with pytest.raises(UsageError, match="10 crops: this network is evaluated on the whole sq"):
        evaluate(str(bundle), "no/such/data", crops=10)
