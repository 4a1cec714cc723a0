"""The acceptance of the room on a pretrained model: thirty texts, memory and time, edits that reopen elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from language_models import real_model

from interp.language.edits import gates_without, save_language_model
from interp.language.gates import gated
from interp.language.opening import open_language_model
from interp.language.reading import read_sequences
from interp.language.texts import TEXTS_FILE
from interp.language.token_scores import token_scores

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
GIB = 2**30

AUDIT = """
import json, resource, sys, time
from interp.language.audit import audit_language
from interp.language.settings import LanguageSettings
report = audit_language(sys.argv[1], sys.argv[2], settings=LanguageSettings(locate=False))
peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"peak": peak, "verdict": report.memory["verdict"].tolist(), "nll": report.memory["nll"].tolist()}))
"""


def test_invented_texts_are_not_memorised_and_memory_stays_small() -> None:
    command = [sys.executable, "-c", AUDIT, str(real_model()), str(TEXTS_FILE)]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    famous, invented = result["verdict"][:15], result["verdict"][15:]
    assert "memorised" not in invented
    assert "above controls" not in invented
    assert famous.count("memorised") >= 2
    assert famous.count("memorised") + famous.count("above controls") >= 7
    assert max(result["nll"][:8]) < min(result["nll"][15:]) + 0.5
    assert result["peak"] < 3 * GIB


def test_hooks_and_edited_weights_agree_and_the_checkpoint_reopens(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = open_language_model(real_model())
    sequences = read_sequences(TEXTS_FILE, model.tokenizer).take(range(3))
    chosen = np.random.default_rng(0).choice(len(model.units()), 230, replace=False)
    gates = gates_without(model, chosen) | gates_without(model, [4, 100], kind="heads")
    with gated(model, gates):
        before = token_scores(model, sequences, whole=False)
        ids = torch.from_numpy(sequences.ids[0])[None]
        with torch.no_grad():
            hooked = model.logits(model.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))
    folder = save_language_model(model, tmp_path / "edited", gates)
    del model
    with torch.no_grad():
        loaded = AutoModelForCausalLM.from_pretrained(folder)(ids).logits
    assert float((hooked - loaded).abs().max()) < 1e-4 * float(hooked.abs().max())
    again = open_language_model(folder)
    texts = read_sequences(TEXTS_FILE, again.tokenizer).take(range(3))
    after = token_scores(again, texts, whole=False)
    assert np.concatenate(after.logprob) == pytest.approx(np.concatenate(before.logprob), abs=1e-4)
