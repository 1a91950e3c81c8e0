"""Write an ONNX file as OpenVINO IR (.xml and .bin).

From ONNX and not from the ExportedProgram: the shapes stay static and the graph takes 8 % less
time (decision 0009). Weights stay float32; the engine rounds them when it compiles.
"""

from pathlib import Path

from fleetfoot.core.errors import DataError, require
from fleetfoot.deploy.guard_pools import guard_pools


def export_openvino(onnx_file: Path, path: Path) -> Path:
    """Convert ``onnx_file``; write ``path`` (.xml) and its .bin, and return ``path``.

    `openvino.convert_model` is not used: it asks a telemetry package on the way.

    Raises:
        MissingError: openvino is not installed.
        DataError: the file cannot be read as ONNX.
    """
    openvino = require("openvino", extra=None)
    try:
        model = guard_pools(openvino.Core().read_model(str(onnx_file)))
    except RuntimeError as error:
        raise DataError(f"{onnx_file}: OpenVINO cannot read it as ONNX") from error
    openvino.save_model(model, str(path), compress_to_fp16=False)
    return path
