"""A ResNet that is trained here, for claims about trained 3x3 convolutions; once per process.

The papers look at ResNets trained on ImageNet. None can be had without a download, so a small one
is trained on CIFAR-10, and what is found in it counts "partly" at best.

Letters  N images, C channels, H height, W width
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from fleetfoot.claims.claim import Needs, Setting
from fleetfoot.claims.shared import shared
from fleetfoot.core.listener import Listener
from fleetfoot.core.seeds import seed_everything
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec

NEEDS = Needs(data=("cifar10",))
STAND_IN = (
    "In place of a ResNet trained on ImageNet: a ResNet-8 for CIFAR-10 (two 3x3 convolutions in "
    "each of three stages of 64, 128 and 256 channels, behind a pooled stem), trained here for "
    "four epochs by Muon."
)


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is trained at a scale.

    Attributes:
        data: words for `open_data`; ``{folder}`` is the setting's.
        channels: of each stage.
        pixels: words of `Preprocess`.
        recipe: words of `Recipe`.
        pictures: how many unseen ones are kept.
    """

    data: str
    channels: tuple[int, ...]
    pixels: dict[str, Any]
    recipe: dict[str, Any]
    pictures: int


CIFAR_MEAN, CIFAR_STD = (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)
TRAININGS = {
    "smoke": Training(
        data="digits",
        channels=(16, 32),
        pixels={"size": 8, "mean": (78.0,), "std": (96.0,), "channels": 1},
        recipe={"epochs": 1, "precision": "float32", "layout": "nchw"},
        pictures=40,
    ),
    "cpu": Training(
        data="cifar10:{folder}/cifar10",
        channels=(64, 128, 256),
        pixels={"size": 32, "mean": CIFAR_MEAN, "std": CIFAR_STD},
        recipe={"epochs": 4},
        pictures=2000,  # eleven pixels of the smallest maps for each entry of a patch
    ),
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
    return _trained(TRAININGS[setting.scale], setting.data, setting.listener)


def _trained(training: Training, folder: Path | None, listener: Listener) -> Trained:
    # Pictures are decoded by what a bare machine need not have.
    from fleetfoot.data.augment import Augment
    from fleetfoot.data.open_data import open_data
    from fleetfoot.data.preprocess import Preprocess
    from fleetfoot.recipes.evaluation import crops
    from fleetfoot.train.loop import train
    from fleetfoot.train.planning.make_plan import make_plan
    from fleetfoot.train.recipe import Recipe

    data = open_data(training.data.format(folder=folder))
    pixels = Preprocess(crop_fraction=1.0, interpolation="bilinear", **training.pixels)
    recipe = Recipe(  # of `recipes.small_images`, for smaller steps and a network without whitening
        batch=256,
        optimizer="muon",
        lr=0.3,
        momentum=0.85,
        weight_decay=1.3e-3,
        bias_lr=8.0,
        schedule="linear",
        warmup=0.2,
        label_smoothing=0.2,
        augment=Augment(crop="pad", pad=2, flip="alternate"),
        **training.recipe,
    )
    initial, net = (_untrained(training.channels, pixels.channels) for _ in range(2))
    with tempfile.TemporaryDirectory(prefix="fleetfoot-") as scratch:
        run = Path(scratch)
        plan = make_plan(net, data, recipe, preprocess=pixels, folder=run, progress=listener)
        result = train(
            net, data, recipe, plan=plan, folder=run, preprocess=pixels, progress=listener
        )
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
