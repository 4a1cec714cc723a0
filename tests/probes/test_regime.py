"""Measures of rich and lazy learning against loops and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from probes.regime import effective_rank, gram, kernel_alignment, relative_change, sign_similarity


def test_changes_are_those_of_loops() -> None:
    generator = np.random.default_rng(0)
    before = [generator.normal(size=(3, 4)).astype(np.float32), generator.normal(size=5)]
    after = [one + generator.normal(size=one.shape) for one in before]
    change = start = same = n = 0.0
    for old, new in zip(before, after, strict=True):
        for a, b in zip(old.ravel().tolist(), new.ravel().tolist(), strict=True):
            change, start, same, n = change + (b - a) ** 2, start + a**2, same + (a * b > 0), n + 1
    assert relative_change(before, after) == pytest.approx((change / start) ** 0.5)
    assert sign_similarity(before, after) == same / n
    assert relative_change(before, before) == 0
    assert sign_similarity(before, [-one for one in before]) == 0
    assert sign_similarity([np.array([1.0, 0.0])], [np.array([0.0, 1.0])]) == 0
    nothing = [np.zeros(3)]
    assert np.isnan([relative_change(nothing, nothing), sign_similarity(nothing, nothing)]).all()
    with pytest.raises(ValueError, match="expected those of one network"):
        relative_change(before, before[:1])


def test_alignment_is_centred_kernel_alignment() -> None:
    generator = np.random.default_rng(0)
    n, first, second = 12, generator.normal(size=(12, 5)) + 2, generator.normal(size=(12, 7)) + 2
    centre = np.eye(n) - 1 / n
    for matrix in (np.eye(n), centre):
        one, other = (matrix @ gram(acts) @ matrix for acts in (first, second))
        expected = np.trace(one @ other) / np.sqrt(np.trace(one @ one) * np.trace(other @ other))
        assert kernel_alignment(gram(first), gram(second), centred=matrix is centre) == pytest.approx(
            expected
        )
    # as a sum over pairs of features: Kornblith and others 2019, equation of linear CKA
    a, b = first - first.mean(0), second - second.mean(0)
    cross = sum((a[:, i] @ b[:, j]) ** 2 for i in range(5) for j in range(7))
    sizes = [
        np.sqrt(sum((x[:, i] @ x[:, j]) ** 2 for i in range(x.shape[1]) for j in range(x.shape[1])))
        for x in (a, b)
    ]
    assert kernel_alignment(gram(first), gram(second)) == pytest.approx(cross / np.prod(sizes))
    assert (
        kernel_alignment(gram(first), gram(second), centred=False)
        > 0.8
        > kernel_alignment(gram(first), gram(second))
    )


def test_what_has_no_alignment_is_nan() -> None:
    same = np.full((4, 4), 2.0)
    assert np.isnan(kernel_alignment(same, same))
    assert kernel_alignment(same, same, centred=False) == pytest.approx(1)
    assert np.isnan(kernel_alignment(np.zeros((4, 4)), same, centred=False))


def test_effective_rank_counts_equal_singular_values() -> None:
    generator = np.random.default_rng(0)
    left, right = (np.linalg.qr(generator.normal(size=(20, 20)))[0] for _ in range(2))
    for rank in (1, 4, 20):
        assert effective_rank(left[:, :rank] @ right[:rank] * 7) == pytest.approx(rank)
    shares = np.array([0.5, 0.25, 0.25])
    assert effective_rank(np.diag(shares * 9)) == pytest.approx(np.exp(0.5 * np.log(2) + 0.5 * np.log(4)))
    assert np.isnan(effective_rank(np.zeros((2, 2))))
