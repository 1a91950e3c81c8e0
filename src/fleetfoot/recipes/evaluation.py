"""Evaluate a trained network on a split, with pictures of its worst mistakes.

Letters  N images, S size, C channels
"""

import base64
import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fleetfoot.data.loader import Loader
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Split
from fleetfoot.deploy.gate import GATE_IMAGES, spread
from fleetfoot.measure.accuracy import Evaluation, calibration, evaluate_logits, softmax
from fleetfoot.measure.temperature import Temperature, calibrate, cross_fitted
from fleetfoot.train.evaluate import Predictions, evaluate_net
from fleetfoot.train.process.distributed import this_process

BATCH = 64
THUMBNAIL_PIXELS = 128


def predict_split(
    net: nn.Module, split: Split, preprocess: Preprocess, *, device: str = "cpu"
) -> Predictions:
    """Return the eager float32 logits of every image of a split: the reference for the gate.

    Under torchrun all processes have to ask; each computes its share and gets the whole.
    """
    process = this_process()
    loader = Loader(split, preprocess, batch=BATCH, rank=process.rank, world=process.world)
    return evaluate_net(net, loader, layout="nhwc", device=device)


def evaluate_split(
    predictions: Predictions,
    split: Split,
    preprocess: Preprocess,
    *,
    classes: tuple[str, ...],
    temperature: Temperature | None = None,
) -> Evaluation:
    """Return the metrics of predictions, with thumbnails of the worst mistakes as data URIs.

    Args:
        predictions: of every image of the split.
        split: the images.
        preprocess: from an image to a crop.
        classes: names, in the order of the logits.
        temperature: of the bundle; images that it was fitted on are judged cross-fitted.
    """
    logits_NC, labels_N = predictions.logits, predictions.labels
    found = evaluate_logits(
        _calibrated(predictions, temperature, fitted_here=split.name == "val"),
        labels_N,
        classes=classes,
        keys=[sample.key for sample in split.samples],
        thumbnail=lambda index: thumbnail(preprocess.crop(split.read(index))),
    )
    if temperature is None:
        return found
    before = calibration(softmax(logits_NC), labels_N).ece
    said = replace(found.calibration, temperature=temperature.temperature, ece_before=before)
    return replace(found, calibration=said)


def _calibrated(
    predictions: Predictions, temperature: Temperature | None, *, fitted_here: bool
) -> NDArray[np.floating]:
    logits_NC = predictions.logits
    if temperature is None:
        return logits_NC
    calibrated_NC = logits_NC / temperature.temperature
    if fitted_here:
        shown = spread(len(logits_NC), GATE_IMAGES)
        calibrated_NC[shown] = cross_fitted(logits_NC[shown], predictions.labels[shown])
    return calibrated_NC


def temperature_of(predictions: Predictions) -> Temperature | None:
    """Return the temperature that a bundle gets whose gate sees these images."""
    shown = spread(len(predictions.labels), GATE_IMAGES)
    return calibrate(predictions.logits[shown], predictions.labels[shown])


def crops(split: Split, preprocess: Preprocess, *, limit: int) -> NDArray[np.uint8]:
    """Return at most ``limit`` evaluation crops, spread evenly over a split, (N, S, S, C)."""
    return np.stack([preprocess.crop(split.read(int(i))) for i in spread(len(split), limit)])


def thumbnail(crop: NDArray[np.uint8]) -> str:
    """Return a crop, uint8 (S, S, C), as a small JPEG in a data URI."""
    from PIL import Image  # what evaluates and shows nothing does without it

    picture = Image.fromarray(crop if crop.shape[2] == 3 else crop[:, :, 0])
    picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
