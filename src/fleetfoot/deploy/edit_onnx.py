"""Small edits of an ONNX file that would otherwise cost another export."""

from pathlib import Path
from typing import Any

from fleetfoot.core.errors import DataError, require


def take_nhwc(onnx_file: Path, path: Path) -> Path:
    """Write ``onnx_file``, whose input is (N, C, H, W), with an input (N, H, W, C) to ``path``.

    Raises:
        DataError: the file does not have one input of four axes.
    """
    onnx = require("onnx", extra="train")
    model = _load(onnx_file)
    graph = model.graph
    name, dims = graph.input[0].name, graph.input[0].type.tensor_type.shape.dim
    inner = f"{name}_nchw"
    for node in graph.node:
        for i, source in enumerate(node.input):
            if source == name:
                node.input[i] = inner
    turn = onnx.helper.make_node("Transpose", [name], [inner], name="turn", perm=[0, 3, 1, 2])
    graph.node.insert(0, turn)
    turned = onnx.TensorShapeProto(dim=[dims[axis] for axis in (0, 2, 3, 1)])
    graph.input[0].type.tensor_type.shape.CopyFrom(turned)
    onnx.save(model, str(path))
    return path


def without_traces(path: Path) -> Path:
    """Take out of a file, in place, where in the sources each node was made: paths of a machine."""
    onnx = require("onnx", extra="train")
    model = onnx.load(str(path))
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.functions):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, str(path))
    return path


def resize_input(onnx_file: Path, path: Path, *, size: int) -> Path:
    """Write ``onnx_file`` for square images of another size to ``path``.

    For timing: the graph is what an export at that size gives as long as both sizes are multiples
    of the network's total stride (padding amounts were fixed by the export).
    """
    onnx = require("onnx", extra="train")
    model = _load(onnx_file)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[2].dim_value = dims[3].dim_value = size
    del model.graph.value_info[:]  # shapes inside, inferred for the old size
    onnx.save(model, str(path))
    return path


def _load(onnx_file: Path) -> Any:
    onnx = require("onnx", extra="train")
    try:
        model = onnx.load(str(onnx_file))
    except Exception as error:  # protobuf raises its own
        raise DataError(f"{onnx_file}: cannot be read as ONNX") from error
    inputs = model.graph.input
    if len(inputs) != 1 or len(inputs[0].type.tensor_type.shape.dim) != 4:
        raise DataError(f"{onnx_file}: needs one input of four axes")
    return model
