import json
from pathlib import Path

import pytest
import tiny_run as tiny
import torch
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.data.loader import Batch
from fleetfoot.ops.class_map import ClassMap
from fleetfoot.train.head.phase import (
    cached_features,
    check_outputs,
    shape_head,
    some_of,
    train_head,
)
from fleetfoot.train.inputs import Normalise
from fleetfoot.train.steps.step import Context, Metrics, supervised_step


def context(**changes: object) -> Context:
    normalise = Normalise(tiny.PREPROCESS, layout="nchw", device=torch.device("cpu"))
    return Context(tiny.recipe(**changes), 0, 3, normalise, "float32")


def test_only_the_classifier_changes_and_it_learns() -> None:
    net, data = tiny.new_net(), tiny.data()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    report = train_head(net, data, context(head_steps=50, head_penalty=1e-3), workers=0)
    assert report.form == "linear"
    assert report.class_map_accuracy is None
    changed = {n for n, tensor in net.state_dict().items() if not torch.equal(tensor, before[n])}
    assert changed == {"classifier.weight", "classifier.bias"}
    features, labels = cached_features(net, data.train, context(), workers=0)
    found = net.classifier(features).argmax(dim=1)
    assert (found == labels).float().mean() == 1.0


def test_features_are_plain_mirrored_and_random_views() -> None:
    net, data = tiny.new_net().eval(), tiny.data(train_images=10)
    features, labels = cached_features(net, data.train, context(head_views=2), workers=0)
    assert features.shape == (40, 16)
    assert labels[:10].tolist() == labels[10:20].tolist() == data.train.labels.tolist()
    pixels = torch.from_numpy(data.train.read(3).copy())[None]
    with torch.no_grad():
        plain, mirrored = (
            net.forward_pooled(context().normalise(image)) for image in (pixels, pixels.flip(2))
        )
    torch.testing.assert_close(features[[3]], plain)
    torch.testing.assert_close(features[[13]], mirrored)
    again, _ = cached_features(net, data.train, context(head_views=2), workers=0)
    assert torch.equal(features, again)


def pretrained_net() -> tiny.TinyNet:
    """A tiny net whose classifier still has five outputs of an earlier life."""
    net = tiny.new_net()
    net.classifier = nn.Linear(16, 5)
    return net


@pytest.mark.parametrize("form", ["linear", "class_map", "auto"])
def test_a_pretrained_classifier_is_replaced_or_mapped(form: str) -> None:
    net = pretrained_net()
    known = net.classifier.weight.clone()
    report = train_head(net, tiny.data(), context(head_steps=20, head=form), workers=0)
    assert net(torch.zeros(1, 3, 8, 8)).shape == (1, 3)
    assert (report.class_map_accuracy is not None) == (form == "auto")
    if form == "auto":
        assert "cross-validation" in report.in_words()
    else:
        assert report.form == form
    assert isinstance(net.classifier, ClassMap) == (report.form == "class_map")
    if report.form == "class_map":
        assert torch.equal(net.classifier.known.weight, known)


def test_too_few_images_get_a_linear_head() -> None:
    data = tiny.data(train_images=5)
    report = train_head(pretrained_net(), data, context(head_steps=5, head="auto"), workers=0)
    assert report.form == "linear"
    assert "nothing to cross-validate" in report.in_words()


@pytest.mark.parametrize("form", ["linear", "class_map"])
def test_a_saved_form_is_taken_up(form: str) -> None:
    trained, fresh = pretrained_net(), pretrained_net()
    train_head(trained, tiny.data(), context(head_steps=5, head=form), workers=0)
    saved = {f"net.{name}": tensor for name, tensor in trained.state_dict().items()}
    shape_head(fresh, 3, like=saved)
    fresh.load_state_dict(trained.state_dict())


def test_a_net_without_a_linear_classifier_is_refused() -> None:
    with pytest.raises(UsageError, match="a head phase needs a network with `forward_pooled`"):
        train_head(nn.Linear(2, 2), tiny.data(), context(head_steps=5), workers=0)


def test_a_classifier_of_another_size_needs_a_head_phase() -> None:
    with pytest.raises(UsageError, match="has 5 outputs, the data has 3 classes"):
        check_outputs(pretrained_net(), tiny.recipe(), classes=3)
    check_outputs(pretrained_net(), tiny.recipe(head_steps=1), classes=3)


@pytest.mark.parametrize("form", ["linear", "class_map"])
def test_a_run_of_the_head_alone(tmp_path: Path, form: str) -> None:
    recipe = tiny.recipe(head_steps=50, head_only=True, head=form, head_penalty=1e-3)
    result = tiny.run(tmp_path, recipe, net=pretrained_net())
    assert (result.steps, result.epochs, len(result.history)) == (0, 0.0, 1)
    assert result.val_top1 > (0.9 if form == "linear" else 0.4)
    written = json.loads((tmp_path / "head.json").read_text())
    assert (written["schema"], written["form"]) == ("fleetfoot.head/1", form)
    assert (written["images"], written["views"]) == (50, 2)
    again = tiny.run(tmp_path, recipe, net=pretrained_net(), resume=True)
    assert again.val_loss == result.val_loss


def test_some_images_are_spread_over_the_split() -> None:
    split = tiny.data(train_images=9).train
    few = some_of(split, 3)
    assert [sample.key for sample in few.samples] == [split.samples[i].key for i in (0, 4, 8)]
    assert [sample.index for sample in few.samples] == [0, 1, 2]
    assert some_of(split, 9) is some_of(split, None) is split
    report = train_head(tiny.new_net(), tiny.data(), context(head_steps=5), workers=0, images=20)
    assert report.images == 20


def test_fine_tuning_goes_on_from_the_head(tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=1, head_steps=50, head="class_map", ema=0.9, body_lr=0.1)
    result = tiny.run(tmp_path, recipe, net=pretrained_net())
    assert result.steps == 6
    assert [line["epoch"] for line in result.history] == [0, 1]


def test_a_run_with_a_mapped_head_resumes_to_the_same_bits(tmp_path: Path) -> None:
    recipe = tiny.recipe(epochs=2, head_steps=20, head="class_map", state_every=2)
    tiny.run(tmp_path / "whole", recipe, net=pretrained_net())
    tiny.plan(tmp_path / "cut", recipe)

    def killed(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
        if context.step == 3:
            raise KeyboardInterrupt
        return supervised_step(net, batch, context)

    with pytest.raises(KeyboardInterrupt):
        tiny.run(tmp_path / "cut", recipe, net=pretrained_net(), step=killed)
    tiny.run(tmp_path / "cut", recipe, net=pretrained_net(), resume=True)
    assert tiny.fingerprint(tmp_path / "cut") == tiny.fingerprint(tmp_path / "whole")
