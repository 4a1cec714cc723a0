"""Ways to read a stranger's file: what the user says, what its settings say, and what neither does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from interp.checkpoints.layouts import Layout, fit
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


@dataclass(frozen=True)
class Hints:
    """What the user said of a file; None where nothing was said.

    Attributes:
        activation: The activation function.
        attn_coeff: The attention mixture's coefficient.
        operation: ``add``, ``subtract`` and so on.
        p: The modulus.
        dialect: The name of the only dialect to try.
    """

    activation: str | None = None
    attn_coeff: float | None = None
    operation: str | None = None
    p: int | None = None
    dialect: str | None = None


@dataclass(frozen=True, eq=False)
class Reading:
    """One way to read a file.

    Attributes:
        dialect: Whose file it would be.
        p: The modulus of its task.
        operation: The task's operation.
        description: What tells this reading from the others, in words.
        assumed: What neither the file nor its settings nor the user said.
        build: Makes the network, in evaluation mode.
        notes: What was decided against something that was said, in sentences.
    """

    dialect: str
    p: int
    operation: str
    description: str
    assumed: tuple[str, ...]
    build: Callable[[], HookedModel]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dialect:
    """The way in which one research group writes its checkpoints.

    Attributes:
        name: What ``--dialect`` calls it.
        summary: Which networks it holds, in a few words.
        reference: The paper.
        layouts: The tensors of each of its networks.
        readings: Every way to read a file; none if the keys or shapes do not fit.
    """

    name: str
    summary: str
    reference: str
    layouts: tuple[Layout, ...]
    readings: Callable[[StoredWeights, Hints], list[Reading]]

    @property
    def keys(self) -> str:
        """The keys and shapes that it looks for, in one line."""
        return "; or ".join(map(str, self.layouts))


@dataclass(frozen=True)
class Fact(Generic[T]):
    """Something that must be known of a network to run it.

    Attributes:
        values: What it can be, most plausible first.
        said: Whether the file, its settings, the user or the dialect itself says so.
        notes: What was decided against something that was said, in sentences.
    """

    values: tuple[T, ...]
    said: bool = True
    notes: tuple[str, ...] = ()


def settle(name: str, given: T | None, stored: T | None, otherwise: tuple[T, ...]) -> Fact[T]:
    """What the user gave, else what the settings say, else every value that it could be.

    Example:
        >>> settle("p", None, 59, (59, 118)), settle("p", None, None, (59, 118)).said
        (Fact(values=(59,), said=True, notes=()), False)
        >>> settle("p", 97, 59, ()).notes
        ("p=97 was given; the file's settings say 59",)
    """
    if given is not None:
        against = stored is not None and stored != given
        note = f"{name}={given} was given; the file's settings say {stored}"
        return Fact((given,), notes=(note,) if against else ())
    return Fact(otherwise, said=False) if stored is None else Fact((stored,))


def setting(stored: StoredWeights, *names: str) -> Any:
    """The first of these settings that is said, in the JSON beside the weights or in the file itself; else None.

    Example:
        >>> from pathlib import Path
        >>> setting(StoredWeights(Path("a.pt"), {}, beside={"lr": 0.1, "cfg": {"act_fn": "relu"}}), "act", "act_fn")
        'relu'
    """
    for name in names:
        for level in settings(stored):
            if level.get(name) is not None:
                return level[name]
    return None


def settings(stored: StoredWeights) -> list[Mapping[str, Any]]:
    """The JSON beside the weights and what else the file holds, each followed by the objects in it."""
    outer = (stored.beside, stored.extras)
    return [level for top in outer for level in (top, *(v for v in top.values() if isinstance(v, dict)))]


def activation_fact(stored: StoredWeights, hints: Hints, otherwise: tuple[str, ...]) -> Fact[str]:
    """The activation function, by our names.

    Args:
        stored: The file.
        hints: What the user said.
        otherwise: What it can be in this dialect if nothing says.

    Raises:
        ConfigError: The user's is unknown. CheckpointError: that of the settings is.
    """
    given = None if hints.activation is None else choose("activation", hints.activation, ACTIVATIONS)
    spelled = setting(stored, "activation", "act_fn", "act_type", "activation_fn")
    text = spelled.lower() if isinstance(spelled, str) else None
    name = None if text is None else _SPELLINGS.get(text, text)
    if given is None and name is not None and name not in ACTIVATIONS:
        raise CheckpointError(
            f"the settings of {str(stored.path)!r} say that the activation is {spelled!r}; known are "
            f"{', '.join(ACTIVATIONS)}. Pass activation=… (--activation) to read the network with one of these"
        )
    return settle("activation", given, name, otherwise)


def coefficient_fact(stored: StoredWeights, hints: Hints, *, said: bool) -> Fact[float]:
    """The attention mixture's coefficient; 1, ordinary attention, if nothing says.

    Args:
        stored: The file.
        hints: What the user said.
        said: Whether the dialect has ordinary attention only, so that 1 is no assumption.
    """
    spelled = setting(stored, "attn_coeff")
    number = float(spelled) if isinstance(spelled, (int, float)) else None
    given = None if hints.attn_coeff is None else float(hints.attn_coeff)
    fact = settle("attn_coeff", given, number, (1.0,))
    return replace(fact, said=fact.said or said)


def operation_fact(stored: StoredWeights, hints: Hints) -> Fact[str]:
    """The task's operation; addition if nothing says."""
    names = ("operation", "op", "fn_name", "funcs", "func", "fn", "function", "group")
    spelled = setting(stored, *names)
    name = operation_named(spelled)[0] if isinstance(spelled, str) else None
    fact = settle("operation", hints.operation, name, ("add",))
    if isinstance(spelled, str) and name is None and hints.operation is None:
        note = (
            f"the file's settings say that the operation is {spelled[:60]!r}, which is none of the known "
            "forms; it is read as addition unless the task is given (--task)"
        )
        return replace(fact, notes=(*fact.notes, note))
    return fact


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


def stored_modulus(stored: StoredWeights) -> int | None:
    """The modulus that the settings give, by itself or in a formula."""
    p = setting(stored, "p", "P", "C", "modulus", "prime", "group_parameter")
    if p is None and isinstance(text := setting(stored, "funcs", "func", "fn", "function"), str):
        p = operation_named(text)[1]
    return p if isinstance(p, int) and not isinstance(p, bool) else None


def modulus_of_shape(stored: StoredWeights, hints: Hints, p: int) -> Fact[int]:
    """The modulus of a network whose shapes say it.

    Raises:
        ConfigError: The user gave another one, which the network cannot have.
    """
    if hints.p not in (None, p):
        raise ConfigError(f"p={hints.p} was given, but the weights in {str(stored.path)!r} are for p={p}")
    other = stored_modulus(stored)
    note = f"the file's settings say p={other}; their shapes say {p}"
    return Fact((p,), notes=() if other in (None, p) else (note,))


def fitting(stored: StoredWeights, *layouts: Layout) -> tuple[Layout | None, Mapping[str, int], str]:
    """The layout that fits a file with the sizes of its axes; or none, and what is wrong with each."""
    problems = []
    for layout in layouts:
        found = fit(stored.tensors, layout)
        if found.problem is None:
            return layout, found.sizes, ""
        problems.append(found.problem)
    return None, {}, "; or ".join(problems)


def unfit(stored: StoredWeights, hints: Hints, dialect: str, problem: str) -> list[Reading]:
    """No readings; if the user named this dialect, an error that says why.

    Raises:
        CheckpointError: The user named this dialect.
    """
    if hints.dialect == dialect:
        raise CheckpointError(f"{str(stored.path)!r} is not in the dialect {dialect!r}: {problem}")
    return []


def combinations(**facts: Fact[Any]) -> Iterator[dict[str, Any]]:
    """Every combination of values, the fewer of them not the most plausible ones, the earlier.

    Example:
        >>> [c["a"] + c["b"] for c in combinations(a=Fact(("x", "y")), b=Fact(("1", "2")))]
        ['x1', 'x2', 'y1', 'y2']
    """
    places: list[tuple[int, ...]] = [()]
    for fact in facts.values():
        places = [(*place, i) for place in places for i in range(len(fact.values))]
    for place in sorted(places, key=lambda place: (sum(map(bool, place)), sum(place))):
        yield {name: fact.values[i] for (name, fact), i in zip(facts.items(), place, strict=True)}


def assumptions(chosen: Mapping[str, Any], **facts: Fact[Any]) -> tuple[str, ...]:
    """What of a combination nothing says, in words.

    Example:
        >>> assumptions({"attn_coeff": 1.0}, attn_coeff=Fact((1.0,), said=False))
        ('attn_coeff 1',)
    """

    def shown(name: str, value: Any) -> str:
        if isinstance(value, bool):
            return name if value else f"not {name}"
        return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"

    return tuple(shown(name, chosen[name]) for name, fact in facts.items() if not fact.said)
