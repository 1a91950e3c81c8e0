import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fleetfoot.core.errors import DataError, MissingError, UsageError
from fleetfoot.deploy import bundle as bundle_module
from fleetfoot.deploy.bundle import load


@pytest.fixture(scope="module")
def loaded(record):
    return load(record.path)


@pytest.fixture
def copy(record, tmp_path: Path) -> Path:
    return shutil.copytree(record.path, tmp_path / "bundle")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    generator = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        Image.fromarray(generator.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(path)
    return paths


def edit(folder: Path, **changes) -> None:
    file = folder / "bundle.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_logits_are_those_of_the_network(subject, loaded):
    parity = loaded.record["chosen"]["parity"]
    difference = np.abs(loaded.logits(subject.crops) - subject.logits).max()
    assert difference <= max(1e-4, 1.01 * parity["max_logit_difference"])


def test_one_image_one_answer(loaded, photos: list[Path]):
    answer = loaded.predict(photos[0], top=2)
    assert answer.path == str(photos[0])
    assert answer.label == answer.top[0].label
    assert answer.label in loaded.classes
    assert len(answer.top) == 2
    assert answer.probability >= answer.top[1].probability
    assert answer.latency_ms > 0
    assert answer.error is None


def test_path_array_and_bytes_agree(loaded, photos: list[Path]):
    pixels = np.asarray(Image.open(photos[0]))
    answers = loaded.predict([str(photos[0]), photos[0].read_bytes(), pixels])
    assert len({answer.probability for answer in answers}) == 1
    assert [answer.path for answer in answers] == [str(photos[0]), None, None]


def test_a_bad_image_in_a_list_leaves_the_others_answered(loaded, photos, tmp_path: Path):
    (tmp_path / "text.jpg").write_text("no image")
    answers = loaded.predict([photos[0], tmp_path / "text.jpg", tmp_path / "gone.png", photos[1]])
    assert [answer.error is None for answer in answers] == [True, False, False, True]
    assert "text.jpg" in answers[1].error
    assert answers[1].label is None
    with pytest.raises(DataError, match=r"text\.jpg"):
        loaded.predict(tmp_path / "text.jpg")


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16", "1"])
def test_odd_but_valid_images_are_answered(loaded, tmp_path: Path, mode: str):
    image = Image.new(mode, (500, 1))
    file = tmp_path / ("x.tif" if mode in ("CMYK", "I;16") else "x.png")
    image.save(file)
    assert loaded.predict(file).label in loaded.classes


def test_no_image_no_answer_and_top_below_one_is_refused(loaded, photos: list[Path]):
    assert loaded.predict([]) == []
    with pytest.raises(UsageError, match="top must be at least 1"):
        loaded.predict(photos[0], top=0)


def test_threads_may_share_a_bundle(loaded, photos: list[Path]):
    alone = [loaded.predict(path).top for path in photos]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda path: loaded.predict(path).top, photos * 10))
    assert together == alone * 10


def test_predicting_needs_no_torch_and_no_socket(record, photos: list[Path]):
    code = """
import socket, sys
def blocked(*_, **__):
    raise OSError("sockets are blocked")
socket.socket = socket.create_connection = socket.getaddrinfo = blocked
from fleetfoot.deploy.bundle import load
print(load(sys.argv[1]).predict(sys.argv[2]).label)
heavy = {"torch", "torchvision", "onnx", "matplotlib", "pyarrow", "pydantic"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(record.path), str(photos[0])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in record.content["classes"]


def test_a_missing_file_is_one_line(copy: Path):
    (copy / "labels.json").unlink()
    with pytest.raises(DataError, match=r"labels\.json: the bundle's file cannot be read") as e:
        load(copy)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("name", ["model.onnx", "preprocess.json", "golden/0.png"])
def test_an_altered_file_is_refused(copy: Path, name: str):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(DataError, match="was altered since the bundle was written"):
        load(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "bundle format 99 is not known; this version reads formats 1, 2, 3"),
        ({"schema": "other/1"}, "is not known"),
        ({"chosen": None}, r"bundle\.json lacks chosen"),
        ({"chosen": {"engine": "openvino"}}, "the chosen form in bundle.json lacks precision"),
        ({"device": "here"}, r"bundle\.json lacks device"),
        ({"files": ["model.onnx"]}, r"bundle\.json lacks files"),
        ({"classes": ["ant", "bee"]}, "4 outputs, its class list 2 names"),
        ({"graph": {"preprocess": True}}, "takes nhwc images|takes float32"),
        ({"files": {"../secret": "0"}}, "a file outside the bundle"),
        ({"files": {"/etc/passwd": "0"}}, "a file outside the bundle"),
    ],
)
def test_a_record_that_is_wrong_is_refused(copy: Path, changes, message: str):
    edit(copy, **changes)
    with pytest.raises(DataError, match=message):
        load(copy)


@pytest.mark.parametrize("key", ["threads", "layout", "precision"])
def test_a_form_with_a_value_of_another_kind_is_refused(copy: Path, record, key: str):
    edit(copy, chosen=record.content["chosen"] | {key: ["many"]})
    with pytest.raises(DataError, match=f"the chosen form in bundle.json lacks {key}"):
        load(copy)


@pytest.mark.parametrize("file", ["../model.onnx", "unlisted.onnx", "/model.onnx"])
def test_a_form_may_not_name_a_file_that_was_not_checked(copy: Path, record, file: str):
    shutil.copy(copy / "model.onnx", copy / "unlisted.onnx")
    edit(copy, chosen=record.content["chosen"] | {"file": file})
    with pytest.raises(DataError, match="the bundle has no such file"):
        load(copy)


def test_no_bundle_and_no_json(tmp_path: Path, copy: Path):
    with pytest.raises(DataError, match="the bundle has no such file"):
        load(tmp_path / "nothing")
    (copy / "bundle.json").write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        load(copy)


def test_a_run_folder_leads_to_its_bundle(copy: Path):
    assert load(copy.parent).folder == copy


def test_without_the_chosen_engine_the_fallback_answers(
    copy: Path, subject, record, monkeypatch: pytest.MonkeyPatch
):
    chosen = record.content["chosen"] | {"engine": "openvino", "file": "model.onnx"}
    edit(copy, chosen=chosen | {"precision": "float32", "layout": "nchw"})
    monkeypatch.setattr(bundle_module, "installed_engines", lambda: ("onnxruntime",))
    loaded = load(copy)
    assert (loaded.choice["engine"], loaded.choice["precision"]) == ("onnxruntime", "float32")
    assert loaded.notes == ("openvino is not installed: the ONNX float32 form answers",)
    np.testing.assert_allclose(loaded.logits(subject.crops), subject.logits, atol=1e-4)


def test_bits_need_numba_and_another_form_answers_without(
    copy: Path, monkeypatch: pytest.MonkeyPatch
):
    edit(copy, chosen={**load(copy).choice, "engine": "packed", "precision": "w1a1"})
    monkeypatch.setattr(bundle_module, "is_installed", lambda engine: False)
    loaded = load(copy)
    assert (loaded.choice["engine"], loaded.choice["precision"]) == ("onnxruntime", "float32")
    assert loaded.notes == ("numba is not installed: the ONNX float32 form answers",)


@pytest.mark.parametrize("words", [{"engine": "packed"}, {"precision": "w1a1"}])
def test_a_bundle_without_bits_says_so(copy: Path, words: dict[str, str]):
    with pytest.raises(UsageError, match="this bundle holds no w1a1 for"):
        load(copy, **words)


def test_without_any_engine_it_says_what_to_install(copy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bundle_module, "installed_engines", lambda: ())
    with pytest.raises(MissingError, match="pip install onnxruntime openvino"):
        load(copy)


def test_on_another_machine_the_fallback_answers(copy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bundle_module, "fingerprint", lambda: "other")
    loaded = load(copy)
    assert loaded.choice["precision"] == "float32"
    assert "another kind of machine" in loaded.notes[0]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_another_engine_can_be_asked_for(record, subject, engine: str):
    loaded = load(record.path, engine=engine, precision="float32", threads=2)
    assert loaded.engine.engine == engine
    assert loaded.engine.threads == 2
    np.testing.assert_allclose(loaded.logits(subject.crops), subject.logits, atol=1e-4)


def test_a_quota_cuts_the_threads(copy: Path, record, monkeypatch: pytest.MonkeyPatch):
    edit(copy, chosen=record.content["chosen"] | {"threads": 32})
    monkeypatch.setattr(bundle_module, "allowed_threads", lambda: 2)
    assert load(copy).engine.threads == 2
