"""Sequences in which a block is repeated, and the training of a network that can go on with them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn import functional as F

from interp.errors import ConfigError
from interp.hooks import evaluation_mode
from interp.lab.schedule import Schedule
from interp.lab.study import Settings, setting
from interp.models.attention_only import AttentionOnly, AttentionOnlyConfig
from interp.progress import Report, silent
from interp.safeguards import flushed_denormals

EMBED_SCALE, WEIGHT_DECAY, EVALUATED = 0.2, 0.01, 256


@dataclass(frozen=True)
class Config(Settings):
    """A two-layer attention-only transformer, and sequences in which a random block of distinct tokens is repeated.

    The blocks differ in length, so that no attention by position alone finds what comes next.
    """

    vocab: int = setting(32, "How many tokens there are.")
    shortest: int = setting(6, "Tokens in the shortest block.")
    longest: int = setting(12, "Tokens in the longest; sequences are twice as long.")
    d_model: int = setting(64, "Width of the residual stream.")
    n_heads: int = setting(4, "Heads in each layer.", "[2, inf)")
    d_head: int = setting(32, "Width of a head.")
    batch: int = setting(48, "New sequences in every update.", "[1, inf)")
    lr: float = setting(0.001, "Learning rate of AdamW.", "(0, inf)")
    steps: int = setting(1000, "Updates of every run.", "[1, inf)")
    log_every: int = setting(20, "Updates between measurements.", "[1, inf)")
    level: float = setting(0.8, "In-context accuracy at which the phase change has come.", "(0, 1]")

    def __post_init__(self) -> None:
        if not 2 <= self.shortest <= self.longest <= self.vocab:
            raise ConfigError(
                f"shortest={self.shortest}, longest={self.longest} and vocab={self.vocab} do not fit; expected "
                "2 <= shortest <= longest <= vocab, as the tokens of a block are distinct"
            )
        super().__post_init__()


def repeated_blocks(
    n: int, config: Config, generator: torch.Generator
) -> tuple[Int[Tensor, "example position"], Bool[Tensor, "example position"]]:
    """Sequences of a repeated block, and after which of their positions the next token is known from the block.

    Example:
        >>> tokens, known = repeated_blocks(3, Config(), torch.Generator().manual_seed(0))
        >>> tuple(tokens.shape), int(known[:, :6].sum())
        ((3, 24), 0)
    """
    length = torch.randint(config.shortest, config.longest + 1, (n, 1), generator=generator)
    block = torch.rand(n, config.vocab, generator=generator).argsort(1)
    position = torch.arange(2 * config.longest)
    known = position >= length
    known[:, -1] = False  # nothing follows the last
    return block.gather(1, position % length), known


def train_in_context(
    config: Config, seed: int, schedule: Schedule | None = None, report: Report = silent
) -> tuple[AttentionOnly, list[float]]:
    """A network trained under a schedule, and its in-context accuracy at step 0 and after every `log_every` updates.

    Batches are new in every update; they and the initial weights depend on the seed alone.
    """
    sizes = (config.vocab, 2 * config.longest, config.d_model, config.n_heads, config.d_head)
    shape = AttentionOnlyConfig(*sizes, embed_scale=EMBED_SCALE)
    model, schedule = AttentionOnly(shape, seed=seed), schedule or Schedule()
    generator, held_out = (torch.Generator().manual_seed(2 * seed + i) for i in range(2))
    test = repeated_blocks(EVALUATED, config, held_out)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.lr, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY
    )
    with flushed_denormals():
        accuracy = [in_context_accuracy(model, *test)]
        for step in range(config.steps):
            with schedule(model, step):
                tokens, known = repeated_blocks(config.batch, config, generator)
                loss = F.cross_entropy(model(tokens)[known], tokens.roll(-1, 1)[known])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if (step + 1) % config.log_every == 0:
                    accuracy.append(in_context_accuracy(model, *test))
                    report(step + 1, f"in-context accuracy {accuracy[-1]:.3f}")
    return model, accuracy


def in_context_accuracy(
    model: AttentionOnly, tokens: Int[Tensor, "example position"], known: Bool[Tensor, "example position"]
) -> float:
    """Share of right next tokens after the positions where they are known."""
    with evaluation_mode(model):
        return float((model(tokens).argmax(-1) == tokens.roll(-1, 1))[known].double().mean())
