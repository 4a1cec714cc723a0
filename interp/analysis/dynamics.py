"""Single neurons over a training run: when each became periodic, at which frequency, in which phase."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from interp.analysis.trajectory import Trajectory, Watch, trajectory_of
from interp.checkpoints.options import OpenOptions
from interp.data.operations import steps_of
from interp.drawing import present
from interp.errors import CheckpointError, ConfigError
from interp.frames import Tabular
from interp.measuring.arrays import weight_vectors
from interp.output import plain, write_result
from interp.scoring.compositions import reading_order, task_composition
from interp.subject import Subject
from probes.component_shares import amplitudes
from probes.development import Alignment, Development, alignment, development_of, fourier_components
from probes.labels import Criteria
from probes.parts import FREQUENCIES, Parts
from probes.stages import Stage

NUMBERS = ("ipr", "frequency_share", "q_value", "phase_residual", "norm", "strength")
COLUMNS = ("label", "frequency", *NUMBERS)
AXES = {
    "norm": "norm (RMS of what was scored)",
    "strength": "strength (logit units)",
    "phase_residual": "left + right − output (rad)",
    "frequency_share": "variance {within} (share)",
}
MOST_FREQUENCIES = 8


@dataclass(frozen=True, eq=False, repr=False)
class Dynamics(Tabular):
    """Every neuron over the checkpoints of a training run; made by `dynamics_of`.

    Attributes:
        trajectory: Records and stages of the network as a whole.
        steps: Of the checkpoints, ``(checkpoint,)``; indices where the files do not say them.
        columns: `COLUMNS` of `interp.score`, ``(checkpoint, neuron)`` each; nan where not known.
        development: When each neuron became periodic, and its frequencies.
        alignment: How well the periodic neurons' phases obey the rule at each checkpoint.
        site: Hook name of the neurons.
        components: Amplitude and phase residual at every frequency 1, 2, … of the neurons' weights,
            ``(checkpoint, neuron, freq)`` each, in float32; None if neurons have no weights along the task's order. Of
            a group, components stand in place of frequencies, and have no phases.
        parts: What frequencies are numbers of, in words.
    """

    trajectory: Trajectory
    steps: np.ndarray
    columns: Mapping[str, np.ndarray]
    development: Development
    alignment: Alignment
    site: str
    components: tuple[np.ndarray, np.ndarray] | None = None
    parts: Parts = FREQUENCIES

    def __repr__(self) -> str:
        n, periodic = len(self.development), int(self.development.periodic_at_end.sum())
        return f"Dynamics({len(self.steps)} checkpoints; {periodic} of {n} neurons periodic at the end)"

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Stages of the training run; see `probes.stages.find_stages`."""
        return self.trajectory.stages

    @property
    def records(self) -> tuple[dict[str, Any], ...]:
        """One a checkpoint; see `interp.analysis.trajectory.Trajectory`."""
        return self.trajectory.records

    def frame_columns(self) -> dict[str, Any]:
        """Columns of one row a neuron.

        Columns are those of `probes.development.Development` (steps are missing where there is none), then ``label``
        and the numbers of `COLUMNS` at the last checkpoint.
        """
        return self._neurons() | self._whole()

    def _neurons(self) -> dict[str, np.ndarray]:
        last = {name: self.columns[name][-1] for name in ("label", *NUMBERS)}
        return {"neuron": np.arange(len(self.development)), **self.development.columns(), **last}

    def _whole(self) -> dict[str, list[int | None]]:
        """The columns of steps as whole numbers, None where there is none."""
        named = {
            name: values for name, values in self.development.columns().items() if values.dtype.kind == "f"
        }
        return {
            name: [None if np.isnan(v) else int(v) for v in values.tolist()] for name, values in named.items()
        }

    def save(self, path: Path | str) -> Path:
        """Write one row a neuron to ``.parquet`` or ``.csv``, all findings to ``.json``, or a page to ``.html``.

        Raises:
            ConfigError: The suffix is none of these, or the place cannot be written to.
        """
        return write_result(
            path,
            "dynamics",
            columns=self.frame_columns,
            data=self.to_dict,
            page=self.to_html,
        )

    def to_dict(self) -> dict[str, Any]:
        """Steps, records, stages, alignment by checkpoint, and one dictionary a neuron; ready for JSON."""
        columns = plain(self.frame_columns())
        neurons = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return {
            "site": self.site,
            "steps": self.steps.tolist(),
            **self.trajectory.to_dict(),
            "alignment": self.alignment.to_dict(),
            "neurons": neurons,
        }

    def plot(self) -> Any:
        """Every neuron's frequency share over training, those that became periodic first at the bottom."""
        return present("plots.dynamics.neuron_paths_map", self)

    def order(self) -> np.ndarray:
        """Neurons by when they became periodic for good, then by frequency; those that did not last, by final share."""
        share = np.nan_to_num(self.columns["frequency_share"][-1])
        return np.lexsort((-share, self.development.frequency, self.development.became_periodic_after))

    def plot_alignment(self) -> Any:
        """Alignment of the periodic neurons' phases with the rule over training, as a Plotly figure."""
        return present("plots.dynamics.alignment_curve", self)

    def animate(self, y: str = "norm") -> Any:
        """IPR against the norm, or another column, one frame a checkpoint, coloured by label.

        Args:
            y: One of `AXES`.

        Raises:
            ConfigError: It is not.
        """
        if y not in AXES:
            raise ConfigError(f"cannot animate {y!r}; expected one of {', '.join(AXES)}")
        return present("plots.dynamics.animated_scatter", self, y, AXES[y].format(within=self.parts.within))

    def race(self, neuron: int) -> Any:
        """The amplitude of every frequency or component in one neuron's weights over training, as a Plotly figure.

        Raises:
            ConfigError: There is no such neuron, or neurons have no weights along the task's order.
        """
        if not 0 <= neuron < len(self.development):
            raise ConfigError(f"there is no neuron {neuron}; expected 0 to {len(self.development) - 1}")
        if self.components is None:
            raise ConfigError(f"the neurons of {self.site!r} have no weights along the task's order to show")
        return present("plots.dynamics.frequency_race", self, neuron)

    def summary(self) -> list[tuple[str, str]]:
        """The findings as pairs of words."""
        run, n = self.development, len(self.development)
        at_end, ever = run.periodic_at_end, run.periodic.any(0)
        rows = [
            ("checkpoints", f"{len(self.steps)}, step {self.steps[0]} to {self.steps[-1]}"),
            ("neurons", f"{n} ({self.site})"),
            ("periodic at the end", f"{at_end.sum()} of {n}"),
            ("periodic once, but not at the end", f"{(ever & ~at_end).sum()}"),
        ]
        if at_end.any():
            low, middle, high = np.quantile(run.became_periodic_after[at_end], (0.25, 0.5, 0.75))
            rows.append(("periodic for good by step", f"{middle:g} (median; quartiles {low:g} and {high:g})"))
            rows.append((f"{self.parts.plural} at the end", self._parts_at_end()))
        switched = run.switches > 0
        last = f", the last by step {np.nanmax(run.last_switch_after):g}" if switched.any() else ""
        rows.append((f"neurons that switched {self.parts.noun}", f"{switched.sum()}{last}"))
        return rows if self.parts.known else [*rows, ("phase alignment at the end", self._alignment_at_end())]

    def _parts_at_end(self) -> str:
        counts = Counter(self.development.frequency[self.development.periodic_at_end].tolist()).most_common()
        more = f" and {len(counts) - MOST_FREQUENCIES} more" if len(counts) > MOST_FREQUENCIES else ""
        shown = (f"{self.parts.brief(k)} ({count})" for k, count in counts[:MOST_FREQUENCIES])
        return ", ".join(shown) + more

    def _alignment_at_end(self) -> str:
        last = {name: values[-1] for name, values in self.alignment.to_dict().items()}
        if not last["n"]:
            return "no periodic neuron has phases of its own"
        return (
            f"R={last['resultant']:.3f} over {last['n']} neurons, direction {last['direction']:.2f} rad, "
            f"median |residual| {last['median']:.2f} rad, Rayleigh p={last['p_value']:.2g}"
        )

    def to_html(self) -> str:
        """Everything as one HTML page that needs no network."""
        return str(present("report.dynamics.dynamics_page", self))


@dataclass(eq=False)
class _Kept:
    """Columns and Fourier components of each checkpoint, kept while the run is scored."""

    columns: list[dict[str, np.ndarray]] = field(default_factory=list)
    components: list[tuple[np.ndarray, np.ndarray] | None] = field(default_factory=list)
    criteria: Criteria = field(default_factory=Criteria)
    parts: Parts = FREQUENCIES
    site: str = ""
    also: Watch | None = None

    def __call__(self, subject: Subject) -> None:
        table = subject.table
        unknown = np.full(len(table), np.nan)
        kept = {name: np.asarray(table[name], float) if name in table else unknown for name in NUMBERS}
        self.columns.append({"label": table["label"].astype(str), "frequency": table["frequency"], **kept})
        self.components.append(_components(subject))
        self.criteria, self.site, self.parts = subject.criteria, subject.hook, table.parts
        widths = {len(one["label"]) for one in self.columns}
        if len(widths) > 1:
            raise CheckpointError(
                f"the checkpoints have {' and '.join(map(str, sorted(widths)))} neurons at {self.site!r}, so they are "
                "no series of one network"
            )
        if self.also is not None:
            self.also(subject)

    def joined(self) -> dict[str, np.ndarray]:
        """Each column over all checkpoints, ``(checkpoint, neuron)``."""
        return {name: np.stack([one[name] for one in self.columns]) for name in COLUMNS}

    def all_components(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The components over all checkpoints; None if one has none."""
        known = [pair for pair in self.components if pair is not None]
        if len(known) < len(self.components) or len({pair[0].shape for pair in known}) != 1:
            return None
        amplitude, residual = zip(*known, strict=True)
        return np.stack(amplitude), np.stack(residual)


def _components(subject: Subject) -> tuple[np.ndarray, np.ndarray] | None:
    """Amplitudes and phases of the neurons' weights by frequency or component; None where there are none to read."""
    if subject.table.meta["null"]["source"] is None:
        return None
    composition = task_composition(subject.task) if subject.table.parts.known else None
    order = subject.task.ordering if composition is None else reading_order(composition)
    _, vectors = weight_vectors(subject.place, order)
    if len({vector.shape for vector in vectors}) != 1 or vectors[0].shape[1] < 2:
        return None
    if composition is not None:
        amplitude = amplitudes(composition.components, vectors).astype(np.float32)
        return amplitude, np.full_like(amplitude, np.nan)
    amplitude, residual = fourier_components(vectors, steps_of(subject.task.ordering, len(vectors)))
    return amplitude.astype(np.float32), residual.astype(np.float32)


def dynamics_of(
    path: Path | str,
    options: OpenOptions | None = None,
    *,
    site: str | None = None,
    seed: int = 0,
    most: int = 60,
    watch: Watch | None = None,
) -> Dynamics:
    """Follow every neuron over the checkpoints of a training run.

    Assumes that a neuron keeps its index. Neurons count as periodic as they do for their labels.

    Args:
        path: A folder of checkpoints, or a file that holds several.
        options: What the checkpoints do not say of themselves.
        site: Hook name of the neurons; the model's last site if None.
        most: Score at most so many checkpoints, evenly spaced, the first and the last among them.
        watch: Is told of each checkpoint too, first to last.

    Raises:
        CheckpointError: There are fewer than two checkpoints, one cannot be read, or they differ in width.
        HookNameError: There are no neurons at the site.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from interp.data import ModularTask
        >>> from interp.models import MLPConfig
        >>> from interp.training import TrainConfig, train
        >>> config = TrainConfig(steps=4, save_every=2)
        >>> with TemporaryDirectory() as folder:
        ...     _ = train(ModularTask("add", p=7), MLPConfig(width=10), config, out=folder, show_progress=False)
        ...     values = dynamics_of(folder)
        >>> values.steps.tolist(), values.columns["ipr"].shape
        ([0, 2, 4], (3, 10))
    """
    kept = _Kept(also=watch)
    trajectory = trajectory_of(Path(path), options, site=site, seed=seed, most=most, watch=kept)
    if trajectory is None:
        raise CheckpointError(
            f"{str(path)!r} holds fewer than two checkpoints to compare; give the folder of a training run that saved "
            "several, and at least 2 as the most to score"
        )
    steps = np.array([record["step"] for record in trajectory.records])
    columns = kept.joined()
    q, share, frequency = (columns[name] for name in ("q_value", "frequency_share", "frequency"))
    development = development_of(steps, q, share, frequency, kept.criteria)
    aligned = alignment(columns["phase_residual"], development.periodic)
    return Dynamics(
        trajectory, steps, columns, development, aligned, kept.site, kept.all_components(), kept.parts
    )
