"""Weight files: no code runs, damage is one line, the licence is what the file says."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fleetfoot.core.errors import DataError
from fleetfoot.nets.create import create
from fleetfoot.nets.portable import save_portable
from fleetfoot.nets.weight_files import licence_of, read_tensors
from fleetfoot.nets.weights import load_weights


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('code ran')",))


def test_no_code_runs_and_damage_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"a": Evil()}))
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("evil.pth", "text.pth", "text.safetensors"):
        with pytest.raises(DataError, match="no readable weight file") as caught:
            load_weights(create("mnist_sigmoid"), tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="no table of tensors"):
        read_tensors(tmp_path / "list.pth")
    with pytest.raises(DataError, match=r"absent\.safetensors: there is no such weight file$"):
        read_tensors(tmp_path / "absent.safetensors")


def test_a_refusal_says_why_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps({"a": Evil()}))
    torch.save({"a": Evil()}, tmp_path / "archive.pth")
    for name in ("pickle.pth", "archive.pth"):
        with pytest.raises(DataError, match="holds code or objects other than tensors") as caught:
            read_tensors(tmp_path / name)
        assert "\x1b" not in str(caught.value)
        assert "eights_only" not in str(caught.value)
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(DataError, match="neither a torch file nor safetensors"):
        read_tensors(tmp_path / "text.pth")


def test_a_name_of_the_hub_without_its_prefix_gets_a_hint() -> None:
    with pytest.raises(DataError, match=r"is written hf-hub:timm/mobilenetv2_100\.ra_in1k"):
        load_weights(create("mnist_sigmoid"), "timm/mobilenetv2_100.ra_in1k")


@pytest.mark.parametrize("word", ["licence", "license"])
def test_licence_in_the_metadata(tmp_path: Path, word: str) -> None:
    net = create("mnist_sigmoid")
    file = tmp_path / "w.safetensors"
    save_file(net.state_dict(), file, metadata={word: "CC-BY-4.0"})
    assert load_weights(net, file).licence == "CC-BY-4.0"


def test_licence_of_a_portable_folder(tmp_path: Path) -> None:
    net = create("mnist_sigmoid")
    save_portable(tmp_path / "w", net, info={"licence": "MIT"})
    assert load_weights(net, tmp_path / "w").licence == "MIT"
    save_portable(tmp_path / "w", net)
    assert load_weights(net, tmp_path / "w").licence == "unknown"
    (tmp_path / "w" / "config.json").unlink()
    assert load_weights(net, tmp_path / "w").licence == "unknown"


def test_no_licence_is_unknown(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pth")
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    assert licence_of(tmp_path / "w.pth") == licence_of(tmp_path / "w.safetensors") == "unknown"
