"""VoVNet: the memory that inference takes of the system, measured.

Paper    Lee et al., 2019, arXiv:1904.09730, Table 4 (a detector's process on a TITAN X)
Departs  the backbone with its classifier; weights and the peak of a call, without the framework
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, measured
from fleetfoot.claims.rules import at_least_ratio
from fleetfoot.claims.timing import Image, native
from fleetfoot.claims.vovnet.memory import EVERY_LAYER, Form, as_published, joined_at_two_widths
from fleetfoot.core.errors import MissingError
from fleetfoot.measure.counts import count
from fleetfoot.measure.process_memory import peak_rss_of

IMAGE = (3, 320, 320)
SMOKE_IMAGE = (3, 64, 64)
NAMES = ("densenet201", "vovnet39", "resnet50")


@measured
def memory_ratio(setting: Setting, form: Form) -> Measurement:
    """Return DenseNet-201's memory over that of a form of VoVNet-39."""
    image = SMOKE_IMAGE if setting.scale == "smoke" else IMAGE
    nets = {name: native(name) for name in NAMES}
    nets["vovnet39"] = form(nets["vovnet39"])
    rows = [_row(name, net, image, setting.device) for name, net in nets.items()]
    dense, once = (row["weights_bytes"] + row["call_bytes"] for row in rows[:2])
    return Measurement(value=dense / once, table=tuple(rows))


def _row(name: str, net: nn.Module, image: Image, device: str) -> Mapping[str, Any]:
    found = _on_cuda(net, image) if device == "cuda" else _in_a_process(net, image)
    return {"network": name, **found, "peak_live_bytes": count(net, image).peak_live_bytes}


def _in_a_process(net: nn.Module, image: Image) -> dict[str, int]:
    found = peak_rss_of(net, image)
    if found.call_bytes is None:
        raise MissingError(f"peak memory cannot be measured here: {found.reason}")
    return {"weights_bytes": found.weights_bytes, "call_bytes": found.call_bytes}


def _on_cuda(net: nn.Module, image: Image) -> dict[str, int]:
    before = torch.cuda.memory_allocated()
    net = net.to("cuda")
    weights = torch.cuda.memory_allocated() - before
    torch.cuda.reset_peak_memory_stats()
    with torch.inference_mode():
        net(torch.randn(1, *image, device="cuda"))
    torch.cuda.synchronize()
    call = torch.cuda.max_memory_allocated() - before - weights
    net.to("cpu")
    return {"weights_bytes": weights, "call_bytes": call}


CLAIMS = (
    Claim(
        id="vovnet/memory-measured",
        paper="arXiv:1904.09730, Table 4",
        sentence="DenseNet-201 takes 1.59 times the memory of VoVNet-39.",
        protocol="Weights and the peak of a call above the process before it, at 320 x 320, batch "
        "1, float32, torch eager, in a fresh process (on a GPU: what torch's allocator gave out). "
        "The paper has 3498 MB and 2199 MB for whole detectors in Caffe. Partly from half of the "
        "paper's gain.",
        unit="memory of DenseNet-201 / memory of VoVNet-39",
        paper_value=1.59,
        measure=memory_ratio(as_published),
        rule=at_least_ratio(1.59),
        control=Control(
            f"{EVERY_LAYER}; the note has it at equal work", joined_at_two_widths(memory_ratio)
        ),
        footing={"cpu": "stand-in", "gpu": "scaled"},  # the paper's is a detector on a GPU
    ),
)
