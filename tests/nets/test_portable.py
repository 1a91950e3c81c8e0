"""Portable weights: whole, readable, refused when damaged."""

import errno
import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.nets.create import create
from fleetfoot.nets.portable import create_from_folder, read_portable, save_portable

PREPROCESS = {"size": 16, "mean": (127.0,), "std": (128.0,)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    net = create("fleetnet_small", num_classes=2, width=0.25)
    save_portable(
        tmp_path / "w", net, classes=["a", "b"], preprocess=PREPROCESS, info={"licence": "unknown"}
    )
    return tmp_path / "w"


def test_round_trip(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "preprocess.json",
    ]
    saved = read_portable(folder)
    assert saved.classes == ("a", "b")
    assert saved.created_as.options == {"width": 0.25}
    assert saved.info == {"licence": "unknown"}
    assert saved.preprocess == {"size": 16, "mean": [127.0], "std": [128.0]}


def test_channels_last_and_overwriting(folder: Path) -> None:
    net = create("fleetnet_small", num_classes=2, width=0.25).to(memory_format=torch.channels_last)
    save_portable(folder, net)
    again = create_from_folder(folder)
    for key, value in net.state_dict().items():
        assert torch.equal(again.state_dict()[key], value)
    assert read_portable(folder).preprocess is None


def test_a_foreign_network_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Linear: only whole networks"):
        save_portable(tmp_path / "w", nn.Linear(1, 1))
    assert not (tmp_path / "w").exists()


def _damage_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"net": "resnet"}, "names no network .*'resnet' is not a network"),
        ({"net": ["fleetnet"]}, "a value is of the wrong kind"),
        ({"num_classes": "two"}, "a value is of the wrong kind"),
        ({"in_chans": 0}, "names no network .*0 image channels"),
        ({"options": {"depth": 3}}, "names no network .*no option 'depth'"),
        ({"options": {"width": "wide"}}, "names no network"),
    ],
)
def test_a_config_that_describes_no_network_is_damage(folder: Path, changes, message: str) -> None:
    _damage_config(folder, **changes)
    with pytest.raises(DataError, match=message):
        create_from_folder(folder)


def test_damage_is_refused_in_one_line(folder: Path) -> None:
    _damage_config(folder, num_classes=4)
    with pytest.raises(DataError, match=r"classifier\.weight does not fit"):
        create_from_folder(folder)
    _damage_config(folder, num_classes=2)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:1000])
    with pytest.raises(DataError, match="no readable weight file"):
        create_from_folder(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match="no such weight file"):
        create_from_folder(folder)
    _damage_config(folder, options=3)
    with pytest.raises(DataError, match="is damaged"):
        read_portable(folder)
    _damage_config(folder, schema="fleetfoot.weights/9")
    with pytest.raises(DataError, match=r"'fleetfoot\.weights/9'"):
        read_portable(folder)


def test_a_full_disk_is_an_os_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("fleetfoot.nets.portable.save_file", full)
    net = create("fleetnet_small", num_classes=2, width=0.25)
    with pytest.raises(OSError, match="No space left") as raised:
        save_portable(tmp_path / "w", net, classes=["a", "b"])
    assert raised.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []
