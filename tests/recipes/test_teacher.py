"""The teacher of a distillation: what may be one, and what is refused in a line."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fleetfoot.core.errors import MissingError, UsageError
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.nets.create import create
from fleetfoot.nets.portable import save_portable
from fleetfoot.recipes.method import method_of
from fleetfoot.recipes.teacher import check_teacher, load_teacher
from fleetfoot.train.method_word import MethodWord

CLASSES = ("a", "b", "c")
PIXELS = Preprocess(24, 1.0, "bilinear", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its weights and its bundle, of which the name alone is looked at."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    net = create("cuda_convnet_18", num_classes=3)
    save_portable(folder / "weights", net, classes=CLASSES, preprocess=PIXELS)
    (folder / "bundle").mkdir()
    (folder / "bundle" / "bundle.json").write_text("{}")
    return folder


@pytest.mark.parametrize("place", ["", "weights", "bundle"])
def test_a_run_teaches_with_its_weights_and_its_preprocessing(run: Path, place: str) -> None:
    word = str(run / place)
    check_teacher(word, "auto", CLASSES)
    found = load_teacher(word, "auto", 3)
    saved = create(f"local:{run / 'weights'}")
    assert torch.equal(found.net.classifier.weight, saved.classifier.weight)
    assert found.preprocess == PIXELS


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("a", "c", "b"), "knows the classes a, b, c, the data have a, c, b"),
        (tuple("abcdef"), "the data have a, b, c and 3 more"),
    ],
)
def test_other_classes_are_refused(run: Path, classes: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_teacher(str(run), "auto", classes)


def test_weights_without_names_are_compared_by_their_number(tmp_path: Path) -> None:
    save_portable(tmp_path / "w", create("cuda_convnet_18", num_classes=3))
    check_teacher(str(tmp_path / "w"), "auto", CLASSES)
    assert load_teacher(str(tmp_path / "w"), "auto", 3).preprocess is None
    with pytest.raises(UsageError, match="answers with 3 classes, the data have 2"):
        check_teacher(str(tmp_path / "w"), "auto", ("a", "b"))


def test_a_network_teaches_with_a_file_of_weights(tmp_path: Path) -> None:
    net = create("cuda_convnet_18", num_classes=3)
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    found = load_teacher("cuda_convnet_18", str(tmp_path / "w.safetensors"), 3)
    assert torch.equal(found.net.classifier.weight, net.classifier.weight)
    assert found.preprocess is None
    with pytest.raises(UsageError, match="cuda_convnet_18"):
        check_teacher("cuda_convnet_18", str(tmp_path / "w.safetensors"), ("a", "b"))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("no/such/run", "teacher=no/such/run is neither a finished run, nor a folder of weights"),
        ("cuda_convnet_18", "has no published weights: give weights=FILE"),
    ],
)
def test_what_cannot_teach_is_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_teacher(word, "auto", CLASSES)


def test_published_weights_of_other_classes_are_refused() -> None:
    with pytest.raises((UsageError, MissingError), match=r"1000 classes|not installed"):
        check_teacher("tf_efficientnet_lite0", "auto", CLASSES)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("distill", "it needs a teacher: write distill:teacher=RUN"),
        ("distill:teacher=x,labels=2", "labels"),
        ("distill:teacher=x,temperature=0", "temperature"),
    ],
)
def test_settings_are_checked(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        method_of(MethodWord.parse(word))
