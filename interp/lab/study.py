"""The frame of all studies: measured once for each seed, compared, worded and drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from interp.errors import ConfigError, choose, near_matches
from interp.lab.names import ADDED, STUDIES
from interp.lab.over_seeds import OverSeeds
from interp.markup import UNKNOWN, html_table, number
from interp.progress import Report
from probes.plugins import REASONS, load

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ONE_NETWORK = (
    "All seeds looked at one network: intervals are about random draws, and say nothing of other networks."
)
HEADER = ("quantity", "mean", "95 % interval", "each seed")


def setting(default: Any, words: str, interval: str = "[-inf, inf]") -> Any:
    """A field of `Settings`: its default, its meaning, and the interval of its values, such as ``"(0, 1]"``.

    Example:
        >>> @dataclass(frozen=True)
        ... class Config(Settings):
        ...     width: int = setting(100, "Neurons.", "[1, inf)")
        >>> Config(width=0)
        Traceback (most recent call last):
        interp.errors.ConfigError: width=0 is below 1
    """
    return field(default=default, metadata={"help": words, "interval": interval})


@dataclass(frozen=True)
class Settings:
    """Base of the frozen dataclass of a study's settings; a number outside its interval, or nan, is a `ConfigError`."""

    def __post_init__(self) -> None:
        for one in fields(self):
            value, interval = getattr(self, one.name), one.metadata["interval"]
            if isinstance(value, (int, float)):
                least, most = interval[1:-1].split(", ")
                inside = float(least) <= value if interval[0] == "[" else float(least) < value
                inside &= value <= float(most) if interval[-1] == "]" else value < float(most)
                if not inside:
                    below = interval == f"[{least}, inf)" and value < float(least)
                    raise ConfigError(
                        f"{one.name}={value} is {f'below {least}' if below else f'not in {interval}'}"
                    )


@dataclass(frozen=True, eq=False)
class Record:
    """Numbers of one seed, None where it has no such number, and whatever else the figure shows; ready for JSON."""

    numbers: Mapping[str, float | None]
    curves: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Study:
    """A study: its settings, its measurement, its findings and its figure.

    Attributes:
        name: One of `STUDIES`.
        about: A paragraph: the question, the method with its source, and what the figure shows.
        config: The dataclass of its `Settings`.
        measure: Given settings, a seed and a report of progress, the record of this seed.
        units: How many steps of progress one seed takes, given the settings.
        quantities: Names in words of the numbers that are shown, in order.
        judge: Sentences that say what the seeds decide, and what they do not.
        draw: The figure.
        inspect: The same as `measure` for a user's own opened checkpoint, given before the settings; None: the study
            trains its own networks only.
        variant: The study that settings choose, where it is a family of several; None: there is one.
        choices: Names and lines of these, which the setting ``which`` chooses among.
        tabulate: Header and rows of the table that is shown; None: a row for each quantity.
    """

    name: str
    title: str
    about: str
    config: type
    measure: Callable[[Any, int, Report], Record]
    units: Callable[[Any], int]
    quantities: Mapping[str, str]
    judge: Callable[[StudyResult], list[str]]
    draw: Callable[[StudyResult], Figure]
    inspect: Callable[[Any, Any, int, Report], Record] | None = None
    variant: Callable[[Any], Study] | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    tabulate: Callable[[StudyResult], tuple[Sequence[str], Iterable[Sequence[str]]]] | None = None

    def settings(self, **given: Any) -> Any:
        """The study's settings with these changed; a `ConfigError` for one that is unknown or out of range."""
        known = [field.name for field in fields(self.config)]
        for name in given:
            if name not in known:
                raise ConfigError(
                    f"the study {self.name!r} has no setting {name!r}; {near_matches(name, known)}"
                )
        return self.config(**given)


@dataclass(frozen=True, eq=False, repr=False)
class StudyResult:
    """Records of several seeds of a study, with what they decide.

    Attributes:
        records: In the order of the seeds.
        one_network: Whether all seeds looked at one network, a checkpoint, and differ in what was drawn at random only.
    """

    study: Study
    config: Any
    seeds: tuple[int, ...]
    records: tuple[Record, ...]
    one_network: bool = False

    def __repr__(self) -> str:
        return f"StudyResult({self.study.name}, seeds {', '.join(map(str, self.seeds))})"

    def over(self, name: str) -> OverSeeds | None:
        """A number over the seeds, None unless every seed has it; a `ConfigError` if the study measures none such."""
        known = list(self.records[0].numbers)
        if name not in known:
            raise ConfigError(f"{self.study.name!r} measures no {name!r}; {near_matches(name, known)}")
        values = self.each(name)
        return None if None in values else OverSeeds.of(values)  # type: ignore[arg-type]

    def each(self, name: str) -> list[float | None]:
        """A number of every seed; None where it has none."""
        return [record.numbers[name] for record in self.records]

    def all_over(self, *names: str) -> list[OverSeeds] | None:
        """Several numbers over the seeds; None unless every seed has every one of them."""
        numbers = [over for name in names if (over := self.over(name)) is not None]
        return numbers if len(numbers) == len(names) else None

    def difference(self, first: str, second: str) -> OverSeeds | None:
        """By how much one number is above another, seed by seed; None unless every seed has both."""
        both = self.all_over(first, second)
        return None if both is None else both[0].minus(both[1])

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Each quantity as shown, in the order of `HEADER`."""
        for name, words in self.study.quantities.items():
            over, mean, interval = self.over(name), UNKNOWN, UNKNOWN
            if over is not None:
                mean = _shown(over.mean)
                interval = UNKNOWN if len(self.seeds) < 2 else f"{_shown(over.low)} to {_shown(over.high)}"
            yield words, mean, interval, ", ".join(map(_shown, self.each(name)))

    def table(self) -> tuple[Sequence[str], Iterable[Sequence[str]]]:
        """Header and rows that are shown: the study's own table, or a row for each quantity."""
        return (HEADER, self.rows()) if self.study.tabulate is None else self.study.tabulate(self)

    def findings(self) -> list[str]:
        """Sentences that say what the seeds decide, and what they do not."""
        return self.study.judge(self) + [ONE_NETWORK] * (self.one_network and len(self.seeds) > 1)

    def plot(self) -> Figure:
        """The study's figure."""
        return self.study.draw(self)

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON: each number with its interval, the curves of every seed, the findings."""
        over = {name: self.over(name) for name in self.records[0].numbers}
        return {
            "study": self.study.name,
            "settings": asdict(self.config),
            "seeds": list(self.seeds),
            "numbers": {name: None if one is None else one.to_dict() for name, one in over.items()},
            "findings": self.findings(),
            "records": [asdict(record) for record in self.records],
        }

    def _repr_html_(self) -> str:
        return html_table(self.study.title, *self.table(), inline=True)


def _shown(value: float | None) -> str:
    """Three significant digits, and numbers of steps to the last."""
    return f"{value:.0f}" if value is not None and 1000 <= abs(value) < 1e6 else number(value, 3)


def study_called(name: str) -> Study:
    """The study of that name.

    Raises:
        ConfigError: There is none.

    Example:
        >>> study_called("lens").name
        'lens'
    """
    choose("study", name, STUDIES)
    if (added := ADDED.get(name)) is not None:
        if (study := load(added, Study)) is None:
            raise ConfigError(f"the study {name!r} cannot be used: {REASONS[added.group, name]}")
        return replace(study, name=name)
    return import_module(f"interp.lab.{name.replace('-', '_')}.study").STUDY
