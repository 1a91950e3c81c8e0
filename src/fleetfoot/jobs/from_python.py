"""The verbs as functions of Python: words in, the record that ``--json`` prints out.

Words are the fields of a verb's request in `fleetfoot.jobs.requests`. A path may be a text, and a
single text stands for a list of one.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fleetfoot.core.arguments import nearest
from fleetfoot.core.listener import SILENT, Listener
from fleetfoot.jobs import requests

if TYPE_CHECKING:
    from fleetfoot.jobs.deploy import DeployRecord
    from fleetfoot.jobs.evaluate import EvaluateRecord
    from fleetfoot.jobs.fit import FitRecord
    from fleetfoot.jobs.measure_record import MeasureRecord

R = TypeVar("R")


def fit(
    data: str | Path | None = None, *, listener: Listener = SILENT, **words: Any
) -> "FitRecord":
    """Train, deploy and report a network on ``data``, as ``fleetfoot fit`` does.

    Args:
        data: folder, table file, "digits", "mnist:DIR" or "cifar10:DIR".
        listener: hears how it gets on.
        words: fields of `FitRequest`, such as ``epochs=10``, ``budget="5ms"`` or
            ``settings={"lr": 0.1}``.
    """
    from fleetfoot.jobs.fit import fit as job

    source = None if data is None else str(data)
    return job(_request(requests.FitRequest, words, data=source), listener=listener)


def deploy(run: str | Path, *, listener: Listener = SILENT, **words: Any) -> "DeployRecord":
    """Write a bundle, as ``fleetfoot deploy`` does.

    Args:
        run: run folder, network name, or ``local:FOLDER`` for what `save_portable` wrote.
        listener: hears how it gets on.
        words: fields of `DeployRequest`, such as ``calibrate="photos"`` or ``out="bundle"``.
    """
    from fleetfoot.jobs.deploy import deploy as job

    return job(_request(requests.DeployRequest, words, run=str(run)), listener=listener)


def evaluate(
    run: str | Path, data: str | Path, *, listener: Listener = SILENT, **words: Any
) -> "EvaluateRecord":
    """Return metrics on ``data``, as ``fleetfoot evaluate`` does.

    Args:
        run: run folder, bundle folder, network name, or ``local:FOLDER``.
        data: as `fit` takes it.
        listener: hears how it gets on.
        words: fields of `EvaluateRequest`, such as ``split="test"``.
    """
    from fleetfoot.jobs.evaluate import evaluate as job

    request = _request(requests.EvaluateRequest, words, run=str(run), data=str(data))
    return job(request, listener=listener)


def measure(*nets: str | Path, listener: Listener = SILENT, **words: Any) -> "MeasureRecord":
    """Return latency, memory and counts, as ``fleetfoot measure`` does.

    Args:
        nets: network names, bundles or run folders.
        listener: hears what is being done.
        words: fields of `MeasureRequest`, such as ``engine="openvino"`` or ``threads=1``.
    """
    from fleetfoot.jobs.measure import measure as job

    request = _request(requests.MeasureRequest, words, nets=tuple(map(str, nets)))
    return job(request, listener=listener)


def _request(kind: type[R], words: Mapping[str, Any], **positional: Any) -> R:
    own = {field.name: field for field in fields(kind)}  # pyright: ignore[reportArgumentType]
    part: Any = own["known"].default_factory if "known" in own else None
    inside = {} if part is None else {field.name: field for field in fields(part)}
    kinds = {name: str(field.type) for name, field in (own | inside).items()}
    allowed = kinds.keys() - positional.keys()
    for word in words.keys() - allowed:
        hint = nearest(word, allowed, otherwise=f"they are the fields of {kind.__name__}")
        raise TypeError(f"there is no word {word!r}; {hint}")
    values = {name: _as(kinds[name], value) for name, value in words.items()}
    known = {name: values.pop(name) for name in inside.keys() & values.keys()}
    if part is not None and known:
        values["known"] = part(**known)
    return kind(**positional, **values)


def _as(kind: str, value: Any) -> Any:
    if isinstance(value, str) and "tuple" in kind:
        return (value,)
    return Path(value) if isinstance(value, str) and "Path" in kind else value
