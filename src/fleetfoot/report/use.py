"""How a bundle is used, in words to copy, and what that takes."""

import json
import shlex

from fleetfoot.core.results import Json
from fleetfoot.report.run_files import RunFiles

PYTHON = """\
import fleetfoot

bundle = fleetfoot.load({bundle})
print(bundle.predict("photo.jpg"))"""


def how_to_use(files: RunFiles) -> Json | None:
    """Return command, program, bytes, times and the user's images in a bundle; None without one."""
    bundle = files.bundle
    if not bundle.get("chosen"):
        return None
    measured = bundle.get("use") or {}
    figures = ("graph_bytes", "cold_start_ms", "end_to_end_ms_p50", "picture_pixels")
    real = (bundle.get("reference") or {}).get("top1") is not None  # else they are noise
    inside = [name for name in bundle.get("files") or () if name.startswith("golden/") and real]
    return {
        "command": f"fleetfoot predict {shlex.quote(str(files.folder))} photo.jpg",
        "python": PYTHON.format(bundle=json.dumps(str(files.bundle_folder), ensure_ascii=False)),
        **{name: measured.get(name) for name in figures},
        "golden_images": sum(name.endswith(".png") for name in inside),
    }
