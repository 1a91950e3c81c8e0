"""What the batteries over all networks share: random norms and image sizes."""

from pathlib import Path

import torch
from torch import nn

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "state_dict_keys.json"


def pixels_for(net: nn.Module, pixels: int) -> int:
    """Return an image size near ``pixels`` that the network takes."""
    return getattr(net, "only_size", None) or max(net.min_size, pixels)  # pyright: ignore[reportArgumentType]


@torch.no_grad()
def randomise(net: nn.Module) -> nn.Module:
    """Give every norm statistics that matter, so that a wrong norm shows in the logits."""
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    return net.eval()
