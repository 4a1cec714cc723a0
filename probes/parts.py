"""The parts that a spectrum is made of, in words: frequencies, or the components of a finite group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Component:
    """A real isotypic component of the functions on a group.

    Attributes:
        size: Its number of real dimensions; 2 for a frequency.
        dimension: That of its irreducible representation over the complex numbers.
        name: A short one that no other component of the group has.
    """

    size: int
    dimension: int
    name: str


@dataclass(frozen=True)
class Parts:
    """Words for the number in the column ``frequency``: of addition modulo n a frequency, else a component.

    A frequency is the component of a cyclic group, so whatever shows one asks its table's parts for titles and units.

    Attributes:
        components: By number from 1; empty where parts are frequencies.

    Example:
        >>> Parts().title(3), Parts((Component(16, 4, "standard"),)).title(1)
        ('frequency 3', 'component 1 (standard, 16 dimensions)')
    """

    components: tuple[Component, ...] = ()

    @classmethod
    def of(cls, null: Mapping[str, Any] | None) -> Parts:
        """The parts that a table's ``meta["null"]`` describes."""
        return cls(tuple(Component(**one) for one in (null or {}).get("components", ())))

    @property
    def known(self) -> bool:
        """True for components of a group, False for frequencies."""
        return bool(self.components)

    @property
    def noun(self) -> str:
        """One of them: ``frequency`` or ``component``."""
        return "component" if self.known else "frequency"

    @property
    def plural(self) -> str:
        """Several of them."""
        return "components" if self.known else "frequencies"

    @property
    def within(self) -> str:
        """The place of a variance that one part explains: ``at one frequency``."""
        return "in one component" if self.known else "at one frequency"

    @property
    def axis(self) -> str:
        """Title of an axis with one mark a part."""
        return "component (number)" if self.known else "frequency (cycles)"

    def title(self, number: int) -> str:
        """One part by its number, from 1."""
        if not 0 < number <= len(self.components):
            return f"{self.noun} {number}"
        one = self.components[number - 1]
        return f"component {number} ({one.name}, {dimensions(one.size)})"

    def brief(self, number: int) -> str:
        """The same for a cell of a table."""
        known = 0 < number <= len(self.components)
        return f"{number} ({self.components[number - 1].name})" if known else str(number)

    def unit(self, number: int) -> str:
        """`brief` with the unit of a frequency."""
        return self.brief(number) if self.known else f"{number} cycles"

    def worded(self, text: str) -> str:
        """A sentence about frequencies as one about these parts.

        Example:
            >>> Parts((Component(1, 1, "sign"),)).worded("Variance at one frequency.")
            'Variance in one component.'
        """
        if not self.known:
            return text
        words = {
            "frequency (cycles)": self.axis,
            "at one frequency": self.within,
            "along a + b": "along the product",
            "along the sum": "along the product",
            "frequencies": self.plural,
            "frequency": self.noun,
        }
        for old, new in words.items():
            text = text.replace(old, new)
        return text

    def located(self, number: Any) -> str:
        """The part of a number as the place of a variance: ``at 3 cycles``."""
        return f"in {self.title(int(number))}" if self.known else f"at {number} cycles"

    def marks(self, numbers: Iterable[Any]) -> list[int | str]:
        """Entries that a figure keeps of each number to show it by `marked`: itself, or a component's title.

        Example:
            >>> Parts().marks([3, 4]), Parts().marked("%{x}"), Parts((Component(1, 1, "sign"),)).marks([1])
            ([3, 4], 'frequency %{x}', ['component 1 (sign, 1 dimension)'])
        """
        return [self.title(int(number)) if self.known else int(number) for number in numbers]

    def place(self, mark: str) -> str:
        """The same as the place of a variance: ``at frequency 3 (cycles)``."""
        return f"in {mark}" if self.known else f"at frequency {mark}{self.cycles}"

    @property
    def cycles(self) -> str:
        """The unit of a frequency in brackets; empty for components, which have none."""
        return "" if self.known else " (cycles)"

    def marked(self, mark: str) -> str:
        """A mark in words, or the place in a figure's text where it is filled in."""
        return mark if self.known else f"{self.noun} {mark}"

    def ends(self, left: int, right: int) -> str:
        """A component of the left operand and one of the right, by number; 0 is the constant."""
        names = [self.title(number) if number else "constant" for number in (left, right)]
        return f"left {names[0]}, right {names[1]}"

    def counts(self, numbers: Iterable[Any]) -> tuple[dict[str, Any], ...] | None:
        """Components with the number of neurons in each, most neurons first, as JSON has them; None for frequencies.

        Args:
            numbers: The component of each neuron that is counted.

        Example:
            >>> Parts((Component(1, 1, "sign"), Component(4, 2, "standard"))).counts([2, 2])
            ({'size': 4, 'dimension': 2, 'name': 'standard', 'neurons': 2},)
        """
        if not self.known:
            return None
        counted = Counter(int(number) for number in numbers)
        ordered = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
        return tuple({**asdict(self.components[number - 1]), "neurons": count} for number, count in ordered)

    def to_list(self) -> list[dict[str, Any]]:
        """The components, ready for JSON."""
        return [asdict(one) for one in self.components]


FREQUENCIES = Parts()


def dimensions(size: int) -> str:
    """A number of dimensions in words.

    Example:
        >>> dimensions(1), dimensions(16)
        ('1 dimension', '16 dimensions')
    """
    return "1 dimension" if size == 1 else f"{size} dimensions"
