"""A ResNet that is trained here, for claims about trained 3x3 convolutions; once per process.

The papers look at ResNets trained on ImageNet. None can be had without a download, so a small one
is trained on CIFAR-10, which stands in for them.

Letters  N images, C channels, H height, W width
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from fleetfoot.claims.by_product import train_by_product
from fleetfoot.claims.claim import Needs, Setting
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training_images import DATA, preprocess_of
from fleetfoot.core.seeds import seed_everything
from fleetfoot.data.augment import Augment
from fleetfoot.data.open_data import open_data
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec
from fleetfoot.recipes.evaluation import crops
from fleetfoot.train.optim.rules import Groups, Muon
from fleetfoot.train.optim.schedules import Linear
from fleetfoot.train.recipe import Examples, Recipe

NEEDS = Needs(data=("cifar10",))
STAND_IN = (
    "In place of a ResNet trained on ImageNet: a ResNet-8 for CIFAR-10 (two 3x3 convolutions in "
    "each of three stages of 64, 128 and 256 channels, behind a pooled stem), trained here for "
    "four epochs by Muon."
)


class Training(NamedTuple):
    """What is trained at a scale: a name in `DATA`, channels of each stage, words of `Recipe`.

    `pictures` is how many unseen ones are kept.
    """

    data: str
    channels: tuple[int, ...]
    recipe: dict[str, Any]
    pictures: int


TRAININGS = {
    "smoke": Training(
        "digits", (16, 32), {"epochs": 1, "precision": "float32", "layout": "nchw"}, 40
    ),
    # eleven pixels of the smallest maps for each entry of a patch
    "cpu": Training("cifar10", (64, 128, 256), {"epochs": 4}, 2000),
}


@dataclass(frozen=True, eq=False)
class Trained:
    """The network before and after training, and pictures that it did not see.

    Attributes:
        initial: as it was created, in evaluation mode.
        net: as it was trained, in evaluation mode.
        top1: share of the validation images that it gets right.
        pictures: normalised, (N, C, H, W).
    """

    initial: nn.Module
    net: nn.Module
    top1: float
    pictures: Tensor

    @property
    def note(self) -> str:
        """What the reader of a measurement must know of the network."""
        return f"the network gets {100 * self.top1:.1f} % of the validation images right"


class Seen(NamedTuple):
    """What went into and came out of a convolution, both (N, C, H, W)."""

    inputs: Tensor
    outputs: Tensor


@shared
def trained_resnet(setting: Setting) -> Trained:
    """Return the network of a setting; the first call in a process trains it."""
    setting.listener.stage("training the network whose convolutions are looked at")
    training = TRAININGS[setting.scale]
    data = open_data(DATA[training.data].spec.format(folder=setting.data))
    pixels = preprocess_of(training.data)
    # of `recipes.small_images`, for smaller steps and a network without whitening
    recipe = Recipe(
        batch=256,
        optimizer=Muon(lr=0.3, momentum=0.85, weight_decay=1.3e-3, groups=Groups(bias_lr=8.0)),
        schedule=Linear(warmup=0.2),
        examples=Examples(
            augment=Augment(crop="pad", pad=2, flip="alternate"), label_smoothing=0.2
        ),
    ).with_changes(**training.recipe)
    initial, net = (_untrained(training.channels, pixels.channels) for _ in range(2))
    result = train_by_product(net, data, recipe, preprocess=pixels, setting=setting)
    pictures = crops(data.val, pixels, limit=training.pictures)
    plain = net.to(memory_format=torch.contiguous_format).eval()
    return Trained(
        initial.eval(), plain, result.val_top1, torch.from_numpy(pixels.normalise(pictures))
    )


def _untrained(channels: tuple[int, ...], image_channels: int) -> nn.Module:
    """Return a new network; its stem pools, as those for ImageNet do, which buys it width."""
    seed_everything(0)
    net = ResNetCifar(ResNetCifarSpec(blocks=1, channels=channels), 10, in_chans=image_channels)
    net.stem.add_module("pool", nn.MaxPool2d(2))
    return net


def convolutions(net: nn.Module) -> dict[str, list[nn.Conv2d]]:
    """Return the 3x3 convolutions of each stage, "1" the first; the stem is not among them."""
    return {
        str(number): [
            module
            for module in cast(nn.Module, stage).modules()
            if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
        ]
        for number, stage in enumerate(cast(Any, net.stages), 1)
    }


def first_of_each_stage(net: nn.Module, pictures: Tensor) -> dict[str, Seen]:
    """Return what the first 3x3 convolution of stride 1 of each stage reads and writes.

    The paper takes the first of each stage whatever its stride, which a partial convolution cannot
    have.
    """
    seen: dict[str, Seen] = {}
    hooks: list[Any] = []
    for stage, layers in convolutions(net).items():
        layer = next(layer for layer in layers if layer.stride == (1, 1))

        def keep(_: nn.Module, inputs: Any, output: Any, stage: str = stage) -> None:
            seen[stage] = Seen(inputs[0], output)

        hooks.append(layer.register_forward_hook(keep))
    with torch.no_grad():
        net(pictures)
    for hook in hooks:
        hook.remove()
    return seen
