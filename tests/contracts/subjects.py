"""What the batteries over all networks share: shapes alone, random norms, image sizes."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fleetfoot.nets.create import create

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "state_dict_keys.json"


class _DrawNothing(TorchFunctionMode):
    """Leave new weights as they are: to draw nothing on the meta device takes milliseconds."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_):
            return args[0]
        return func(*args, **(kwargs or {}))


def on_meta(name: str, **words: Any) -> nn.Module:
    """Return a network without storage, for shapes and counts."""
    with torch.device("meta"), _DrawNothing():
        return create(name, **words)


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
