"""Write a network as one self-contained ONNX file.

The path is torch.export, then the exporter of torch.onnx (``dynamo=True``). Batch norm is folded
before: exporters have fused it wrongly (pytorch#166797), and they are not asked to.

Letters  N batch, H height, W width, C channels
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor, nn

from fleetfoot.core.errors import FleetfootError, ShapeError, first_line, require
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy.edit_onnx import without_traces
from fleetfoot.deploy.form import GraphForm

INPUT, OUTPUT = "images", "logits"
_LARGEST_BATCH = 4096


class DeployedGraph(nn.Module):
    """A network with the border that `GraphForm` describes; the input is images, N first."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, net: nn.Module, form: GraphForm, *, preprocess: Preprocess | None = None
    ) -> None:
        super().__init__()
        self.net = net
        self.form = form
        if form.preprocess:
            if preprocess is None:
                raise ShapeError("a graph with preprocessing inside needs a Preprocess")
            self.register_buffer("mean", torch.tensor(preprocess.mean, dtype=torch.float32))
            self.register_buffer("std", torch.tensor(preprocess.std, dtype=torch.float32))

    def forward(self, images: Tensor) -> Tensor:
        if self.form.preprocess:
            images = (images.to(torch.float32) - self.mean) / self.std
        if self.form.layout == "nhwc":
            images = images.permute(0, 3, 1, 2)
        logits_NC = self.net(images)
        return logits_NC.softmax(dim=1) if self.form.probabilities else logits_NC


def export_onnx(
    net: nn.Module,
    path: Path,
    *,
    image: tuple[int, ...],
    form: GraphForm | None = None,
    preprocess: Preprocess | None = None,
    batch: int | None = 1,
) -> Path:
    """Write ``net`` to ``path`` and return it; ``net`` should be folded, and is left alone.

    Args:
        net: network in evaluation mode, (N, C, H, W) to logits.
        path: file to write.
        image: (C, H, W) of one image.
        form: border of the graph; float32 nchw to logits if not given.
        preprocess: its mean and std enter the graph when ``form.preprocess`` is set.
        batch: size of the batch axis; None leaves it open (1 or more).

    Raises:
        MissingError: onnx or onnxscript is not installed.
        FleetfootError: the network cannot be captured.
    """
    require("onnx", extra="train")
    require("onnxscript", extra="train")
    form = form or GraphForm()
    graph = DeployedGraph(net, form, preprocess=preprocess)
    was_training = net.training
    graph.eval()
    shape = (2 if batch is None else batch, *form.shape(image))
    example = torch.zeros(shape, dtype=torch.uint8 if form.preprocess else torch.float32)
    # A batch traced at 1 would be fixed at 1, so an open one is traced at 2.
    axes = {0: torch.export.Dim("batch", min=1, max=_LARGEST_BATCH)} if batch is None else None
    try:
        with quiet(), torch.no_grad():
            torch.onnx.export(
                graph,
                (example,),
                path,
                dynamo=True,
                external_data=False,
                verbose=False,
                input_names=[INPUT],
                output_names=["probabilities" if form.probabilities else OUTPUT],
                dynamic_shapes=None if axes is None else {"images": axes},
            )
    except OSError:  # a full disk is no fault of the network
        raise
    except Exception as error:  # the exporter raises many kinds of its own
        why = first_line(error)
        raise FleetfootError(f"{type(net).__name__} cannot be exported to ONNX ({why})") from error
    finally:
        net.train(was_training)
    return without_traces(path)


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Silence the progress, warnings and log lines of exporters and quantisers."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
