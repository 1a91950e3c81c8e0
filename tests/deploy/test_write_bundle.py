import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fleetfoot.core.errors import GateError
from fleetfoot.core.files import sha256_of
from fleetfoot.deploy.bundle import load
from fleetfoot.deploy.write_bundle import verify_golden, write_golden


def test_golden_images_are_the_crops_and_pass(record, subject):
    golden = record.path / "golden"
    expected = json.loads((golden / "expected.json").read_text())
    assert len(expected["images"]) == 3
    picture = np.asarray(Image.open(record.path / expected["images"][0]["file"]))
    assert any((picture == crop).all() for crop in subject.crops)
    assert verify_golden(load(record.path)) <= expected["tolerance"]


def test_a_golden_answer_that_is_off_fails_the_gate(record, tmp_path: Path):
    folder = shutil.copytree(record.path, tmp_path / "bundle")
    file = folder / "golden" / "expected.json"
    expected = json.loads(file.read_text())
    expected["images"][0]["logits"][0] += 10
    file.write_text(json.dumps(expected))
    content = json.loads((folder / "bundle.json").read_text())
    content["files"]["golden/expected.json"] = sha256_of(file)
    (folder / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(GateError, match="a golden image gives logits"):
        verify_golden(load(folder))


def test_grey_golden_images_keep_one_channel(tmp_path: Path):
    crops = np.random.default_rng(0).integers(0, 256, (1, 5, 5, 1), dtype=np.uint8)
    write_golden(tmp_path, crops_NHWC=crops, logits_NC=np.zeros((1, 2)), tolerance=1.0)
    picture = Image.open(tmp_path / "golden" / "0.png")
    assert picture.mode == "L"
    np.testing.assert_array_equal(np.asarray(picture), crops[0, :, :, 0])
