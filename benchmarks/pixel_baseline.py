"""Logistic regression on pixels: the baseline of the short runs of every family.

    python benchmarks/pixel_baseline.py --data DATA

CIFAR-10 and MNIST, the first training images and the first 2,000 validation images; of three
penalties on the weights the best by validation counts, which favours the baseline.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from record import write_result

from fleetfoot.data.open_data import open_data
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Split
from fleetfoot.measure.provenance import provenance
from fleetfoot.recipes.evaluation import crops

VAL_IMAGES = 2000
PENALTIES = (1e-3, 1e-2, 3e-2)
CASES = {
    "cifar10": (10_000, Preprocess(32, 1.0, "bilinear", (123.0,) * 3, (64.0,) * 3)),
    "mnist": (20_000, Preprocess(28, 1.0, "bilinear", (33.3,), (78.6,), channels=1)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    root = parser.parse_args().data
    started = provenance()
    figures = {}
    for name, (images, preprocess) in CASES.items():
        data = open_data(f"{name}:{root / name}")
        train, val = (
            features(split, preprocess, count)
            for split, count in ((data.train, images), (data.val, VAL_IMAGES))
        )
        top1 = {str(penalty): accuracy(train, val, penalty) for penalty in PENALTIES}
        figures[name] = {"images": images, "top1": max(top1.values()), "top1_by_penalty": top1}
    write_result("pixel_baseline", __doc__.splitlines()[0], figures, started=started)
    print(figures)


def features(
    split: Split, preprocess: Preprocess, images: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return normalised pixels (N, pixels) and labels (N,) of the first images."""
    some = replace(split, samples=split.samples[:images])
    x = preprocess.normalise(crops(some, preprocess, limit=images))
    return torch.from_numpy(x).flatten(1), torch.from_numpy(some.labels)


def accuracy(
    train: tuple[torch.Tensor, torch.Tensor], val: tuple[torch.Tensor, torch.Tensor], penalty: float
) -> float:
    """Return the validation accuracy of a logistic regression fitted by L-BFGS."""
    x, y = train
    weight = torch.zeros(x.shape[1], 10, requires_grad=True)
    bias = torch.zeros(10, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(x @ weight + bias, y) + penalty * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    x, y = val
    return ((x @ weight + bias).argmax(dim=1) == y).float().mean().item()


if __name__ == "__main__":
    main()
