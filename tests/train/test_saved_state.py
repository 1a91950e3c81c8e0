import random
from pathlib import Path

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import DataError
from fleetfoot.train.saved_state import (
    SavedState,
    forget_states,
    load_latest,
    random_states,
    random_tensors,
    restore_random,
    save_state,
)


def state(step: int) -> SavedState:
    channels_last = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    tensors = {
        "last": channels_last,
        "bf16": torch.randn(4, 3).bfloat16().t(),
        "scalar": torch.tensor(7),
        "pointwise": torch.randn(4, 3, 1, 1).to(memory_format=torch.channels_last),
        "shared": channels_last[:1],
    }
    return SavedState(step, tensors, {"half": 0.1 + 0.2, "history": [{"a": None}]})


def test_values_and_strides_come_back(tmp_path: Path) -> None:
    saved = state(3)
    save_state(tmp_path, saved)
    loaded = load_latest(tmp_path)
    assert loaded is not None
    assert loaded.step == 3
    assert loaded.scalars == saved.scalars
    assert set(loaded.tensors) == set(saved.tensors)
    for name, tensor in saved.tensors.items():
        assert torch.equal(loaded.tensors[name], tensor)
        assert loaded.tensors[name].stride() == tensor.stride()
        assert loaded.tensors[name].dtype == tensor.dtype
        assert loaded.tensors[name].data_ptr() % 64 == 0  # what torch's allocator gives


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 10):
        save_state(tmp_path, state(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-10", "step-2"]
    assert (tmp_path / "latest").read_text().strip() == "step-10"


def test_half_written_and_unannounced_folders_are_ignored_and_removed(tmp_path: Path) -> None:
    save_state(tmp_path, state(1))
    (tmp_path / ".step-9.0a0b.tmp").mkdir()
    (tmp_path / "step-5").mkdir()  # renamed, then killed before `latest`
    loaded = load_latest(tmp_path)
    assert loaded is not None
    assert loaded.step == 1
    save_state(tmp_path, state(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-1", "step-2"]


def test_a_damaged_state_falls_back_to_the_one_before(tmp_path: Path) -> None:
    save_state(tmp_path, state(1))
    save_state(tmp_path, state(2))
    tensors = tmp_path / "step-2" / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:100])
    loaded = load_latest(tmp_path)
    assert loaded is not None
    assert loaded.step == 1
    (tmp_path / "step-1" / "state.json").unlink()
    with pytest.raises(DataError, match=r"step-2.*damaged"):
        load_latest(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    save_state(tmp_path, state(1))
    record = tmp_path / "step-1" / "state.json"
    record.write_text(record.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(DataError, match="has format 9"):
        load_latest(tmp_path)


def test_nothing_saved_is_none(tmp_path: Path) -> None:
    assert load_latest(tmp_path / "state") is None
    save_state(tmp_path / "state", state(1))
    forget_states(tmp_path / "state")
    assert load_latest(tmp_path / "state") is None


def test_random_generators_go_on_where_they_were(tmp_path: Path) -> None:
    def draws() -> tuple[float, float, float, float]:
        gauss = np.random.standard_normal()  # noqa: NPY002
        return random.random(), random.gauss(0, 1), gauss, torch.rand(1).item()

    draws()  # leaves half a pair of normals waiting in each
    save_state(tmp_path, SavedState(1, random_tensors(), random_states()))
    expected = draws()
    draws()
    loaded = load_latest(tmp_path)
    assert loaded is not None
    restore_random(loaded.scalars, loaded.tensors)
    assert draws() == expected


def test_nothing_but_safetensors_and_json_is_written(tmp_path: Path) -> None:
    save_state(tmp_path, state(1))
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"latest", "state.json", "tensors.safetensors"}
