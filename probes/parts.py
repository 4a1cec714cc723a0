"""The parts that a spectrum is made of, in words: frequencies, or the components of a finite group."""

from __future__ import annotations

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
        dimensions = "1 dimension" if one.size == 1 else f"{one.size} dimensions"
        return f"component {number} ({one.name}, {dimensions})"

    def brief(self, number: int) -> str:
        """The same for a cell of a table."""
        known = 0 < number <= len(self.components)
        return f"{number} ({self.components[number - 1].name})" if known else str(number)

    def unit(self, number: int) -> str:
        """`brief` with the unit of a frequency."""
        return self.brief(number) if self.known else f"{number} cycles"

    def titles(self, numbers: Iterable[int]) -> list[str]:
        """The title of each number, in order."""
        every = list(map(int, numbers))
        by_number = {number: self.title(number) for number in set(every)}
        return [by_number[number] for number in every]

    def to_list(self) -> list[dict[str, Any]]:
        """The components, ready for JSON."""
        return [asdict(one) for one in self.components]
