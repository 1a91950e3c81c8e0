"""What a verb is asked to do: one frozen record each, from the command line to the job.

`cli.py` takes a record flattened: a field is a word, the docstring its help, and a default means
"not given". A field that is `POSITIONAL` has no word of its own: `cli.py` puts it in. Nothing heavy
is imported here, because ``fleetfoot --help`` reads this file.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from cyclopts import Parameter

from fleetfoot.claims.claim import DEVICES, SCALES, Device, Scale
from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.core.out_folder import expanded
from fleetfoot.deploy.names import ENGINES, EXPORT_ENGINES, MAX_DROP, PRECISIONS, TIMED_ENGINES
from fleetfoot.jobs.known import Known
from fleetfoot.jobs.words import (
    check_number,
    check_share,
    named,
    numbers,
    one_of,
    parse_settings,
    partly_named,
)
from fleetfoot.search.budget import parse_budget

T = TypeVar("T")
POSITIONAL = Parameter(parse=False)
TEXT = Parameter(metavar="STR")  # in --help; Python may give a number
OPEN = Parameter(show_default=False)  # "" is not given; None would be read from the word none
BLANKS = (None, (), [], {})
TOLERANCES = ("skip_damaged", "allow_class_mismatch")  # of damaged images, and of unknown classes
LAYOUTS = ("nchw", "nhwc")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """The words of `fit`, of a run that was stored, or of a run that is decided.

    More than twelve fields, because each is a word of the command line, which is flat.

    Attributes:
        data: Folder, table file, digits, mnist:DIR or cifar10:DIR.
        net: Network to train; without it one is chosen.
        budget: Latency that the deployed network must keep, such as 5ms; a number is milliseconds.
        recipe: Training recipe; without it one is chosen.
        methods: Method of training besides the recipe's, such as cutout:side=8; may be repeated.
        weights: Initial weights: auto (published ones that are installed), none or a path; auto
            unless given or in --config.
        epochs: Passes over the training images.
        minutes: Time for training; the schedule is fitted to it.
        out: Run folder; without it runs/NAME, never overwritten.
        resume: Run folder to go on with.
        device: auto, cpu or cuda; auto unless given or in --config.
        seed: Seed of everything random; without it 0, or what --config says.
        threads: Threads of the deployed network.
        size: Side of the square input in pixels.
        max_drop: Fraction of the gate images that the deployed form may lose.
        skip_damaged: Leave damaged files out instead of stopping.
        allow_class_mismatch: Leave out images of classes that training does not have.
        no_golden: Keep your images out of the bundle, which holds three to be checked by elsewhere.
        settings: Change one setting, key=value; may be repeated.
        config: Settings file, such as the config.toml of a run.

    Raises:
        UsageError: a number out of range, a budget that is no time, or --resume beside other words.
    """

    data: Annotated[str | None, POSITIONAL] = None
    net: str | None = None
    budget: Annotated[str | float | None, TEXT] = None
    recipe: str | None = None
    methods: Annotated[tuple[str, ...], Parameter(name="--method")] = ()
    weights: Annotated[str, OPEN] = ""
    epochs: int | None = None
    minutes: float | None = None
    out: Path | None = None
    resume: Path | None = None
    device: Annotated[str, OPEN] = ""
    seed: int | None = None
    threads: int | None = None
    size: int | None = None
    max_drop: float | None = None
    skip_damaged: bool = False
    allow_class_mismatch: bool = False
    no_golden: bool = False
    settings: Annotated[
        tuple[str, ...] | Mapping[str, Any],
        Parameter(name="--set", accepts_keys=False, metavar="STR..."),
    ] = ()
    config: Path | None = None

    def __post_init__(self) -> None:
        _spell_homes(self)
        if self.resume is not None and self.given().keys() != {"resume"}:
            raise UsageError("--resume takes everything from the run folder; leave the rest out")
        check_number("threads", self.threads, 1)
        check_number("size", self.size, 8)
        check_share("max-drop", self.max_drop)
        parse_settings(self.settings)
        _ = self.budget_ms

    def given(self) -> dict[str, Any]:
        """Return the words that were given; a stored run may fill in the others."""
        words = ((f, getattr(self, f.name)) for f in fields(self))
        return {f.name: word for f, word in words if word != f.default and word not in BLANKS}

    @property
    def budget_ms(self) -> float | None:
        """The budget in milliseconds."""
        return None if self.budget is None else parse_budget(self.budget)

    @property
    def changes(self) -> dict[str, Any]:
        """Settings of the recipe by dotted name."""
        return parse_settings(self.settings)

    @property
    def tolerances(self) -> dict[str, bool]:
        """What to do about data that are not as they should be: words of `open_data`."""
        return {name: getattr(self, name) for name in TOLERANCES}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EvaluateRequest:
    """The words of `evaluate`.

    Attributes:
        run: Run folder, bundle folder, network name, or local:FOLDER of portable weights.
        data: Folder, table file, digits, mnist:DIR or cifar10:DIR.
        split: train, val, test or all; without it the first there is of test, val, all.
        crops: Views of each image, averaged: 1, 2, 10 (corners, centre, mirrored) or 144.
        average: Further run, bundle or network to average with; may be repeated.
        weights: For a network name: auto, none or a file.
        engine: Engine of the bundle to use instead of the chosen one; eager for the trained weights
            of a run.
        precision: Precision of the bundle to use instead of the chosen one.
        threads: Threads to compute with.
        allow_class_mismatch: Leave out images of classes that the network does not know.
        skip_damaged: Leave out images that cannot be read.
        known: What is known of a weight file.
    """

    run: Annotated[str, POSITIONAL] = ""
    data: Annotated[str, POSITIONAL] = ""
    split: str | None = None
    crops: int = 1
    average: tuple[str, ...] = ()
    weights: str = "auto"
    engine: str | None = None
    precision: str | None = None
    threads: int | None = None
    allow_class_mismatch: bool = False
    skip_damaged: bool = False
    known: Known = field(default_factory=Known)

    def __post_init__(self) -> None:
        _spell_homes(self)
        for word, value, known in (
            ("--split", self.split, ("train", "val", "test", "all")),
            ("--engine", self.engine, ("eager", *ENGINES)),
            ("--precision", self.precision, PRECISIONS),
        ):
            if value is not None:
                one_of(word, value, known)
        check_number("threads", self.threads, 1)
        if self.engine == "eager" and self.precision not in (None, "float32"):
            raise UsageError(f"--precision {self.precision}: --engine eager computes in float32")
        self.known.check(self.weights)


def check_bits(engines: Sequence[str], precisions: Sequence[str]) -> None:
    """Refuse precisions of which no engine that is named has any.

    Raises:
        UsageError: packed without w1a1, or w1a1 for other engines alone.
    """
    general = {"all", "best"}
    if general.isdisjoint((*engines, *precisions)) and not any(
        (engine == "packed") == (word == "w1a1") for engine in engines for word in precisions
    ):
        raise UsageError(
            f"--engine {','.join(engines)} --precision {','.join(precisions)}: packed computes in "
            "w1a1, and no other engine does"
        )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MeasureRequest:
    """The words of `measure`; lists are separated by commas.

    Attributes:
        nets: Network names, bundles or run folders.
        engine: eager, compile, onnxruntime, openvino, packed (binary networks); all (without
            compile), best.
        precision: float32, bfloat16, float16, int8, w1a1 (packed alone); all.
        layout: nchw, nhwc, of the eager and compile engines.
        threads: Thread counts; without it the processors this process may use.
        batch: Images per call.
        size: Side of the square input in pixels.
        samples: Calls timed per row; without it 100 or 2 seconds, the more. p99 needs 100.
        device: cpu, or cuda for networks in torch.
        out: Folder for a page with pictures, measure.html, and its figures, measure.json.

    Raises:
        UsageError: none of the engines or precisions exists, a layout or device does not, or a
            number is below 1.
    """

    nets: Annotated[tuple[str, ...], POSITIONAL] = ()
    engine: str = "all"
    precision: str = "all"
    layout: str | None = None
    threads: Annotated[str | int | None, TEXT] = None
    batch: Annotated[str | int, TEXT] = "1"
    size: Annotated[str | int | None, TEXT] = None
    samples: int | None = None
    device: str = "cpu"
    out: Path | None = None

    def __post_init__(self) -> None:
        _spell_homes(self)
        one_of("--device", self.device, DEVICES)
        if self.samples is not None and len(numbers("samples", self.samples)) > 1:
            raise UsageError(f"--samples {self.samples}: takes one number")
        check_bits(self.engines, self.precisions)
        _ = self.layouts
        _ = self.thread_counts, self.batches, self.sizes

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines, and "all" or "best"; one that does not exist is to be a row that says so."""
        return partly_named("engine", self.engine, (*TIMED_ENGINES, "all", "best"))

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions, and "all"; one that does not exist likewise."""
        return partly_named("precision", self.precision, (*PRECISIONS, "all"))

    @property
    def layouts(self) -> tuple[str, ...] | None:
        """The layouts; None leaves them to what is measured."""
        return None if self.layout is None else named("layout", self.layout, LAYOUTS)

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """How many threads to measure with; none where that is left to the machine."""
        return () if self.threads is None else numbers("threads", self.threads)

    @property
    def sizes(self) -> tuple[int, ...] | None:
        """Sides of the input; None likewise."""
        return None if self.size is None else numbers("size", self.size)

    @property
    def batches(self) -> tuple[int, ...]:
        """Images per call."""
        return numbers("batch", self.batch)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class GateKnown(Known):
    """What is known of a weight file and of the images of --calibrate.

    Attributes:
        allow_class_mismatch: Leave out images of classes that the network does not know.
        skip_damaged: Leave out images that cannot be read.
    """

    allow_class_mismatch: bool = False
    skip_damaged: bool = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DeployRequest:
    """The words of `deploy`.

    Attributes:
        run: Run folder, network name, or local:FOLDER of portable weights.
        weights: For a network name: auto, none or a file.
        to: Write this format alone, gate included.
        threads: Threads of the deployed network.
        engine: Engines to try, separated by commas.
        precision: Precisions to try, separated by commas.
        size: Side of the square input in pixels.
        max_drop: Fraction of the gate images that the deployed form may lose.
        calibrate: Data set for the gate and for int8 ranges.
        graph_preprocess: Put the preprocessing inside the exported graph (uint8 in).
        no_golden: Keep your images out of the bundle, which holds three to be checked by elsewhere.
        out: Bundle folder.
        known: What is known of a weight file and of the images of --calibrate.

    Raises:
        UsageError: a number out of range, or an unknown engine, precision or format.
    """

    run: Annotated[str, POSITIONAL] = ""
    weights: str = "auto"
    to: Literal["onnx", "openvino"] | None = None
    threads: int = 1
    engine: str | None = None
    precision: str | None = None
    size: int | None = None
    max_drop: float = MAX_DROP
    calibrate: str | None = None
    graph_preprocess: bool = False
    no_golden: bool = False
    out: Path | None = None
    known: GateKnown = field(default_factory=GateKnown)

    def __post_init__(self) -> None:
        _spell_homes(self)
        if self.to is not None:
            one_of("--to", self.to, EXPORT_ENGINES)
        check_number("threads", self.threads, 1)
        check_number("size", self.size, 8)
        check_share("max-drop", self.max_drop)
        check_bits(self.engines or ("all",), self.precisions)
        self.known.check(self.weights)

    @property
    def engines(self) -> tuple[str, ...] | None:
        """The engines to try; None for all that are installed."""
        if self.to is not None:
            return (EXPORT_ENGINES[self.to],)
        return None if self.engine in (None, "all") else named("engine", self.engine, ENGINES)

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions to try."""
        words = self.precision
        return PRECISIONS if words in (None, "all") else named("precision", words, PRECISIONS)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CompressRequest:
    """The words of `compress`.

    Attributes:
        run: Run folder.
        to: int8, binary, density=SHARE of the connections or channels=SHARE of the filters.
        max_drop: Accuracy that may be lost, a fraction.
        epochs: Passes of fine-tuning; without it a third of the run's own.
        out: Folder of the result; without it RUN/compressed/WORD.

    Raises:
        UsageError: a word that does not exist, or a number out of range.
    """

    run: Annotated[str, POSITIONAL] = ""
    to: str = "int8"
    max_drop: float = MAX_DROP
    epochs: int | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        _spell_homes(self)
        check_share("max-drop", self.max_drop)
        check_number("epochs", self.epochs, 1)
        kind, equals, value = self.to.partition("=")
        if (kind, equals) in (("int8", ""), ("binary", "")):
            return
        known = kind in ("density", "channels") and equals
        if not known or not re.fullmatch(r"0?\.\d+", value) or float(value) == 0:
            raise UsageError(
                f"--to {self.to}: is not int8, binary, density=SHARE or channels=SHARE with a "
                "share between 0 and 1, such as density=0.3"
            )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ClaimsRequest:
    """The words of `claims`; about a queue what is not given is as the queue has it.

    Attributes:
        word: list, run, table or queue.
        ids: Claims or patterns; for the word queue its folder.
        scale: How thoroughly to run: smoke takes seconds, cpu minutes, long hours, gpu an
            accelerator; that of the device unless given, long for a queue.
        data: Folder of data sets, for claims that need one.
        device: Where to run.
        out: Folder of your own results, ./results unless given: run writes there, table prefers
            them to those shipped.
        queue: Folder of a queue: run works through it at the lowest priority, with the claims that
            it holds and those named, and goes on after any stop.
        jobs: Claims of a queue that are measured at one time; one a processor unless given.
        retry: Try the claims of a queue that failed once more.
    """

    word: Annotated[str, POSITIONAL] = ""
    ids: Annotated[tuple[str, ...], POSITIONAL] = ()
    scale: Scale | None = None
    data: Path | None = None
    device: Device = "cpu"
    out: Path | None = None
    queue: Path | None = None
    jobs: int | None = None
    retry: bool = False

    def __post_init__(self) -> None:
        _spell_homes(self)
        one_of("--device", self.device, DEVICES)
        if self.scale is not None:
            one_of("--scale", self.scale, SCALES)
        if self.word in ("list", "run", "table") and self.queue is None:
            if self.jobs is not None or self.retry:
                raise UsageError("--jobs and --retry are for a queue: give its folder with --queue")
        elif self.word == "queue" and (self.scale or self.data or self.out or self.retry):
            raise UsageError("claims queue DIR shows how far a queue is; it takes --jobs alone")


def _spell_homes(request: Any) -> None:
    """Spell out the ``~`` of paths: a shell leaves that of ``--out=~/run`` as it is."""
    for word in fields(request):
        value = getattr(request, word.name)
        if isinstance(value, Path):
            object.__setattr__(request, word.name, expanded(value))
        elif word.name == "weights" and value.startswith("~"):  # a path, auto or none
            object.__setattr__(request, word.name, str(expanded(value)))


def stated(value: T | None) -> T:
    """Return a word of a decided request, where none is left open.

    Raises:
        DataError: the stored run lacks it.
    """
    if value is None:
        raise DataError("the stored run is not complete: start a new one")
    return value
