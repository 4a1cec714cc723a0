"""Responses outside a domain against a loop, and thresholds and random sets."""

from __future__ import annotations

import numpy as np

from probes.hyperactive import hyperactive, responses_outside, silenced_at_random, thresholds


def test_responses_are_a_loop_over_examples() -> None:
    generator = np.random.default_rng(0)
    acts, module, domain = (
        generator.standard_normal((40, 12)),
        generator.integers(3, size=12),
        generator.integers(3, size=40),
    )
    for level in (0.0, 0.7):
        expected = [sum(acts[i, j] > level and domain[i] != module[j] for i in range(40)) for j in range(12)]
        assert responses_outside(acts, module, domain, level).tolist() == expected


def test_thresholds_silence_from_all_to_none() -> None:
    count = np.random.default_rng(0).integers(100, size=60)
    for points in (2, 8, 500):
        tried = thresholds(count, points)
        silenced = [int(hyperactive(count, one).sum()) for one in tried]
        assert silenced[0] == 60
        assert silenced[-1] == 0
        assert silenced == sorted(silenced, reverse=True)
        assert len(set(silenced)) == len(tried) <= max(points, 2)


def test_random_sets_are_as_large_in_every_module_and_differ() -> None:
    generator = np.random.default_rng(0)
    module = generator.integers(4, size=80)
    silent = (generator.random(80) < 0.3) & (module != 2)
    draws = np.stack([silenced_at_random(silent, module, generator) for _ in range(200)])
    for one in range(4):
        own = module == one
        assert (draws[:, own].sum(1) == silent[own].sum()).all()
        share = silent[own].mean()
        assert np.abs(draws[:, own].mean(0) - share).max() < 0.15
