"""Evidence on all neurons, worked out in threads."""

from __future__ import annotations

import numpy as np
import pytest

from interp.data import ModularTask
from interp.measuring.cached_pass import cached_pass
from interp.models import planted_mlp
from interp.scoring import evidence


def test_no_thread_counts_the_examples_again(monkeypatch: pytest.MonkeyPatch) -> None:
    task = ModularTask("add", p=11, train_fraction=0.6, corrupt_fraction=0.3)
    cached = cached_pass(planted_mlp(task).model, task)
    asked, own, known = [evidence.questions_of(cached)], evidence.shared, []

    def shared(work: object) -> int:
        known.extend(set(vars(examples)) for one in asked for examples in one.memory.values())
        return own(work)

    monkeypatch.setattr(evidence, "shared", shared)
    (found,) = evidence.linear_evidence(cached, asked, seed=0)
    assert len(known) == 2
    assert all({"counts", "sizes", "trained_rows", "held_out_rows"} <= names for names in known)
    assert np.isfinite(found.rule.effect).all()
