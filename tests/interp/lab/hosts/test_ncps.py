"""The closed-form cell: elapsed time enters the gates only, and units that follow it are recognised."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("ncps")
from by_hand import ncps as by_hand

from interp.interventions import ablate
from interp.lab.hosts.networks.ncps import (
    EDGES,
    GATE,
    HOST,
    MARKED,
    RATE,
    STEPS,
    build,
    draw,
    draw_at,
    elapsed,
    example,
    following,
)


def test_the_forward_pass_is_that_by_hand() -> None:
    module = build(0)
    logits = by_hand.forward(module, example(), lambda site, step, value: value)
    with torch.no_grad():
        assert torch.equal(module(example()), logits)


@pytest.mark.parametrize("site", HOST.sites)
def test_units_at_zero_are_edited_weights(site: str) -> None:
    adopted, edited = HOST.adopted(), by_hand.without(build(0), site, [1, 4])
    with ablate(adopted, [1, 4], "zero", site=site), torch.no_grad():
        assert torch.allclose(adopted(example()), edited(example()), atol=1e-6)


def test_without_rates_the_time_between_steps_makes_no_difference() -> None:
    adopted, inputs = HOST.adopted(), example()
    slower = inputs.clone()
    slower[..., 2] *= 3.0
    with torch.no_grad():
        assert not torch.allclose(adopted(inputs), adopted(slower), atol=1e-4)
        with ablate(adopted, range(6), "zero", site=RATE):
            assert torch.equal(adopted(inputs), adopted(slower))
        with ablate(adopted, range(6), "zero", site=GATE):
            assert torch.equal(adopted(inputs), adopted(slower))


def test_labels_are_the_classes_of_time_since_the_mark() -> None:
    inputs, labels = draw(50, torch.Generator().manual_seed(0))
    for one, times, label in zip(inputs.numpy(), elapsed(inputs).numpy(), labels.tolist(), strict=True):
        mark = int(np.flatnonzero(one[:, 0])[0])
        assert times[: mark + 1].tolist() == [0.0] * (mark + 1)
        assert times[-1] == pytest.approx(one[mark + 1 :, 2].sum(), rel=1e-4)
        assert label == sum(times[-1] > edge for edge in EDGES)


def test_a_unit_that_follows_time_is_recognised_and_one_that_counts_steps_is_not() -> None:
    inputs, _ = draw_at(200, torch.Generator().manual_seed(0))
    times = elapsed(inputs)
    noise = 0.01 * torch.randn(200, STEPS, generator=torch.Generator().manual_seed(1))
    values = torch.stack([-2.0 * times, torch.arange(float(STEPS)) + noise], -1)
    assert following(values, times) == pytest.approx([1.0, 0.0], abs=0.12)
    assert inputs[:, MARKED, 0].min() == 1.0
