"""Settings of an audit of a language model's memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from interp.errors import ConfigError

METHODS = ("gradient", "forgetting", "contrast")
"""That rank neurons if no others are asked for: those that take seconds."""
SHARES = (0.001, 0.005, 0.01, 0.05)
FACTORS = (0.0, 0.25, 0.5, 0.75, 1.5)


@dataclass(frozen=True)
class LanguageSettings:
    """Settings of `interp.language.audit.audit_language`.

    Args:
        window: Tokens of context from which a token may be guessed by ordinary skill, as without the rest of the text.
        reference: Another model with the same tokenizer, smaller or not trained on the texts: what it chooses right
            counts as guessed too.
        recalled: Share of the tokens that cannot be guessed which a memorised sequence is recalled above.
        alpha: False-discovery rate of verdicts and labels.
        generate: Also generate from the prompts, for the longest run of the text in what the model writes.
        locate: Also find the neurons that hold a memory, and take them out.
        heads: Attention heads instead of neurons.
        methods: That rank them: activation, gradient, forgetting, integrated, zero-out, slimming, hard-concrete,
            contrast or evidence.
        shares: Of all neurons that are taken out, in turn.
        screened: Neurons whose removal is computed exactly by the method zero-out, one by one.
        measured: Controls, and memorised sequences of other groups, that a removal is measured on; drawn at random
            among those that did not help to locate.
        n_random: Random sets beside each; 20 at least beside the removal that decides.
        relearn_steps: Let the model learn its removed memories again, for at most so many steps; not if 0.
        seed: Of every random draw.
    """

    window: int = 4
    reference: Path | None = None
    recalled: float = 0.5
    alpha: float = 0.05
    generate: bool = True
    locate: bool = True
    heads: bool = False
    methods: tuple[str, ...] = METHODS
    shares: tuple[float, ...] = SHARES
    screened: int = 200
    measured: int = 10
    n_random: int = 5
    relearn_steps: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("recalled", "alpha"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is not between 0 and 1")
        counts = {"window": 1, "screened": 1, "measured": 1, "n_random": 1, "relearn_steps": 0, "seed": 0}
        for name, least in counts.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name}={getattr(self, name)} is below {least}")
        if not self.shares or not all(0 < share < 1 for share in self.shares):
            raise ConfigError(f"shares={list(self.shares)} are no shares of the neurons between 0 and 1")
        if not self.methods:
            raise ConfigError("methods=[] names no method that ranks neurons; name one, such as gradient")
