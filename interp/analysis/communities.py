"""Communities of neurons that are active together, in one network or over the checkpoints of a training run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from interp.analysis.community_records import Communities, NeuronCommunities
from interp.checkpoints import Checkpoint
from interp.checkpoints.files import number_of
from interp.checkpoints.open import load_checkpoint, load_series
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.series import series_files
from interp.data import Task
from interp.errors import ConfigError, choose
from interp.measuring.arrays import as_array
from interp.progress import progress
from interp.subject import Network, Subject, subject_of
from probes.communities import (
    AFFINITIES,
    Agreement,
    affinity_of,
    agreement,
    dealt_modularity,
    link_threshold,
    linked,
    modularity,
    null_affinities,
    partition,
    token_grid,
)

MOST_EXAMPLES = 4_000
"""Of more examples so many are drawn."""
DEALT = 39
"""Draws in which affinities are dealt anew."""
FEWEST = 5
"""Generalizing neurons, of two frequencies at least, that communities are compared with."""


def communities(
    source: Network | Path | str,
    task: Task | None = None,
    *,
    options: OpenOptions | None = None,
    site: str | None = None,
    affinity: str = "squared",
    draws: int = 19,
    most: int = 20,
    seed: int | None = None,
) -> Communities:
    """Group the neurons that are active together, and compare the groups with the frequencies of the task.

    Pairs of neurons are linked where their squared correlation over the examples is above that of independent neurons,
    at a false-discovery rate of 5 %. The draws of these change nothing of a single neuron: the values of the operands
    are permuted for each neuron, or the examples where these are no full table of operands. Communities are the
    partition of greatest modularity. Its p-value is against the same affinities dealt to other pairs; the adjusted Rand
    index with the frequencies of generalizing neurons, which are read from weights and no affinity, is against shuffled
    frequencies. The idea, affinities over time and communities in them, is that of dynamic functional connectomes; the
    nulls are this project's.

    Of few tokens, the correlations of independent neurons are high by chance, and few pairs can be told from them: of
    200 neurons trained modulo 53 two thirds to three quarters are linked, modulo 23 far fewer.

    A link says that two neurons respond alike, not that they work together: on examples that are no full table, and
    behind an embedding of fewer dimensions than operands have values, neurons also respond alike because inputs
    resemble each other, in networks of random weights too.

    Args:
        source: A hooked model with its task, a checkpoint, a `Subject`, or a path: of a folder, every checkpoint.
        task: A task; a checkpoint's own if None.
        options: Of a path, what the checkpoints do not say of themselves.
        site: Hook name of the neurons; the model's last site if None.
        affinity: One of `probes.communities.AFFINITIES`.
        draws: Of independent neurons; with fewer than 19 a single link cannot be told from chance.
        most: Of a series, open at most so many checkpoints, evenly spaced.
        seed: Of all draws, and of the partition; a subject's own if None.

    Raises:
        ConfigError: The affinity is unknown, a number is out of range, or a path is given with a task.
        CheckpointError: A file cannot be read. HookNameError: there are no neurons at the site.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> result = communities(analytic_mlp("add", p=47, width=120), ModularTask("add", p=47))
        >>> result.community.shape, result.last.agreement.ari > 0.9, result.last.agreement.p_value
        ((120,), True, 0.005)
    """
    choose("affinity", affinity, AFFINITIES)
    if draws < 1 or most < 1:
        raise ConfigError(f"draws={draws} and most={most}; expected 1 or more of each")
    networks: list[NeuronCommunities] = []
    last = 0
    for subject in _subjects(source, task, options, site, most, seed):
        networks.append(communities_of(subject, affinity, draws))
        last = subject.seed
    return joined(networks, affinity, last)


def joined(networks: Sequence[NeuronCommunities], affinity: str, seed: int) -> Communities:
    """Networks of one run as a result: each compared with the last one's frequencies too.

    Raises:
        ConfigError: They have different numbers of neurons, or their steps do not rise.
    """
    widths = list(dict.fromkeys(len(one.community) for one in networks))
    if len(widths) > 1:
        raise ConfigError(
            f"the checkpoints have {' and '.join(map(str, widths))} neurons, so they are no series of one network; "
            "give the folder of one run"
        )
    steps = [one.step for one in networks]
    if len(networks) > 1 and not all(a is not None and b is not None and a < b for a, b in pairwise(steps)):
        raise ConfigError(f"the checkpoints' steps {steps} do not rise; give the folder of one run")
    last = networks[-1]
    earlier = (_tested(one.community, last.frequency, seed)[0] for one in networks[:-1])
    return Communities(tuple(networks), (*earlier, last.agreement), affinity)


def _subjects(
    source: Network | Path | str,
    task: Task | None,
    options: OpenOptions | None,
    site: str | None,
    most: int,
    seed: int | None,
) -> Iterator[Subject]:
    """The networks that a source means, first to last."""
    if not isinstance(source, (str, Path)):
        if options is not None:
            raise ConfigError("options say how a path is opened; leave them out with a network in memory")
        yield subject_of(source, task, site=site, seed=seed)
        return
    if task is not None:
        raise ConfigError("a checkpoint says its own task; name another in options, and leave the task out")
    path = Path(source)
    files = series_files(path, options.weights if options else None) if path.is_dir() else []
    if len(files) < 2 or most < 2:
        yield subject_of(load_checkpoint(path, options), site=site, seed=seed)
        return
    with progress("communities", min(most, len(files))) as report:
        for done, checkpoint in enumerate(load_series(path, options, most=most), 1):
            yield subject_of(checkpoint, site=site, seed=seed)
            report(done)


def step_of(checkpoint: Checkpoint) -> int | None:
    """The step of a checkpoint: its own, or the number that its file's name ends in."""
    path = checkpoint.path
    return number_of(path) if checkpoint.step is None and path is not None else checkpoint.step


def communities_of(subject: Subject, kind: str = "squared", draws: int = 19) -> NeuronCommunities:
    """Communities of one network's neurons; see `communities` for the arguments."""
    generator = np.random.default_rng(subject.seed)
    acts, grid, rows = sampled_activations(subject, generator)
    null = null_affinities(acts, draws, generator, kind=kind, grid=grid, rows=rows)
    every = affinity_of(acts if rows is None else acts[rows], kind)
    threshold = link_threshold(every, null, draws)
    affinity = linked(every, threshold)
    community = partition(affinity, subject.seed)
    frequency, reason = _frequencies(subject)
    test, few = _tested(community, frequency, subject.seed)
    return NeuronCommunities(
        community,
        affinity,
        threshold,
        modularity(affinity, community),
        dealt_modularity(affinity, DEALT, generator),
        frequency,
        test,
        reason or few,
        step_of(subject.source),
        subject.held_out_accuracy,
        len(acts) if rows is None else len(rows),
        subject.hook,
        len(subject.data) > MOST_EXAMPLES,
    )


def sampled_activations(
    subject: Subject, generator: np.random.Generator
) -> tuple[
    Float[np.ndarray, "example neuron"],
    Int[np.ndarray, "example token"] | None,
    Int[np.ndarray, " row"] | None,
]:
    """Activations in float32, the examples' places in a full table of operands, and the rows to use; None: all.

    Without a full table, the rows are drawn at once, so that activations that are not held are computed for these only.
    """
    inputs, n = subject.data.inputs, len(subject.data)
    grid = None
    if inputs.ndim == 2 and not inputs.is_floating_point():
        grid = token_grid(as_array(inputs).astype(np.int64))
    rows = np.sort(generator.permutation(n)[:MOST_EXAMPLES]) if n > MOST_EXAMPLES else None
    activations = subject.cached.activations
    if rows is not None and grid is None:
        return as_array(activations[torch.from_numpy(rows)]).astype(np.float32), None, None
    return as_array(activations[:]).astype(np.float32), grid, rows


def _frequencies(subject: Subject) -> tuple[Int[np.ndarray, " neuron"], str]:
    """The frequency of each generalizing neuron, -1 of others; and a reason where the task has none."""
    table = subject.table
    if table.meta["null"]["source"] is None or "frequency" not in table:
        return np.full(len(table), -1), "the task has no ordering that frequencies could be read in"
    frequency = np.asarray(table["frequency"]).astype(int)
    return np.where((table["label"] == "generalizing") & (frequency > 0), frequency, -1), ""


def _tested(
    community: Int[np.ndarray, " neuron"], frequency: Int[np.ndarray, " neuron"], seed: int
) -> tuple[Agreement | None, str]:
    """Agreement of the generalizing neurons' communities with their frequencies, or a reason why there is none."""
    chosen = frequency >= 0
    n, kinds = int(chosen.sum()), len(np.unique(frequency[chosen]))
    if n < FEWEST or kinds < 2:
        words = f"{n} neurons are generalizing, of {kinds} frequencies; it takes {FEWEST} and 2"
        return None, words
    return agreement(community[chosen], frequency[chosen], np.random.default_rng(seed)), ""
