"""The tensor of affinities: planted groups that come and go are its components."""

from __future__ import annotations

import numpy as np
import pytest

from probes import affinity_tensor as probe
from probes.affinity_tensor import affinity_tensor, factorise, factorise_by_rank

GROUPS = np.repeat([0, 1, 2], [6, 5, 4])
COURSES = np.array([[0.0, 0.2, 0.9, 0.9], [0.8, 0.8, 0.1, 0.0], [0.5, 0.1, 0.1, 0.5]])


def members(k: int) -> np.ndarray:
    """Mask of a group's neurons."""
    return np.equal(GROUPS, k)


def planted(noise: float, seed: int) -> np.ndarray:
    """Three groups, each with a time course, and a little symmetric noise."""
    generator, slices = np.random.default_rng(seed), []
    for time in range(4):
        one = sum(COURSES[k, time] * np.outer(members(k), members(k)) for k in range(3))
        extra = noise * generator.random((15, 15))
        one = one + (extra + extra.T) / 2
        np.fill_diagonal(one, 0)
        slices.append(one)
    return affinity_tensor(slices)


def test_the_diagonal_is_a_neurons_largest_affinity() -> None:
    generator = np.random.default_rng(0)
    slices = [generator.random((4, 4)) for _ in range(2)]
    tensor = affinity_tensor(slices)
    for time, one in enumerate(slices):
        for i in range(4):
            assert tensor[i, i, time] == max(one[i, j] for j in range(4) if j != i)
    np.testing.assert_array_equal(tensor[0, 1], [one[0, 1] for one in slices])


def test_components_are_the_groups_with_their_time_courses() -> None:
    factors = factorise_by_rank(planted(0.05, 1), planted(0.05, 2))
    assert factors.rank == 4  # of 2, 4, 8 …: three groups
    three = factorise(planted(0.05, 1), planted(0.05, 2), 3)
    strongest = three.strongest()
    assert len(set(strongest.tolist())) == 3
    for k in range(3):
        (component,) = set(strongest[members(k)].tolist())
        course = three.course[:, component]
        assert np.corrcoef(course, COURSES[k])[0, 1] > 0.99
    np.testing.assert_allclose(np.linalg.norm(three.membership, axis=0), 1)
    assert three.asymmetry < 0.05
    assert 0.95 < three.held_out <= 1


def test_the_explained_share_is_that_of_a_loop() -> None:
    tensor, other = planted(0.3, 3), planted(0.3, 4)
    factors = factorise(tensor, other, 3)
    for given, share in ((tensor, factors.explained), (other, factors.held_out)):
        left = 0.0
        for time in range(4):
            fitted = sum(
                factors.course[time, c] * np.outer(factors.membership[:, c], factors.membership[:, c])
                for c in range(3)
            )
            left += np.square(given[:, :, time] - fitted).sum()
        assert share == pytest.approx(
            1 - left / np.square(given).sum(), abs=0.01
        )  # memberships are nearly one


def test_noise_that_other_examples_do_not_share_adds_no_components(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "RANKS", (1, 3, 6, 12))
    factors = factorise_by_rank(planted(0.1, 5), planted(0.1, 6))
    assert factors.rank == 3
    assert factors.held_out < factors.explained


@pytest.mark.parametrize("rank", [0, -1])
def test_wrong_input_is_refused(rank: int) -> None:
    tensor = planted(0.1, 7)
    with pytest.raises(ValueError, match="a rank of 1 or more"):
        factorise(tensor, tensor, rank)
    with pytest.raises(ValueError, match="no negative affinity"):
        factorise(tensor, -tensor, 2)
