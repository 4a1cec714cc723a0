"""Memory in use does not grow with the number of sequences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import resource, sys
import numpy as np
from interp.language.memory import memory_of
from interp.language.opening import open_language_model
from interp.language.sequences import token_sequences
from interp.language.settings import LanguageSettings
from interp.language.small import small_language_model
n = int(sys.argv[1])
model = open_language_model(small_language_model(20_000, d_model=64))
ids = np.random.default_rng(0).integers(0, 20_000, (n, 40))
half = n // 2
rows = token_sequences(ids, split=["trained"] * half + ["control"] * (n - half))
memory_of(model, rows, LanguageSettings(generate=False))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_peak_memory_is_flat_from_ten_to_a_thousand_sequences() -> None:
    """Acceptance 6 of memory in language models: in processes of their own, within 10 %."""
    peaks = []
    for n in (10, 1000):
        command = [sys.executable, "-c", SCRIPT, str(n)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
        )
        peaks.append(int(done.stdout))
    assert peaks[1] <= 1.1 * peaks[0]
