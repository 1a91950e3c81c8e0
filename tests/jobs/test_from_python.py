"""The verbs called from Python: words, and a bundle from a network of one's own."""

from pathlib import Path

import pytest

import fleetfoot
from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.jobs import from_python
from fleetfoot.jobs.requests import DeployRequest, EvaluateRequest, FitRequest

GREY = Preprocess(8, 1.0, "bilinear", (78.0,), (96.0,), 1)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the portable weights of a small network, written as a user writes them."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("own") / "weights"
    net = fleetfoot.create("resnet20_cifar", num_classes=10, in_chans=1)
    classes = [str(digit) for digit in range(10)]
    fleetfoot.save_portable(str(folder), net, classes=classes, preprocess=GREY)
    return folder


def test_paths_may_be_texts_and_one_text_is_a_list_of_one() -> None:
    found = from_python._request(FitRequest, {"out": "there", "methods": "cutout"}, data="digits")
    assert found == FitRequest(data="digits", out=Path("there"), methods=("cutout",))
    assert from_python._request(EvaluateRequest, {"average": ["a", "b"]}).average == ["a", "b"]
    assert from_python._request(FitRequest, {"settings": {"lr": 0.1}}).changes == {"lr": 0.1}
    asked = from_python._request(DeployRequest, {"classes": "a,b", "weights": "x.pt", "size": 8})
    assert (asked.known.names, asked.weights, asked.size) == (("a", "b"), "x.pt", 8)


@pytest.mark.parametrize(
    ("word", "hint"), [("epoch", "nearest: epochs"), ("zzzzz", "FitRequest"), ("data", "FitReq")]
)
def test_an_unknown_word_is_named(word: str, hint: str) -> None:
    with pytest.raises(TypeError, match=rf"no word '{word}'; .*{hint}"):
        from_python._request(FitRequest, {word: 1}, data="digits")


def test_a_room_is_a_verb_and_holds_its_modules() -> None:
    from fleetfoot.deploy import bundle

    assert fleetfoot.deploy.bundle is bundle  # pyright: ignore[reportFunctionMemberAccess]
    with pytest.raises(DataError, match="no such folder"):
        fleetfoot.deploy("./not/there")
    with pytest.raises(UsageError, match="at least one network"):
        fleetfoot.measure()


def test_ones_own_network_becomes_a_bundle(own: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    words = {"engine": "onnxruntime", "precision": "float32", "calibrate": "digits"}
    words |= {"no_golden": True, "out": str(tmp_path / "bundle")}
    record = fleetfoot.deploy(f"local:{own}", **words)
    assert (record.net, record.gate_source) == ("resnet20_cifar", "digits")
    assert record.reference["images"] == record.gate_images > 100
    assert not list((tmp_path / "bundle").rglob("*.png")), "of the user's images"
    bundle = fleetfoot.load(tmp_path / "bundle")
    assert (bundle.preprocess.size, bundle.preprocess.channels) == (8, 1)
    ours = fleetfoot.evaluate(f"local:{own}", "digits")
    theirs = fleetfoot.evaluate(tmp_path / "bundle", "digits")
    assert ours.correct == pytest.approx(theirs.correct, abs=1)
    assert [row.name for row in ours.per_class] == list(bundle.classes)
