"""The sentences of the study of side memories."""

from __future__ import annotations

from interp.lab.side_memory.arms import ARMS
from interp.lab.study import StudyResult


def findings(result: StudyResult) -> list[str]:
    return []
