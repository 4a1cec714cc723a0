"""A network with state: how it is built and adopted, and the demonstration of what its memory holds."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from interp.errors import ConfigError, choose
from interp.lab.hosts import networks
from interp.lab.study import Record, Settings, StudyResult, setting
from interp.models import adopt
from interp.models.adopted import Adopted
from interp.progress import Report


@dataclass(frozen=True)
class Config(Settings):
    """The network, and how long it is trained."""

    which: str = setting("leaky-rnn", "The network.")
    effort: float = setting(
        1.0, "Updates of training, as a multiple of those that the network has by default.", "(0, 10]"
    )

    def updates(self, default: int) -> int:
        """Updates of training, 1 or more, where the network has so many by default."""
        return max(1, round(default * self.effort))


@dataclass(frozen=True, eq=False)
class Host:
    """A network with state.

    Attributes:
        title: Of its demonstration.
        about: A paragraph: the network with its source, what its memory holds, the claim, its control, and the figure.
        build: A small one with random weights drawn from a seed.
        example: A few inputs for it, ``(example, …)``.
        sites: What `interp.adopt` is given; the last one is measured unless another is named.
        measure: Train one for a seed and measure what ablating its memory costs, beside random ablations.
        units: Steps of progress of one seed.
        quantities: Names in words of its numbers, in the order in which they are shown.
        judge: Sentences that say what the seeds decide.
        bars: Of the figure's left panel: words for each number that has a bar.
        axis: What the bars measure.
        lines: Of the right panel, drawn of ``curves["x"]`` and ``curves["lines"]``: titles of both axes; or empty.
        settings: Further arguments of `interp.adopt`.
        package: What it is imported from, if it is no part of PyTorch or of this project.
    """

    title: str
    about: str
    build: Callable[[int], nn.Module]
    example: Callable[[], Tensor]
    sites: Sequence[str]
    measure: Callable[[Config, int, Report], Record]
    units: Callable[[Config], int]
    quantities: Mapping[str, str]
    judge: Callable[[StudyResult], list[str]]
    bars: Mapping[str, str]
    axis: str = "accuracy"
    lines: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    package: str = ""

    def adopted(self, seed: int = 0) -> Adopted:
        """The small network with random weights, with its hook points."""
        return adopt(self.build(seed), self.sites, example=self.example(), **self.settings)


def _line(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]


HOSTS = {
    file.stem.replace("_", "-"): _line(file)
    for folder in networks.__path__
    for file in sorted(Path(folder).glob("[a-z]*.py"))
}
"""Name and one line of each file in ``networks``; names are spelled as commands are."""


def host_called(name: str) -> Host:
    """The network with state of that name.

    Raises:
        ConfigError: There is none, or its package is not installed.

    Example:
        >>> host_called("leaky-rnn").sites
        ('tap:hidden',)
    """
    choose("host", name, HOSTS)
    host: Host = import_module(f"interp.lab.hosts.networks.{name.replace('-', '_')}").HOST
    if host.package and find_spec(host.package) is None:
        raise ConfigError(
            f"the host {name!r} needs the package {host.package!r}, which is not installed; "
            "pip install 'grokscope[hosts]'"
        )
    return host
