"""The graphs of one network in one folder: a file for each layout, precision and engine."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy.cells import Cell
from fleetfoot.deploy.edit_onnx import take_nhwc
from fleetfoot.deploy.engines import installed_engines
from fleetfoot.deploy.export_int8 import export_int8
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.deploy.export_openvino import export_openvino
from fleetfoot.deploy.form import GraphForm, Layout
from fleetfoot.deploy.options import Options
from fleetfoot.deploy.tune import Candidate, list_candidates

FALLBACK_FILE = "model.onnx"


class Graphs:
    """Exports a network to a folder, each graph once.

    Args:
        net: folded, in evaluation mode.
        place: the folder.
        preprocess: from an image to the network's input.
        options: see `Options`.
    """

    def __init__(
        self, net: nn.Module, place: Path, preprocess: Preprocess, options: Options
    ) -> None:
        self.net, self.place = net, place
        self.preprocess, self.options = preprocess, options
        self.image = (preprocess.channels, preprocess.size, preprocess.size)
        self.layouts: tuple[Layout, ...] = (
            ("nhwc",) if options.graph_preprocess else ("nchw", "nhwc")
        )

    def export(self) -> list[Candidate]:
        """Write every graph that is to be tried; return the candidates with their files."""
        self._graph(self.layouts[0])
        images = self.options.calibration_images
        bits = self.options.packed is not None
        candidates = list_candidates(
            self.options.engines or (*installed_engines(), *(("packed",) if bits else ())),
            self.options.precisions,
            layouts=self.layouts,
            threads=self.options.threads,
            calibrated=images is not None and len(images) > 0,
        )
        candidates = [replace(c, reason=c.reason or self._why_not(c)) for c in candidates]
        return [c if c.reason else replace(c, file=self._file(c).name) for c in candidates]

    def _why_not(self, candidate: Candidate) -> str:
        """Return why a network has no packed form; "" where it has, and for the other engines."""
        if candidate.engine != "packed":
            return ""
        packed = self.options.packed
        if packed is None or isinstance(packed, str):
            return packed or "it has no binary layer"
        return "packed takes prepared images" if self.options.graph_preprocess else ""

    @property
    def fallback(self) -> Candidate:
        """The ONNX float32 form, which answers wherever no other can."""
        return Candidate(
            engine="onnxruntime",
            precision="float32",
            layout=self.layouts[0],
            threads=self.options.threads[0],
            file=FALLBACK_FILE,
            actual_precision="float32",
            reason="fallback, not measured",
        )

    def form(self, layout: str) -> GraphForm:
        """Return the border of the graphs of a layout."""
        inside = self.options.graph_preprocess
        return GraphForm(
            layout="nhwc" if layout == "nhwc" else "nchw", preprocess=inside, probabilities=inside
        )

    def cells(self, candidates: Sequence[Candidate]) -> list[Cell]:
        """Return the timing cells of the candidates that have a graph."""
        forms = {layout: self.form(layout) for layout in self.layouts}
        return [
            Cell(
                name=c.name,
                engine=c.engine,
                precision=c.precision,
                layout=c.layout,
                threads=c.threads,
                input_shape=(1, *forms[c.layout].shape(self.image)),
                input_dtype=forms[c.layout].dtype,
                file=self.place / c.file,
            )
            for c in candidates
            if c.file
        ]

    def drop_unused(self, *used: Candidate) -> None:
        """Remove the graphs that no candidate of those given needs."""
        kept = {candidate.file for candidate in used}
        for file in self.place.glob("model*"):
            graph = file.with_suffix(".xml") if file.suffix == ".bin" else file
            if graph.name not in kept:
                file.unlink()

    def _file(self, candidate: Candidate) -> Path:
        if candidate.engine == "packed":
            return self._packed()
        layout = self.form(candidate.layout).layout
        graph = self._int8() if candidate.precision == "int8" else self._graph(layout)
        if candidate.engine != "openvino":
            return graph
        path = graph.with_suffix(".xml")
        return path if path.exists() else export_openvino(graph, path)

    def _graph(self, layout: Layout) -> Path:
        first = layout == self.layouts[0]
        path = self.place / (FALLBACK_FILE if first else f"model_{layout}.onnx")
        if path.exists():
            return path
        if not first:
            return take_nhwc(self._graph(self.layouts[0]), path)
        form = self.form(layout)
        return export_onnx(self.net, path, image=self.image, form=form, preprocess=self.preprocess)

    def _packed(self) -> Path:
        from fleetfoot.kernels.packed_net import save_packed

        path = self.place / "model_packed.npz"
        packed = self.options.packed
        if path.exists() or packed is None or isinstance(packed, str):
            return path
        return save_packed(packed, path)

    def _int8(self) -> Path:
        path = self.place / "model_int8.onnx"
        images = self.options.calibration_images
        if path.exists() or images is None:
            return path
        inputs = self.form(self.layouts[0]).prepare(images, self.preprocess)
        return export_int8(self._graph(self.layouts[0]), path, inputs=inputs)
