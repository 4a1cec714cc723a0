"""Hyperactive neurons of an ensemble whose networks each know a part of the classes, and accuracy without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.drawing import Drawable
from interp.errors import ConfigError
from interp.hooks import device_of, evaluation_mode
from interp.markup import number, percentage
from interp.measuring.band import INTERVAL, Band
from interp.models import HookedModel, Prefix, neuron_site, prefix_at
from interp.output import plain
from probes.hyperactive import hyperactive as is_hyperactive
from probes.hyperactive import responses_outside, silenced_at_random, thresholds

Examples = tuple[Tensor, Tensor]
"""Inputs ``(example, …)`` and their classes ``(example,)``."""


@dataclass(frozen=True, eq=False)
class Hyperactive(Drawable):
    """Accuracies of an ensemble whose neurons with many responses outside their module's domain are silenced.

    Attributes:
        module: The network of each neuron; neurons are numbered over all networks, in their order.
        count: Calibration examples outside its module's domain that each neuron responds to.
        outside: Share of the calibration examples outside its module's domain that each responds to, in [0, 1].
        threshold: Counts from which neurons are silenced, increasing; the last, infinity, silences none.
        silenced: Share of the neurons that each threshold silences.
        calibration, test: Accuracy at each threshold.
        random: Test accuracy at each threshold with as many random neurons of each network silenced.
        chosen: Index of the threshold with the highest calibration accuracy; of several the one that silences least.
    """

    figure = "plots.bricks.hyperactive"
    module: Int[np.ndarray, " neuron"]
    count: Int[np.ndarray, " neuron"]
    outside: Float[np.ndarray, " neuron"]
    threshold: Float[np.ndarray, " threshold"]
    silenced: Float[np.ndarray, " threshold"]
    calibration: Float[np.ndarray, " threshold"]
    test: Float[np.ndarray, " threshold"]
    random: Float[np.ndarray, "draw threshold"]
    chosen: int

    def __repr__(self) -> str:
        return f"Hyperactive({int(self.silent.sum())} of {len(self.count):,} neurons)"

    @property
    def silent(self) -> Any:
        """Mask of the neurons that the chosen threshold silences, ``(neuron,)``."""
        return is_hyperactive(self.count, float(self.threshold[self.chosen]))

    @property
    def interior(self) -> bool:
        """True if the chosen threshold silences some neurons, but not all."""
        return 0 < self.chosen < len(self.threshold) - 1

    @property
    def gain(self) -> float:
        """Test accuracy at the chosen threshold above that of the unchanged ensemble."""
        return float(self.test[self.chosen] - self.test[-1])

    @property
    def gain_over_random(self) -> float:
        """Test accuracy at the chosen threshold above the mean of random neurons."""
        return float(self.test[self.chosen] - self.random[:, self.chosen].mean())

    def sentence(self) -> str:
        """The finding in words."""
        if self.chosen == len(self.threshold) - 1:
            best = float(self.test[:-1].max())
            return (
                f"Calibration chooses to silence none of the neurons: {percentage(float(self.test[-1]))} of the test "
                f"examples are right (at best {percentage(best)} at any other threshold)."
            )
        band = Band.of(list(self.random[:, self.chosen]))
        assert band is not None
        tested, unchanged = percentage(float(self.test[self.chosen])), percentage(float(self.test[-1]))
        return (
            f"Calibration chooses to silence neurons with {number(float(self.threshold[self.chosen]), 4)} responses or "
            f"more outside their domain ({percentage(float(self.silenced[self.chosen]))} of all): {tested} of the test "
            f"examples are right, {unchanged} unchanged, {percentage(band.mean)} with as many random neurons silenced "
            f"({INTERVAL} of draws: {percentage(band.low)} to {percentage(band.high)})."
        )

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON; the last threshold, infinity, is None."""
        names = ("interior", "gain", "gain_over_random")
        return plain(vars(self) | {name: getattr(self, name) for name in names})


@dataclass(frozen=True, eq=False)
class _Ensemble:
    """Networks whose outputs are logits of classes of their own, beside each other."""

    networks: Sequence[HookedModel]
    classes: Sequence[Int[Tensor, " _own"]]
    sites: Sequence[str]

    def prefixes(self, inputs: Tensor) -> list[Prefix]:
        """Each network's pass as far as its site."""
        result = []
        for network, site in zip(self.networks, self.sites, strict=True):
            with evaluation_mode(network):
                result.append(prefix_at(network, site, inputs.to(device_of(network))))
        return result

    def correct(
        self, prefixes: Sequence[Prefix], labels: Int[Tensor, " example"], silent: Bool[np.ndarray, " neuron"]
    ) -> float:
        """Accuracy without some neurons; those of all networks are numbered on."""
        logits = torch.full((len(labels), 1 + max(int(own.max()) for own in self.classes)), -torch.inf)
        first = 0
        for network, prefix, own in zip(self.networks, prefixes, self.classes, strict=True):
            width = prefix.activations.shape[-1]
            kept = torch.as_tensor(~silent[first : first + width]).to(prefix.activations)
            with evaluation_mode(network):
                answers = prefix.logits(prefix.activations * kept).cpu().float()
            if answers.shape[1] != len(own):
                raise ConfigError(
                    f"a network has {answers.shape[1]} outputs, but {len(own)} classes; name each one's"
                )
            if not answers.isfinite().all():
                raise ConfigError("a network's logits hold NaN or infinity: its weights are damaged")
            logits[:, own] = answers
            first += width
        return float((logits.argmax(1) == labels).double().mean())


def hyperactive(
    networks: Sequence[HookedModel],
    classes: Sequence[Any],
    calibration: Examples,
    test: Examples,
    *,
    site: str | None = None,
    level: float = 0.0,
    points: int = 31,
    n_random: int = 20,
    seed: int = 0,
) -> Hyperactive:
    """Silence the neurons of an ensemble that respond to examples of other networks' classes (arXiv 2209.08723).

    Every network knows some of the classes, its domain; the ensemble answers the class of the largest of all logits.
    A network was never asked about other classes, so that its neurons may answer to them as well. Responses are counted
    on calibration examples; the threshold is chosen by their accuracy, and measured on test examples beside as many
    random neurons.

    Args:
        networks: Hooked models; left unchanged.
        classes: The classes of each network's outputs, in order; each class is one network's.
        calibration: Inputs and classes that were not trained on; counts and the threshold rest on them.
        test: Inputs and classes that nothing was chosen by.
        site: Hook name of the neurons; every network's last site if None.
        level: A response is an activation above it; 0 counts active rectified neurons, and spikes.
        points: Thresholds that are tried, at most.
        n_random: Draws of random neurons.
        seed: Of these.

    Raises:
        ConfigError: The classes do not fit the networks or the examples, or a number is out of range. HookNameError:
            there are no neurons at the site.

    Example:
        >>> from interp.models import HookedMLP, MLPConfig
        >>> networks = [HookedMLP(MLPConfig(width=6), vocab=4) for _ in range(2)]
        >>> pairs, classes = torch.cartesian_prod(torch.arange(4), torch.arange(4)), torch.arange(16) % 8
        >>> result = hyperactive(networks, [range(4), range(4, 8)], (pairs, classes), (pairs, classes))
        >>> len(result.count), float(result.threshold[-1])
        (12, inf)
    """
    if n_random < 1 or points < 2 or np.isnan(level):
        raise ConfigError(
            f"n_random={n_random}, points={points}, level={level}; expected at least 1 draw, 2 thresholds, and a number"
        )
    for name, given in (("calibration", calibration), ("test", test)):
        _check_examples(name, given)
    own = _checked_classes(networks, classes, calibration[1], test[1])
    return _measured(networks, own, (calibration, test), site, level, (points, n_random, seed))


def _measured(
    networks: Sequence[HookedModel],
    own: list[Int[Tensor, " _own"]],
    examples: tuple[Examples, Examples],
    site: str | None,
    level: float,
    settings: tuple[int, int, int],
) -> Hyperactive:
    """Counts on the calibration examples, and the curve of thresholds; settings are those of `_curve` and a seed."""
    points, n_random, seed = settings
    ensemble = _Ensemble(networks, own, [neuron_site(one, site).hook for one in networks])
    domain_of = np.zeros(1 + max(int(one.max()) for one in own), dtype=np.int64)
    for network, one in enumerate(own):
        domain_of[one.numpy()] = network
    passes = []
    for inputs, labels in examples:
        if len(inputs) != len(labels) or not len(labels):
            raise ConfigError(
                f"{len(inputs)} inputs with {len(labels)} classes; expected one class each, at least one"
            )
        passes.append((ensemble.prefixes(inputs), labels.cpu()))
    acts = [
        prefix.activations.flatten(1, -2).mean(1) if prefix.activations.ndim > 2 else prefix.activations
        for prefix in passes[0][0]
    ]
    module = np.repeat(np.arange(len(acts)), [one.shape[1] for one in acts]).astype(np.int64)
    domain = domain_of[passes[0][1].numpy()]
    count = responses_outside(
        torch.cat([one.double().cpu() for one in acts], 1).numpy(), module, domain, level
    )
    strangers = np.array([(domain != one).sum() for one in range(len(networks))])
    curve = _curve(ensemble, passes, module, count, points, n_random, np.random.default_rng(seed))
    return Hyperactive(module, count, count / np.maximum(strangers[module], 1), *curve)


def _curve(
    ensemble: _Ensemble,
    passes: list[tuple[list[Prefix], Tensor]],
    module: np.ndarray,
    count: np.ndarray,
    points: int,
    n_random: int,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Thresholds, shares that they silence, accuracies, those of random neurons, and the index that is chosen."""
    tried = thresholds(count, points)
    masks = [is_hyperactive(count, float(one)) for one in tried]
    measured = np.array([[ensemble.correct(*one, mask) for mask in masks] for one in passes])
    random = np.array(
        [
            [ensemble.correct(*passes[1], silenced_at_random(mask, module, generator)) for mask in masks]
            for _ in range(n_random)
        ]
    )
    chosen = len(tried) - 1 - int(measured[0][::-1].argmax())
    return tried, np.array([mask.mean() for mask in masks]), measured[0], measured[1], random, chosen


def _check_examples(name: str, given: tuple[Any, Any]) -> None:
    kinds = [str(one.dtype) if isinstance(one, Tensor) else type(one).__name__ for one in given]
    if len(given) != 2 or not all(isinstance(one, Tensor) for one in given) or given[1].is_floating_point():
        raise ConfigError(
            f"{name} holds {', '.join(kinds)}; expected a tensor of inputs and one of classes, as whole numbers"
        )


def _checked_classes(
    networks: Sequence[HookedModel], classes: Sequence[Any], *labels: Int[Tensor, " _example"]
) -> list[Int[Tensor, " _own"]]:
    own = [torch.as_tensor(np.asarray(list(one), dtype=np.int64)) for one in classes]
    every = torch.cat(own) if own else torch.zeros(0, dtype=torch.long)
    if len(own) != len(networks) or len(own) < 2 or any(not len(one) for one in own):
        raise ConfigError(
            f"{len(networks)} networks and classes of {len(own)}; expected the classes of 2 or more each"
        )
    if len(every.unique()) < len(every) or int(every.min()) < 0:
        raise ConfigError("a class is two networks', or below 0; give each class to one network")
    for one in labels:
        missing = sorted(set(one.tolist()) - set(every.tolist()))
        if missing:
            raise ConfigError(
                f"no network has the class {missing[0]}; leave its examples out, or add it to classes"
            )
    return own
