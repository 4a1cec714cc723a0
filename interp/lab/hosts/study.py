"""Networks with state, one at a time: each has a study of its own under the name that ``--which`` takes."""

from __future__ import annotations

from dataclasses import replace

from interp.lab.hosts.figure import host_figure
from interp.lab.hosts.host import HOSTS, Config, Host, host_called
from interp.lab.study import Record, Study
from interp.progress import Report


def study_of(config: Config) -> Study:
    """The demonstration of one network, as a study.

    Raises:
        ConfigError: There is no such network, or its package is not installed.

    Example:
        >>> study_of(Config("lstm")).title == host_called("lstm").title
        True
    """
    host = host_called(config.which)
    return Study(
        name="hosts",
        title=host.title,
        about=host.about,
        config=Config,
        measure=measure,
        units=units,
        quantities=host.quantities,
        judge=host.judge,
        draw=lambda result: host_figure(result, host),
    )


def measure(config: Config, seed: int, report: Report) -> Record:
    """Train the network that is meant, and measure what ablating its memory costs."""
    return _meant(config).measure(config, seed, report)


def units(config: Config) -> int:
    """Steps of progress of one seed."""
    return _meant(config).units(config)


def _meant(config: Config) -> Host:
    return host_called(config.which)


STUDY = replace(
    study_of(Config()),
    title="Networks with state: what their memory holds",
    about=(
        "Recurrent, spiking, fast-weight, memory and prompt networks, adopted and ablated over time by the same calls "
        "as any other network. --which names one of them: "
        + ", ".join(HOSTS)
        + ". Each is trained on its smallest "
        "task; then units, slots or segments of its memory are ablated, beside as many random ones."
    ),
    variant=study_of,
    choices=HOSTS,
)
