"""A method of training: what its word in a recipe changes of a run.

A method is a function with plain keyword arguments that returns a `Method`; `@method` says where
it acts and who published it. Its word, ``name`` or ``name:key=value,key=value``, stands in
`Recipe.methods`. Neither the loop nor a network knows any of them: a method changes the network
before the first step (surgery), the first weights, what a step computes, or the training images.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Literal, get_args

from torch import Tensor, nn

from fleetfoot.core.arguments import nearest
from fleetfoot.core.errors import UsageError
from fleetfoot.core.results import PassResult
from fleetfoot.nets.protocol import created_as
from fleetfoot.recipes import methods as package
from fleetfoot.train.method_word import MethodWord
from fleetfoot.train.recipe import Recipe
from fleetfoot.train.steps.step import (
    Context,
    Step,
    StepWithMethods,
    Transform,
    in_context,
    supervised_step,
)

Acts = Literal["image", "inside", "label", "start"]


@dataclass(frozen=True, kw_only=True)
class Start:
    """What an initialiser may use.

    Attributes:
        images: normalised training images without augmentation, (N, C, H, W).
        labels: their classes, (N,).
        recipe: of the run to come.
    """

    images: Tensor
    labels: Tensor
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Method:
    """What a method changes of a run; None where it changes nothing.

    Attributes:
        word: in the recipe; given by `methods_of`.
        surgery: changes a network in training mode, in place, before the first step.
        initialise: sets the first weights, after every surgery.
        step: wraps the step; a step computes and changes nothing.
        loss: the innermost step, instead of the ordinary one.
        transform: of the normalised training images of a batch.
        check: refuses names of classes, in order, before anything is made of the data.
        second_run: whether it makes sense only for a network that has been trained before.
        finish: after training: turns the network into the one to evaluate and to deploy, in place.
    """

    word: str = ""
    surgery: Callable[[nn.Module], PassResult] | None = None
    initialise: Callable[[nn.Module, Start], None] | None = None
    step: Callable[[Step], Step] | None = None
    loss: Step | None = None
    transform: Transform | None = None
    finish: Callable[[nn.Module], nn.Module] | None = None
    check: Callable[[Sequence[str]], None] | None = None
    second_run: bool = False


@dataclass(frozen=True, kw_only=True)
class MethodEntry:
    """A method in the catalog.

    Attributes:
        name: its word.
        build: the function that returns it.
        acts: on the "image" (or a batch of them), "inside" the network, on the "label" (or the
            loss), or at the "start" of training.
        paper: who published it, and where.
        published: the paper's figure in a few words; "" if none is known.
    """

    name: str
    build: Callable[..., Method]
    acts: Acts
    paper: str
    published: str

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.build) or "").splitlines()[0]


_entries: dict[str, MethodEntry] = {}


def method(
    *, acts: Acts, paper: str, published: str = ""
) -> Callable[[Callable[..., Method]], Callable[..., Method]]:
    """Put a function that returns a `Method` into the catalog, under its own name.

    Raises:
        ValueError: the name is taken.
    """

    def register(build: Callable[..., Method]) -> Callable[..., Method]:
        name = build.__name__
        if name in _entries:
            raise ValueError(f"two methods are called {name}")
        _entries[name] = MethodEntry(
            name=name, build=build, acts=acts, paper=paper, published=published
        )
        return build

    return register


@cache
def catalog() -> dict[str, MethodEntry]:
    """Return every method by name, after importing the files of `recipes/methods`."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_entries.items()))


def method_of(word: MethodWord) -> Method:
    """Return the method of a word such as ``cutout:side=8``.

    Raises:
        UsageError: no such method or argument, or a value that it cannot have.
    """
    name, known = word.name, catalog()
    if name not in known:
        hint = nearest(name, known, otherwise=f"there are: {', '.join(known)}")
        raise UsageError(f"{name!r} is not a method; {hint}")
    build = known[name].build
    parameters = inspect.signature(build).parameters
    words: dict[str, Any] = {}
    for key, text in word.settings:
        if key not in parameters:
            raise UsageError(
                f"method {name}: '{key}={text}' is not one of its settings; it has "
                f"{', '.join(parameters) or 'no settings'}"
            )
        words[key] = _value(name, key, text, parameters[key].annotation)
    try:
        return replace(build(**words), word=str(word))
    except UsageError as error:
        raise UsageError(f"method {name}: {error}") from error


def _value(name: str, key: str, text: str, kind: Any) -> Any:
    """Return the text of a setting as its annotation says: bool, int, float, str or words."""
    if get_args(kind):
        if text not in get_args(kind):
            allowed = ", ".join(map(str, get_args(kind)))
            raise UsageError(f"method {name}: {key}={text} is not one of {allowed}")
        return text
    if kind is bool:
        if text not in ("true", "false"):
            raise UsageError(f"method {name}: {key}={text} is not true or false")
        return text == "true"
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise UsageError(f"method {name}: {key}={text} is not {what}") from None


def methods_of(recipe: Recipe) -> tuple[Method, ...]:
    """Return the methods of a recipe, in its order.

    Raises:
        UsageError: a word that is not known.
    """
    return tuple(map(method_of, recipe.methods))


@dataclass(frozen=True, kw_only=True)
class Surgery:
    """What a method changed of a network.

    Attributes:
        method: its word.
        changed: how many places.
        left: places that it left, by the reason why.
    """

    method: str
    changed: int
    left: Mapping[str, tuple[str, ...]]

    def __str__(self) -> str:
        reasons = (f"{len(sites)} ({why}: {_some(sites)})" for why, sites in self.left.items())
        left = f", left {', '.join(reasons)}" if self.left else ""
        return f"{self.method}: changed {self.changed} places{left}"


def apply_surgery(
    net: nn.Module, recipe: Recipe, *, tell: Callable[[Surgery], None] = lambda _: None
) -> nn.Module:
    """Return the network after the surgeries of a recipe; the one handed in may be changed.

    Args:
        net: in training mode.
        recipe: whose methods act.
        tell: hears what each method changed and left.

    Raises:
        UsageError: a surgery finds no place in this network.
    """
    for found in methods_of(recipe):
        if found.surgery is None:
            continue
        for path, part in _networks(net).items():
            result = found.surgery(part)
            if not result.changed:
                reasons = "; ".join(f"{skip.site}: {skip.reason}" for skip in result.skipped[:2])
                why = f" ({reasons})" if reasons else ""
                raise UsageError(
                    f"method {found.word} finds no place in {type(part).__name__}{why}"
                )
            left: dict[str, tuple[str, ...]] = {}
            for skip in result.skipped:
                left[skip.reason] = (*left.get(skip.reason, ()), skip.site)
            tell(Surgery(method=found.word, changed=len(result.changed), left=left))
            if path:
                net.set_submodule(path, result.model)
            else:
                net = result.model
    return net


def _some(sites: Sequence[str], most: int = 2) -> str:
    more = f" and {len(sites) - most} more" if len(sites) > most else ""
    return ", ".join(sites[:most]) + more


def _networks(net: nn.Module) -> dict[str, nn.Module]:
    """Return the networks of `create` in another one, by path; one that has none is its own."""
    found = {path: part for path, part in net.named_modules() if created_as(part) is not None}
    return found or {"": net}


def initialise(net: nn.Module, start: Start) -> None:
    """Set the first weights as the methods of the recipe do, if any does."""
    for found in methods_of(start.recipe):
        if found.initialise is not None:
            for part in _networks(net).values():
                found.initialise(part, start)


def step_of(recipe: Recipe, step: Step = supervised_step) -> Step:
    """Return what a training step computes with the methods of a recipe; the last is outermost.

    Raises:
        UsageError: two methods compute the loss.
    """
    used = methods_of(recipe)
    losses = {found.word: found.loss for found in used if found.loss is not None}
    if len(losses) > 1:
        raise UsageError(f"methods {' and '.join(losses)} each compute the loss: choose one")
    step = next(iter(losses.values()), step)
    for found in used:
        if found.transform is not None:
            step = in_context(step, partial(_with_transform, found.transform))
        if found.step is not None:
            step = found.step(step)
    return StepWithMethods(step, recipe.methods) if recipe.methods else step


def _with_transform(transform: Transform, context: Context) -> Context:
    return replace(context, transforms=(transform, *context.transforms))


def finish(net: nn.Module, recipe: Recipe) -> nn.Module:
    """Return the network to evaluate and to deploy, after the methods of a recipe are done."""
    for found in reversed(methods_of(recipe)):
        if found.finish is not None:
            net = found.finish(net)
    return net
