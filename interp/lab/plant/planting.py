"""Memory put into chosen neurons of a language model: their output weights are trained, the rest stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.errors import ConfigError
from interp.language.batches import Batch, padded
from interp.language.model import LanguageModel
from interp.language.sequences import Sequences
from interp.language.sites import Site
from interp.progress import Report, silent


@dataclass(frozen=True)
class Planting:
    """Settings of a plant.

    Attributes:
        steps: Most updates of Adam.
        lr: Learning rate.
        enough: Mean log loss of a continuation token at which it ends, if the model's choice is right everywhere.
        keep: Weight of the change in what other texts are continued with.
    """

    steps: int = 300
    lr: float = 3e-2
    enough: float = 0.3
    keep: float = 0.0


@dataclass(frozen=True, eq=False)
class Planted:
    """Weights that hold a memory, and how they were reached.

    Attributes:
        units: The neurons whose output weights were trained.
        weights: Changed weights by their names in the checkpoint; `interp.language.edits.edited` puts them in.
        losses: Of every update, before it.
        right: Whether the model's choice is every continuation token at the end.
    """

    units: Int[np.ndarray, " chosen"]
    weights: Mapping[str, Tensor]
    losses: Float[np.ndarray, " step"]
    right: bool


def plant_memory(
    model: LanguageModel,
    sequences: Sequences,
    units: Any,
    settings: Planting = Planting(),
    *,
    kept: Sequences | None = None,
    report: Report = silent,
) -> Planted:
    """Train the output weights of chosen neurons until the model continues sequences word by word.

    After the INJ benchmark (arXiv 2311.09060), which lets the plant change all other text. The loss is the mean over
    all continuation tokens; with ``settings.keep`` the divergence of the model's distributions from what they were is
    added, on one of the texts to keep in each update. The model is left as it was.

    Args:
        sequences: All of which are planted, in one batch.
        units: Numbered over all layers, as `interp.language.sites.Units` numbers them.
        kept: Other texts, whose continuation should not change.
        report: Given the updates that are done.

    Raises:
        ConfigError: There is no unit.

    Example:
        >>> from interp.language.edits import edited
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> from interp.language.token_scores import token_scores
        >>> model = open_language_model(small_language_model())
        >>> sequences = token_sequences([[5, 3, 8, 1, 2, 9]])
        >>> planted = plant_memory(model, sequences, range(20), Planting(lr=0.1))
        >>> with edited(model, planted.weights):
        ...     token_scores(model, sequences, whole=False).rank[0].tolist()
        [0, 0, 0, 0]
    """
    chosen = model.units().by_site(units)
    if not chosen:
        raise ConfigError("no neurons to plant a memory in; expected at least one")
    sites = [site for site in model.sites if site.hook in chosen]
    places = {site.hook: torch.from_numpy(chosen[site.hook]).to(model.device) for site in sites}
    changes = {
        site.hook: torch.zeros(len(places[site.hook]), _written(site).shape[1], device=model.device)
        for site in sites
    }
    with _written_besides(sites, places, changes):
        others = _Kept.of(model, kept) if kept is not None and settings.keep > 0 else None
        losses, right = _train(model, sequences, list(changes.values()), settings, others, report)
    weights = {
        site.weight_name: _changed(site, places[site.hook], changes[site.hook].detach()) for site in sites
    }
    return Planted(np.sort(np.asarray(list(units), dtype=np.int64)), weights, np.array(losses), right)


@dataclass(frozen=True, eq=False)
class _Kept:
    """Texts with the log probabilities that a model gave before its weights were changed."""

    model: LanguageModel
    texts: tuple[Sequences, ...]
    before: tuple[Float[Tensor, "_place token"], ...]

    @classmethod
    def of(cls, model: LanguageModel, kept: Sequences) -> _Kept:
        texts = tuple(kept.take([row]) for row in range(len(kept)))
        with torch.no_grad():
            return cls(model, texts, tuple(_log_probabilities(model, text) for text in texts))

    def divergence(self, step: int) -> Tensor:
        """From what one of the texts was continued with to what it is now, in nats a token."""
        place = step % len(self.texts)
        before, now = self.before[place], _log_probabilities(self.model, self.texts[place])
        return (before.exp() * (before - now)).sum(-1).mean()


def _log_probabilities(model: LanguageModel, text: Sequences) -> Float[Tensor, "_place token"]:
    batch = padded(list(text.ids), model.device)
    return model.logits(model.hidden(batch.ids, batch.mask)[_predicting(text, batch)]).log_softmax(-1)


def _train(
    model: LanguageModel,
    sequences: Sequences,
    changes: list[Tensor],
    settings: Planting,
    kept: _Kept | None,
    report: Report,
) -> tuple[list[float], bool]:
    """Train the changes; the losses, and whether the model's choice is right everywhere at the end."""
    batch = padded(list(sequences.ids), model.device)
    rows, columns = _predicting(sequences, batch)
    targets = batch.ids[rows, columns + 1]
    optimizer = torch.optim.Adam([change.requires_grad_(True) for change in changes], settings.lr)
    losses: list[float] = []
    while True:
        logits = model.logits(model.hidden(batch.ids, batch.mask)[rows, columns])
        loss = nn.functional.cross_entropy(logits, targets)
        losses.append(float(loss.detach()))
        right = bool((logits.argmax(1) == targets).all())
        if (right and losses[-1] <= settings.enough) or len(losses) > settings.steps:
            report(settings.steps)
            return losses, right
        optimizer.zero_grad()
        loss.backward()
        if kept is not None:
            (settings.keep * kept.divergence(len(losses))).backward()
        optimizer.step()
        report(len(losses))


def _predicting(sequences: Sequences, batch: Batch) -> tuple[Tensor, Tensor]:
    """Rows and columns whose logits predict continuation tokens."""
    columns = [
        np.arange(first - 1, n - 1) for first, n in zip(sequences.prompt, sequences.lengths, strict=True)
    ]
    rows = np.repeat(np.arange(len(columns)), [len(one) for one in columns])
    return tuple(torch.from_numpy(one).to(batch.ids.device) for one in (rows, np.concatenate(columns)))  # type: ignore[return-value]


def _written(site: Site) -> Float[Tensor, "unit stream"]:
    """Output weights of a site's neurons."""
    weight: Tensor = site.reader.weight.detach()  # type: ignore[operator]
    return weight if site.units_first else weight.T


def _changed(site: Site, place: Tensor, change: Tensor) -> Tensor:
    written = _written(site).clone()
    written[place] += change
    return written if site.units_first else written.T.contiguous()


@contextmanager
def _written_besides(
    sites: list[Site], places: Mapping[str, Tensor], changes: Mapping[str, Tensor]
) -> Iterator[None]:
    """Inside the block, chosen neurons write by the changes too; gradients reach these."""

    def attach(site: Site) -> Any:
        place, change = places[site.hook], changes[site.hook]

        def after(_: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
            return output + args[0][..., place] @ change

        return site.reader.register_forward_hook(after)

    with ExitStack() as stack:
        for site in sites:
            stack.callback(attach(site).remove)
        yield
