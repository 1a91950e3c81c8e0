"""What whoever uses a bundle waits for: its first answer, and every one after, file to label."""

import io
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from fleetfoot.core.machine_lock import measuring
from fleetfoot.data.decode import Pixels, decode
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy.cells import CellTiming
from fleetfoot.deploy.engines import open_engine
from fleetfoot.deploy.form import GraphForm
from fleetfoot.deploy.options import Options
from fleetfoot.deploy.tune import Candidate
from fleetfoot.measure.accuracy import softmax
from fleetfoot.measure.latency import measure_interleaved

LARGEST_SIDE = 65_500  # of a JPEG


def figures_of_use(
    chosen: Candidate,
    place: Path,
    *,
    form: GraphForm,
    preprocess: Preprocess,
    picture: Pixels,
    fresh: Sequence[CellTiming],
    options: Options,
) -> dict[str, Any]:
    """Return cold start and time from a JPEG to an answer, in milliseconds, and the bytes to ship.

    Args:
        chosen: the form that answers; its graph is in ``place``.
        place: folder of the bundle.
        form: border of its graph.
        preprocess: from an image to the network's input.
        picture: an image as the user has them.
        fresh: of the chosen form, in fresh processes that had the machine to themselves.
        options: has the schedule, and who hears when another measurement is waited for.
    """
    file = place / str(chosen.file)
    engine = open_engine(
        file, engine=chosen.engine, precision=chosen.precision, threads=chosen.threads
    )
    image = Image.fromarray(picture if picture.shape[2] == 3 else picture[:, :, 0])
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    stream = io.BytesIO()
    image.save(stream, "JPEG")

    def answer() -> None:
        crop = preprocess.crop(decode(stream.getvalue()))
        softmax(form.logits(engine.run(form.prepare(crop[None], preprocess))))

    with measuring(options.listener):
        latency = measure_interleaved({"answer": answer}, options.schedule)["answer"]
    starts = [run.open_ms for run in fresh if run.open_ms is not None]
    parts = {file, file.with_suffix(".bin")} if file.suffix == ".xml" else {file}
    return {
        "cold_start_ms": statistics.median(starts) if starts else None,
        "end_to_end_ms_p50": latency.ms_p50,
        "picture_pixels": list(image.size),
        "graph_bytes": sum(part.stat().st_size for part in parts),
    }
