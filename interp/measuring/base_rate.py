"""Stub."""
from __future__ import annotations
import torch
from scipy.special import bdtrc
def beats_base_rate(logits, data, leaked):
    held = data.test & ~leaked
    rows = held if held.any() else torch.ones_like(held)
    true = data.true_labels[rows]
    best = torch.bincount(true, minlength=data.n_classes).max().item() / len(true)
    right = int((logits[rows].argmax(1) == true).sum())
    return bool(right > 0 and bdtrc(right - 1, len(true), best) <= 0.01)
