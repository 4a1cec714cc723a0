"""Dialects of checkpoints, and the facts that reading a file in one needs: from the user, its settings, or open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any, Generic, TypeVar

from torch import Tensor

from interp.checkpoints.facts import levels, shown, stated
from interp.checkpoints.layouts import Layout, Unfit, fit
from interp.checkpoints.operation_names import group_named
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.setting_values import activation_named, number_named, whole_number
from interp.checkpoints.stated_operations import StatedOperations, stated_operations
from interp.checkpoints.stored import StoredWeights
from interp.data.operations import GROUP, OPERATIONS
from interp.errors import CheckpointError, ConfigError, choose
from interp.models import ACTIVATIONS, HookedModel

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Reading:
    """One way to read a file.

    Attributes:
        description: The difference from the other readings, in words.
        assumed: Facts that neither the file nor its settings nor the user states.
        build: Makes the network, in evaluation mode.
        notes: Decisions against something that was stated, in sentences.
        n_outputs: How many outputs the file has, of which the first p are read as classes; p if None.
        mixed: The same reading with another coefficient of its attention mixture, where nothing states that.
    """

    dialect: str
    p: int
    operation: str
    description: str
    assumed: tuple[str, ...]
    build: Callable[[], HookedModel]
    notes: tuple[str, ...] = ()
    n_outputs: int | None = None
    mixed: Callable[[float], Reading] | None = None


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
        """The settings beside the weights, what else the file holds, and every object in either, outer ones first."""
        return [level for top in (self.stored.beside, self.stored.extras) for level in levels(top)]

    def setting(self, *names: str) -> Any:
        """The first of these settings that is not null, beside the weights or in the file; else None.

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
        names: dict[str, str] = {}
        for place, value in self.stated("activation"):
            name = activation_named(value)
            if given is None and name not in ACTIVATIONS:
                raise CheckpointError(
                    f"the settings of {str(self.stored.path)!r} say that the activation is {str(value)[:60]!r}; known "
                    f"are {', '.join(ACTIVATIONS)}. Pass activation=… (--activation) to read the network with one of "
                    "these"
                )
            names[place] = name or str(value)[:60]
        fact = self._measured_or_settled("activation", given, names, otherwise)
        tops = (self.stored.beside, self.stored.extras)
        passed = [
            one for top in tops for one in stated(top, "activation", counted=False) if isinstance(one[1], str)
        ]
        if passed and given is None:
            fact = fact.with_notes(
                f"not read as the activation: {', '.join(shown(*one) for one in passed[:4])}"
            )
        return fact if assumed else replace(fact, known=True)

    def coefficient(self, *, assumed: bool = False) -> Fact[float]:
        """The attention mixture's coefficient; 1, ordinary attention, if nothing states it. For `assumed` see above.

        Raises:
            CheckpointError: The settings state one that is no number from 0 to 1, and the user gave none.
        """
        given = self.options.attn_coeff
        numbers: dict[str, float] = {}
        for place, value in self.stated("attn_coeff"):
            number = number_named(value)
            if given is None and not (number is not None and 0 <= number <= 1):
                raise CheckpointError(
                    f"the settings of {str(self.stored.path)!r} say attn_coeff={str(value)[:60]}; expected a number "
                    "from 0 to 1. Pass attn_coeff=… (--attn-coeff) to read the network with one"
                )
            if number is not None:
                numbers[place] = number
        fact = self._measured_or_settled(
            "attn_coeff", None if given is None else float(given), numbers, (1.0,)
        )
        return replace(fact, known=fact.known or not assumed)

    def stated(self, fact: str) -> list[tuple[str, Any]]:
        """The settings that state a fact, with their places: of the files beside the weights, else of the file."""
        tops = (self.stored.beside, self.stored.extras)
        return next((values for top in tops if (values := list(stated(top, fact)))), [])

    def _measured_or_settled(
        self, name: str, given: T | None, values: Mapping[str, T], otherwise: tuple[T, ...]
    ) -> Fact[T]:
        """A fact by what was given, else every value that the settings state: measuring decides between several."""
        different = tuple(dict.fromkeys(values.values()))
        if given is None and len(different) > 1:
            listed = " and ".join(f"{place}={value}" for place, value in list(values.items())[:4])
            return Fact(different, notes=(f"the settings say {listed}: each is measured",))
        against = next((value for value in different if value != given), None)
        return settle(name, given, against, otherwise)

    def operation(self) -> Fact[str]:
        """The task's operation; addition if nothing states it.

        Raises:
            CheckpointError: The settings name an operation or a group that is not known, or two operations, and the
                user gave neither the task nor a table.
        """
        given, spelled, group = self.options.task, self._operations, self._group
        known = (*spelled.known, group) if group and group not in spelled.known else spelled.known
        unknown = spelled.unknown if group is None else ()
        if given is None and self.options.table is None and (unknown or len(known) > 1):
            problem = (
                f"no operation that is known ({', '.join(OPERATIONS)}, a polynomial such as 'x**2 + x*y', or a cyclic, "
                "symmetric, alternating or dihedral group with its group_parameter)"
            )
            if not unknown:
                problem = f"more than one operation ({' and '.join(known)})"
            raise CheckpointError(
                f"the settings of {str(self.stored.path)!r} say {', '.join(spelled.shown[:4])}: {problem}. Say which "
                "with task=… (--task; read takes it from the answers), or give all examples with a table (--table)"
            )
        stored = next(iter((*known, *unknown)), None)
        return settle("operation", given, stored, ("add",)).with_notes(*spelled.notes(given))

    @cached_property
    def _operations(self) -> StatedOperations:
        return stated_operations((self.stored.beside, self.stored.extras))

    @cached_property
    def _group(self) -> str | None:
        """The group that a family's name and a parameter beside it state, as ``group:S5``."""
        families = [group_named(text) for text in self._operations.unknown]
        parameter = whole_number(self.setting("group_parameter"))
        if len(families) != 1 or families[0] is None or parameter is None:
            return None
        return f"{GROUP}{families[0][0]}{parameter}"

    @cached_property
    def stored_moduli(self) -> tuple[int, ...]:
        """The moduli that the settings give, by themselves or in a formula."""
        stated = [(name, value) for name, value in self.stated("modulus") if not self._degree(name)]
        numbers = [whole_number(value) for _, value in stated] or [self._operations.modulus]
        return tuple(dict.fromkeys(number for number in numbers if number is not None))

    def _degree(self, place: str) -> bool:
        """True for a setting that is the parameter of a group and no number of elements."""
        grouped = self._group is not None or any(one.startswith(GROUP) for one in self._operations.known)
        return grouped and place.rpartition(".")[2] == "group_parameter"

    def stored_modulus(self) -> int | None:
        """The first of these."""
        return next(iter(self.stored_moduli), None)

    def modulus_of_shape(self, p: int) -> Fact[int]:
        """The modulus of a network whose shapes show it; a `ConfigError` if the user gave another."""
        if self.options.p not in (None, p):
            raise ConfigError(
                f"p={self.options.p} was given, but the weights in {str(self.stored.path)!r} are for p={p}"
            )
        other = self.stored_modulus()
        note = f"the file's settings say p={other}; their shapes say {p}"
        return Fact((p,), notes=() if other is None or p in self.stored_moduli else (note,))


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
