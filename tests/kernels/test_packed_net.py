import json
from pathlib import Path

import numpy as np
import pytest

from fleetfoot.core.errors import DataError

pytest.importorskip("numba")

from fleetfoot.kernels.packed_bits import PackedConv, Thresholds
from fleetfoot.kernels.packed_net import Call, PackedNet, load_packed, save_packed
from fleetfoot.kernels.packed_steps import Affine, ChannelsLast, FloatConv, FloatSigns, GlobalMean


@pytest.fixture
def net() -> PackedNet:
    rng = np.random.default_rng(0)
    ones, none = np.ones(8, np.float32), np.zeros(8, np.float32)
    positive = np.arange(-72, 73)[:, None] >= np.arange(8)
    steps = [
        ChannelsLast(),
        FloatConv(rng.normal(size=(27, 8)).astype("f4"), none, 3, 1, 1, 0.0),
        FloatSigns(ones, none),
        PackedConv.of(rng.normal(size=(8, 8, 3, 3)), padding=1),
        Thresholds.of(positive, -72),
        PackedConv.of(rng.normal(size=(8, 8, 1, 1))),
        GlobalMean(),
        Affine(ones / 8, none),
    ]
    calls = tuple(Call(step, (place,)) for place, step in enumerate(steps))
    return PackedNet(calls, (3, 6, 6))


def test_a_file_answers_as_the_network_does(net: PackedNet, tmp_path: Path):
    x = np.random.default_rng(1).normal(size=(4, 3, 6, 6)).astype("f4")
    again = load_packed(save_packed(net, tmp_path / "a.npz"))
    np.testing.assert_array_equal(again(x), net(x))
    assert again(x).shape == (4, 8)
    assert (again.image, again.outputs) == ((3, 6, 6), 8)
    assert again.bit_bytes == 8 * (2 + 1) * 8  # 72 and 8 bits a filter, in whole words
    assert again.float_bytes == net.float_bytes > 27 * 8 * 4
    assert 0 < again.float_share(x) < 1


def altered(path: Path, **changes: object) -> Path:
    with np.load(path) as file:
        arrays = dict(file)
    content = json.loads(arrays.pop("program").tobytes()) | changes
    np.savez(path, program=np.frombuffer(json.dumps(content).encode(), np.uint8), **arrays)
    return path


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": 99}, "packed format 99 is not known"),
        ({"image": "abc"}, "is no packed network, or damaged"),
        ({"calls": [{"step": "os.system", "inputs": [0], "numbers": {}}]}, "is no packed network"),
        ({"calls": [{"step": "GlobalMean", "inputs": [3], "numbers": {}}]}, "is no packed network"),
        ({"calls": [{"step": "Affine", "inputs": [0], "numbers": {}}]}, "is no packed network"),
    ],
)
def test_a_file_that_is_wrong_is_refused(net: PackedNet, tmp_path: Path, changes, why: str):
    path = altered(save_packed(net, tmp_path / "a.npz"), **changes)
    if changes.get("calls", [{}])[0].get("step") == "Affine":
        with np.load(path) as file:
            kept = {name: file[name] for name in file if not name.startswith("0.")}
        np.savez(path, **kept)
    with pytest.raises(DataError, match=why):
        load_packed(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"not a network"])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is no packed network, or damaged"):
        load_packed(path)
    with pytest.raises(DataError, match="cannot be read"):
        load_packed(tmp_path / "b.npz")


def test_pickles_are_not_read(tmp_path: Path):
    path = tmp_path / "a.npz"
    np.savez(path, program=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="is no packed network"):
        load_packed(path)
