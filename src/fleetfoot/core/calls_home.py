"""Nothing calls home: what engines tell their makers is switched off before they are imported.

ONNX Runtime   1.32 reports sessions to a host of Microsoft's; `ORT_DISABLE_TELEMETRY` is its switch
OpenVINO       importing it reports the import to a host of Google's, through the package
               `openvino_telemetry`; there is no switch in the environment, but it goes without the
               package, which this process then does not find
"""

import os
import sys


def switch_off_telemetry() -> None:
    """Do so for this process and those that it starts; what is imported already is left alone."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
