"""From a loader's uint8 images to the network's input: on the device, in the layout of the plan.

Letters  N batch, H height, W width, C channels
"""

import torch
from torch import Tensor

from fleetfoot.data.preprocess import Preprocess


class Normalise:
    """Map uint8 (N, H, W, C) to float32 (N, C, H, W): (x - mean) / std by channel.

    Equals `Preprocess.normalise` up to rounding. With layout "nhwc" the result is in channels-last
    memory format, which costs no transposition.
    """

    def __init__(self, preprocess: Preprocess, *, layout: str, device: torch.device) -> None:
        self.preprocess = preprocess
        self.device = device
        self.layout = layout
        self._mean_C = torch.tensor(preprocess.mean, dtype=torch.float32, device=device)
        self._scale_C = 1 / torch.tensor(preprocess.std, dtype=torch.float32, device=device)
        self._rows: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, images: Tensor) -> Tensor:
        images = images.to(self.device, non_blocking=True)
        batch, height, width, channels = images.shape
        if self.layout == "nchw":
            x = images.permute(0, 3, 1, 2).contiguous().float()
            return x.sub_(self._mean_C[:, None, None]).mul_(self._scale_C[:, None, None])
        # A whole row at a time: an inner loop of three channels would take three times as long.
        mean, scale = self._row(width)
        x = images.reshape(batch, height, width * channels).float().sub_(mean).mul_(scale)
        return x.view(batch, height, width, channels).permute(0, 3, 1, 2)

    def laid_out(self, images: Tensor) -> Tensor:
        """Return network input in the layout again, which masks, stacks and sums may lose.

        A network whose first input has the other layout computes in it throughout, and trains at a
        fifth of the speed.
        """
        nhwc = self.layout == "nhwc"
        memory = torch.channels_last if nhwc else torch.contiguous_format
        return images.contiguous(memory_format=memory)

    def _row(self, width: int) -> tuple[Tensor, Tensor]:
        if width not in self._rows:
            self._rows[width] = self._mean_C.repeat(width), self._scale_C.repeat(width)
        return self._rows[width]


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the autocast context of a precision word; "float32" computes as it is."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
