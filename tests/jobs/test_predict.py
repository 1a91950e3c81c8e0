import json
import re
import shutil
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fleetfoot import cli
from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.deploy.bundle import load
from fleetfoot.jobs import predict as job

KEYS = {"path", "label", "probability", "top", "latency_ms", "total_ms", "error"}


def test_each_image_gets_its_label(bundle: Path, pictures: Path):
    record = job.predict(str(bundle), [pictures / "red" / "0.png", pictures / "blue" / "1.png"])
    assert [p.label for p in record.predictions] == ["red", "blue"]
    first = record.predictions[0]
    assert first.probability is not None
    assert first.probability > 0.99
    assert first.top is not None
    assert first.top[0].label == "red"
    assert len(first.top) == 3
    assert sum(t.probability for t in first.top) == pytest.approx(1)
    assert first.latency_ms is not None
    assert first.latency_ms > 0


def test_a_run_answers_with_its_bundle_and_folders_are_searched_in_order(
    bundle: Path, pictures: Path
):
    (pictures / "notes.txt").write_text("no picture")
    (pictures / ".hidden").mkdir()
    Image.new("RGB", (9, 9)).save(pictures / ".hidden" / "x.png")
    record = job.predict(str(bundle.parent), [pictures], top=1)
    assert [p.path for p in record.predictions] == sorted(
        str(path) for path in pictures.glob("*/*.png") if "hidden" not in str(path)
    )
    assert [p.label for p in record.predictions] == [
        Path(p.path).parent.name for p in record.predictions
    ]
    assert all(p.top is not None and len(p.top) == 1 for p in record.predictions)
    assert record.notes == (
        f"{pictures}: left out, hidden: 1 (.hidden)",
        f"{pictures}: left out, no images: 1 (notes.txt)",
    )


def test_a_photograph_in_a_folder_that_cannot_be_read_is_no_success(
    bundle: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
):
    (pictures / "a.nef").write_bytes(b"raw")
    assert cli.run(["predict", str(bundle), str(pictures)]) == DataError.exit_code
    said = capsys.readouterr()
    assert "a.nef: raw files of cameras are not read; develop it to JPEG or TIFF" in said.err
    assert len(said.out.splitlines()) == len(list(pictures.glob("*/*.png")))


class Levels:
    """An engine that answers with the mean of what it is given, for each class."""

    def run(self, batch: np.ndarray) -> np.ndarray:
        return np.array([[0.0, 0.0, 1.0]]) * batch.astype(np.float64).mean() / 100


def test_a_bundle_reads_16_bits_as_its_contract_says(bundle: Path, tmp_path: Path):
    values = np.full((32, 32), 3000, np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    Image.fromarray((values >> 4).astype(np.uint8)).save(tmp_path / "plain.png")
    opened = replace(load(bundle), engine=Levels())
    deeper = replace(opened, preprocess=replace(opened.preprocess, depth=12))
    deep, plain = deeper.predict([tmp_path / "deep.png", tmp_path / "plain.png"])
    assert deep.top == plain.top
    assert opened.predict(tmp_path / "deep.png").top != plain.top


def bad_images(folder: Path) -> dict[str, Path]:
    folder.mkdir()
    good = folder / "good.jpg"
    Image.new("RGB", (64, 48), (255, 0, 0)).save(good)
    paths = {
        "missing": folder / "missing.jpg",
        "text": folder / "text.jpg",
        "empty": folder / "empty.jpg",
        "truncated": folder / "truncated.jpg",
        "huge": folder / "huge.png",
    }
    paths["text"].write_text("this is no picture")
    paths["empty"].write_bytes(b"")
    paths["truncated"].write_bytes(good.read_bytes()[:400])
    # the header of a PNG that claims 20,000 x 20,000 pixels
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    paths["huge"].write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + crc + b"\0" * 64
    )
    return {"good": good, **paths}


def test_bad_images_get_a_line_each_and_the_others_are_answered(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    images = bad_images(tmp_path / "images")
    assert cli.run(["predict", str(bundle), *map(str, images.values()), "--json"]) == 3
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert answer["schema"] == "fleetfoot.predict/1"
    for name, prediction in zip(images, answer["predictions"], strict=True):
        assert prediction.keys() == KEYS
        assert (prediction["error"] is None) == (name == "good")
        assert (prediction["label"] == "red") == (name == "good")
        if name != "good":
            assert images[name].name in prediction["error"]
            assert "\n" not in prediction["error"]
    assert err.count("\n") == len(images) - 1
    assert "Traceback" not in err


def test_odd_images_are_answered(bundle: Path, tmp_path: Path):
    shades = np.full((40, 40), 200, np.uint8)
    odd = {
        "wide.png": Image.new("RGB", (5000, 1), (0, 255, 0)),
        "grey.png": Image.fromarray(shades),
        "deep.png": Image.fromarray(shades.astype(np.uint16) * 257),
        "palette.png": Image.new("RGB", (9, 9), (0, 0, 255)).convert("P"),
        "alpha.png": Image.new("RGBA", (9, 9), (255, 0, 0, 255)),
        "cmyk.jpg": Image.new("CMYK", (9, 9), (255, 0, 255, 0)),
        "one.png": Image.new("RGB", (1, 1), (255, 0, 0)),
    }
    for name, image in odd.items():
        image.save(tmp_path / name)
    record = job.predict(str(bundle), [tmp_path / name for name in odd])
    assert all(p.error is None for p in record.predictions)
    labels = dict(zip(odd, [p.label for p in record.predictions]))
    assert labels["wide.png"] == "green"
    assert labels["palette.png"] == "blue"
    assert labels["alpha.png"] == labels["one.png"] == "red"


def test_what_predict_refuses(bundle: Path, tmp_path: Path, pictures: Path):
    with pytest.raises(UsageError, match="at least one image"):
        job.predict(str(bundle), [])
    with pytest.raises(UsageError, match="--top 0"):
        job.predict(str(bundle), [pictures], top=0)
    with pytest.raises(DataError, match="no such folder"):
        job.predict("fasternet_t0", [pictures])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda b: (b / "model.onnx").unlink(), "model.onnx"),
        (lambda b: (b / "model.onnx").write_bytes(b"other"), "altered"),
        (lambda b: (b / "preprocess.json").unlink(), "preprocess.json"),
        (lambda b: (b / "bundle.json").write_text("{"), "not valid JSON"),
        (lambda b: (b / "bundle.json").write_text("[]"), "no JSON object"),
        (lambda b: (b / "bundle.json").write_text("{}"), "format"),
    ],
)
def test_a_spoilt_bundle_is_refused_in_one_line(
    bundle: Path, pictures: Path, capsys: pytest.CaptureFixture[str], spoil: object, words: str
):
    spoil(bundle)  # type: ignore[operator]
    assert cli.run(["predict", str(bundle), str(pictures)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_a_person_sees_label_probability_and_time(
    bundle: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
):
    assert cli.run(["predict", str(bundle), str(pictures / "red" / "0.png")]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"\S*0\.png  red \d+\.\d %  engine \d+\.\d ms, in all \d+\.\d ms\n", out)
    assert err == ""
    assert cli.run(["predict", str(bundle), str(pictures / "red"), "--top", "3"]) == 0
    out, _ = capsys.readouterr()
    assert all(re.search(r"  red \S+ %, \w+ \S+ %, \w+ \S+ %  engine", x) for x in out.splitlines())


def test_what_is_no_image_is_said_and_the_others_are_answered(
    bundle: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "nothing").mkdir()
    odd = ["", "-", str(tmp_path / "nothing"), str(tmp_path / "absent.png"), "~$a.jpg", "x" * 300]
    record = job.predict(str(bundle), [*odd, pictures / "red" / "0.png"])
    errors = [p.error or "" for p in record.predictions]
    for error, words in zip(
        errors,
        (
            "is empty",
            "standard input",
            "has no image files",
            "no such file",
            "no such file",
            "too long",
        ),
        strict=False,
    ):
        assert words in error
    assert (record.predictions[-1].label, record.exit_code) == ("red", 3)
    assert len(record.failures) == 6
    assert cli.run(["predict", str(bundle), ""]) == 2
    assert capsys.readouterr().err == "fleetfoot: '': is empty; name it or leave it out\n"


def test_the_first_image_is_not_timed_cold(bundle: Path, pictures: Path):
    first, *others = job.predict(str(bundle), [pictures]).predictions
    assert first.total_ms is not None
    assert first.latency_ms is not None
    assert first.total_ms >= first.latency_ms
    assert len(others) == 8


WATCH = """
import sys
from fleetfoot import cli
code = cli.run(sys.argv[1:])
heavy = {'torch', 'torchvision', 'sklearn', 'scipy', 'pyarrow', 'pydantic', 'matplotlib', 'rich'}
print(sorted(heavy & sys.modules.keys()), file=sys.stderr)
sys.exit(code)
"""


def test_predicting_imports_nothing_heavy(bundle: Path, pictures: Path):
    done = subprocess.run(
        [sys.executable, "-c", WATCH, "predict", str(bundle), str(pictures), "--quiet"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr.decode().splitlines()[-1] == "[]"


def test_predicting_works_without_torch_and_without_a_network(
    bundle: Path, pictures: Path, fleetfoot: Any, sabotage: Any
):
    done = fleetfoot("predict", bundle, pictures, "--json", **sabotage("torch", "torchvision"))
    assert done.returncode == 0, done.stderr.decode()
    assert len(json.loads(done.stdout)["predictions"]) == 9


def test_reading_is_enough_and_what_may_not_be_read_is_named(
    public: Path, bundle: Path, pictures: Path, nobody: Any, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(bundle, public / "bundle")
    shutil.copytree(pictures, public / "pictures")
    secret = public / "pictures" / "red" / "1.png"
    secret.chmod(0)
    words = ["predict", str(public / "bundle"), str(public / "pictures" / "red"), "--json"]
    cli.run(words)  # imports what only root may read
    capsys.readouterr()
    nobody()
    assert cli.run(words) == 3
    predictions = json.loads(capsys.readouterr().out)["predictions"]
    assert [p["label"] for p in predictions] == ["red", None, "red"]
    assert str(secret) in predictions[1]["error"]


def test_a_bundle_that_may_not_be_read_is_named(
    public: Path, bundle: Path, pictures: Path, nobody: Any, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(bundle, public / "bundle")
    (public / "bundle" / "model.onnx").chmod(0)
    nobody()
    assert cli.run(["predict", str(public / "bundle"), "picture.png"]) == 3
    err = capsys.readouterr().err
    assert "model.onnx" in err
    assert err.count("\n") == 1
