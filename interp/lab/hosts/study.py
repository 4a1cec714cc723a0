"""Networks with state, one at a time: each has a study of its own under the name that ``--which`` takes."""

from __future__ import annotations

from interp.lab.hosts.figure import host_figure
from interp.lab.hosts.host import HOSTS, Config, host_called
from interp.lab.study import Study


def study_of(config: Config) -> Study:
    """The demonstration of one network, as a study."""
    host = host_called(config.which)
    return Study(
        name="hosts",
        title=host.title,
        about=host.about,
        config=Config,
        measure=host.measure,
        units=host.units,
        quantities=host.quantities,
        judge=host.judge,
        draw=lambda result: host_figure(result, host),
    )


STUDY = Study(
    name="hosts",
    title="Networks with state: what their memory holds",
    about=(
        "Recurrent, spiking, fast-weight, memory and prompt networks, adopted and ablated over time by the same calls "
        "as any other network. --which names one of them: "
        + ", ".join(HOSTS)
        + ". Each is trained on its smallest "
        "task; then units, slots or segments of its memory are ablated, beside as many random ones."
    ),
    config=Config,
    measure=lambda config, seed, report: host_called(config.which).measure(config, seed, report),
    units=lambda config: host_called(config.which).units(config),
    quantities={},
    judge=lambda result: [],
    draw=lambda result: host_figure(result, host_called(result.config.which)),
    variant=study_of,
    choices=HOSTS,
)
