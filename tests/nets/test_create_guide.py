"""The guide to the networks says what works: its Python runs, and the files it names are there."""

import re
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file

import fleetfoot
from fleetfoot.core.errors import MissingError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.names import foreign_names
from fleetfoot.nets.portable import save_portable

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "guide" / "networks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_creating(capsys: pytest.CaptureFixture[str]) -> None:
    exec(BLOCKS[0], {})
    assert "'resnet18'" in capsys.readouterr().out


def test_scaling(capsys: pytest.CaptureFixture[str]) -> None:
    exec(BLOCKS[1], {})
    assert capsys.readouterr().out == "(3, 160, 160)\n(3, 258, 258)\n"


def test_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    net = create("resnet18", num_classes=3)
    names = foreign_names(net.state_dict(), entry("resnet18").family, "timm")
    state = {names[key]: value for key, value in net.state_dict().items()}
    save_file(state, tmp_path / "resnet18.safetensors", metadata={"license": "mit"})
    monkeypatch.chdir(tmp_path)
    exec(BLOCKS[2], {})
    origin, tensors, notes = capsys.readouterr().out.splitlines()
    assert origin == "timm mit"
    assert tensors == "('classifier.weight', 'classifier.bias') ('fc.bias', 'fc.weight')"
    assert "the classifier is new" in notes


def test_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # no request leaves this machine
    with pytest.raises(MissingError, match="huggingface_hub"):
        exec(BLOCKS[3], {})


def test_a_folder_of_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runs" / "photos" / "weights"
    folder.parent.mkdir(parents=True)
    save_portable(folder, create("resnet18", num_classes=7))
    monkeypatch.chdir(tmp_path)
    names = {"fleetfoot": fleetfoot}
    exec(BLOCKS[4], names)
    assert [names[n].classifier.out_features for n in ("net", "other")] == [7, 3]


def test_counting(capsys: pytest.CaptureFixture[str]) -> None:
    exec(BLOCKS[5], {})
    assert capsys.readouterr().out == "99710 99400\n"
    assert len(BLOCKS) == 6


def test_files_that_the_guide_names() -> None:
    for path in re.findall(r"`((?:nets|tests|src)/[\w/.]+\.(?:py|json))`", PAGE):
        if "FAMILY" not in path:
            assert (ROOT / path).exists() or (ROOT / "src" / "fleetfoot" / path).exists(), path
