"""Dialects of checkpoints, and the facts that reading a file in one needs: from the user, its settings, or open."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Generic, TypeVar

from torch import Tensor

from interp.checkpoints.layouts import Layout, Unfit, fit
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.unwrap import StoredWeights
from interp.errors import CheckpointError, ConfigError, choose
from interp.models import ACTIVATIONS, HookedModel

T = TypeVar("T")

_SPELLINGS = {"quad": "square", "quadratic": "square", "x^2": "square", "x**2": "square", "swish": "silu"}
_NAMED = {
    "add": "add", "addition": "add", "modadd": "add", "+": "add", "plus": "add",
    "subtract": "subtract", "subtraction": "subtract", "sub": "subtract", "-": "subtract", "minus": "subtract",
    "multiply": "multiply", "multiplication": "multiply", "mul": "multiply", "mult": "multiply", "*": "multiply",
    "cyclicgroup": "add",
}  # fmt: skip
_OPERANDS = {"x[0]": "x[1]", "a": "b", "x": "y", "i": "j", "m": "n"}
_FORMULA = re.compile(
    r"(?:lambda[\w,]+:)?(\()?(?P<left>x\[0\]|[axim])(?P<sign>[-+*])(?P<right>x\[1\]|[byjn])"
    r"(?(1)\)(?:(?:%|mod)(?P<p>\d+|[pPC]))?)"
)


@dataclass(frozen=True, eq=False)
class Reading:
    """One way to read a file.

    Attributes:
        description: The difference from the other readings, in words.
        assumed: Facts that neither the file nor its settings nor the user states.
        build: Makes the network, in evaluation mode.
        notes: Decisions against something that was stated, in sentences.
        n_outputs: How many outputs the file has, of which the first p are read as classes; p if None.
    """

    dialect: str
    p: int
    operation: str
    description: str
    assumed: tuple[str, ...]
    build: Callable[[], HookedModel]
    notes: tuple[str, ...] = ()
    n_outputs: int | None = None


@dataclass(frozen=True)
class Dialect:
    """The way in which one research group writes its checkpoints: ``DIALECT`` of one file in ``dialects/``.

    Attributes:
        name: As for ``--dialect``, and of its file.
        rank: The lower, the more plausible among dialects that fit one file.
        readings: Every way to read a file, the most plausible first; raises `Unfit` if keys or shapes do not fit.
    """

    name: str
    rank: int
    summary: str
    reference: str
    layouts: tuple[Layout, ...]
    readings: Callable[[ForeignFile], list[Reading]]


@dataclass(frozen=True)
class Fact(Generic[T]):
    """A property of a network that must be known to run it.

    Attributes:
        values: Its possible values, most plausible first.
        known: True if the file, its settings, the user or the dialect itself states it.
    """

    values: tuple[T, ...]
    known: bool = True
    notes: tuple[str, ...] = ()

    def with_notes(self, *notes: str) -> Fact[T]:
        return replace(self, notes=(*self.notes, *notes))


def settle(name: str, given: T | None, stored: T | None, otherwise: tuple[T, ...]) -> Fact[T]:
    """A fact as the user gave it, else as the settings state it, else open: every value that it could have.

    Example:
        >>> settle("p", None, 59, (59, 118)), settle("p", None, None, (59, 118)).known
        (Fact(values=(59,), known=True, notes=()), False)
        >>> settle("p", 97, 59, ()).notes
        ("p=97 was given; the file's settings say 59",)
    """
    if given is not None:
        against = stored is not None and stored != given
        note = f"{name}={given} was given; the file's settings say {stored}"
        return Fact((given,), notes=(note,) if against else ())
    return Fact(otherwise, known=False) if stored is None else Fact((stored,))


@dataclass(frozen=True, eq=False)
class ForeignFile:
    """A stranger's file with what is known of it, and the name of the dialect that it is read in."""

    stored: StoredWeights
    options: OpenOptions = field(default_factory=OpenOptions)
    dialect: str = ""

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        return self.stored.tensors

    def fit(self, *layouts: Layout) -> tuple[Layout, Mapping[str, int]]:
        """The first layout that fits all tensors, with the sizes of its axes; `Unfit` says what is wrong with each."""
        problems = []
        for layout in layouts:
            try:
                return layout, fit(self.tensors, layout)
            except Unfit as problem:
                problems.append(str(problem))
        raise Unfit("; or ".join(problems))

    @property
    def settings(self) -> list[Mapping[str, Any]]:
        """The JSON beside the weights and what else the file holds, each followed by the objects in it."""
        outer = (self.stored.beside, self.stored.extras)
        return [level for top in outer for level in (top, *(v for v in top.values() if isinstance(v, dict)))]

    def setting(self, *names: str) -> Any:
        """The first of these settings that is not null, in the JSON beside the weights or in the file; else None.

        Example:
            >>> from pathlib import Path
            >>> stored = StoredWeights(Path("a.pt"), {}, beside={"lr": 0.1, "cfg": {"act_fn": "relu"}})
            >>> ForeignFile(stored).setting("act", "act_fn")
            'relu'
        """
        values = (level.get(name) for name in names for level in self.settings)
        return next((value for value in values if value is not None), None)

    def activation(self, *otherwise: str, assumed: bool = True) -> Fact[str]:
        """The activation function, by our names: if nothing states it, one of the dialect's, `otherwise`.

        With `assumed` False the dialect has no other, so that this is no assumption.
        """
        given = self.options.activation
        if given is not None:
            choose("activation", given, ACTIVATIONS)
        spelled = self.setting("activation", "act_fn", "act_type", "activation_fn")
        name = _SPELLINGS.get(spelled.lower(), spelled.lower()) if isinstance(spelled, str) else None
        if given is None and name is not None and name not in ACTIVATIONS:
            raise CheckpointError(
                f"the settings of {str(self.stored.path)!r} say that the activation is {spelled!r}; known are "
                f"{', '.join(ACTIVATIONS)}. Pass activation=… (--activation) to read the network with one of these"
            )
        fact = settle("activation", given, name, otherwise)
        return fact if assumed else replace(fact, known=True)

    def coefficient(self, *, assumed: bool = False) -> Fact[float]:
        """The attention mixture's coefficient; 1, ordinary attention, if nothing states it. For `assumed` see above."""
        spelled, given = self.setting("attn_coeff"), self.options.attn_coeff
        number = float(spelled) if isinstance(spelled, (int, float)) else None
        fact = settle("attn_coeff", None if given is None else float(given), number, (1.0,))
        return replace(fact, known=fact.known or not assumed)

    def operation(self) -> Fact[str]:
        """The task's operation; addition if nothing states it."""
        names = ("operation", "op", "fn_name", "funcs", "func", "fn", "function", "group")
        spelled, given = self.setting(*names), self.options.task
        name = operation_named(spelled)[0] if isinstance(spelled, str) else None
        fact = settle("operation", given, name, ("add",))
        if isinstance(spelled, str) and name is None and given is None:
            return fact.with_notes(
                f"the file's settings say that the operation is {spelled[:60]!r}, which is none of the known "
                "forms; it is read as addition unless the task is given (--task)"
            )
        return fact

    def stored_modulus(self) -> int | None:
        """The modulus that the settings give, by itself or in a formula."""
        p = self.setting("p", "P", "C", "modulus", "prime", "group_parameter")
        if p is None and isinstance(text := self.setting("funcs", "func", "fn", "function"), str):
            p = operation_named(text)[1]
        return p if isinstance(p, int) and not isinstance(p, bool) else None

    def modulus_of_shape(self, p: int) -> Fact[int]:
        """The modulus of a network whose shapes show it; a `ConfigError` if the user gave another."""
        if self.options.p not in (None, p):
            raise ConfigError(
                f"p={self.options.p} was given, but the weights in {str(self.stored.path)!r} are for p={p}"
            )
        other = self.stored_modulus()
        note = f"the file's settings say p={other}; their shapes say {p}"
        return Fact((p,), notes=() if other in (None, p) else (note,))


def operation_named(text: str) -> tuple[str | None, int | None]:
    """The operation and modulus that a name or a formula means; nothing is evaluated.

    Example:
        >>> operation_named("lambda x: (x[0]+x[1])%59"), operation_named("(x[0]**2+x[1])%59")
        (('add', 59), (None, None))
    """
    short = re.sub(r"\s", "", text)
    if short.lower() in _NAMED:
        return _NAMED[short.lower()], None
    match = _FORMULA.fullmatch(short)
    if match is None or _OPERANDS[match["left"]] != match["right"]:
        return None, None
    p = match["p"]
    return _NAMED[match["sign"]], int(p) if p and p.isdigit() else None


def combinations(**facts: Fact[Any]) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """Every combination of values by name, the most plausible first, and those that nothing states, in words.

    Example:
        >>> facts = {"a": Fact(("x", "y")), "b": Fact((1.0, 2.0), known=False)}
        >>> [(values["a"], *assumed) for values, assumed in combinations(**facts)]
        [('x', 'b 1'), ('x', 'b 2'), ('y', 'b 1'), ('y', 'b 2')]
    """

    def shown(name: str, value: Any) -> str:
        if isinstance(value, bool):
            return name if value else f"not {name}"
        return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"

    places = product(*(range(len(fact.values)) for fact in facts.values()))
    for place in sorted(places, key=lambda place: (sum(map(bool, place)), sum(place))):
        values = {name: fact.values[i] for (name, fact), i in zip(facts.items(), place, strict=True)}
        yield values, tuple(shown(name, values[name]) for name, fact in facts.items() if not fact.known)
