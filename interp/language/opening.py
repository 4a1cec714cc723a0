"""Opening a language model: a folder of Hugging Face, a GGUF file, a name on the hub, or a model in memory."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from interp.devices import resolve_device
from interp.errors import CheckpointError
from interp.language.hook_points import hook_points_of
from interp.language.model import LanguageModel
from interp.language.quiet import reading
from interp.language.source import HUB, hub_name, is_language_model
from interp.language.stored import check_folder, check_gguf, check_size, stored_dtypes

TOLERANCE = 1e-3
"""Of logits, relative to their largest: between the model with hook points and without."""
CAUSAL = 1e-5
"""Relative change of logits by a later token, up to which it is rounding."""


def open_language_model(
    source: Path | str | Any, tokenizer: Any = None, *, device: torch.device | str = "cpu"
) -> LanguageModel:
    """Open a causal language model and give it hook points.

    Nothing is downloaded unless `source` is a name on the hub, and no code of a checkpoint is run. Weights are computed
    with in float32.

    Args:
        source: A folder with ``config.json`` and weights, a ``.gguf`` file, ``hf://ORGANISATION/NAME`` on the hub (from
            the cache alone if HF_HUB_OFFLINE is set), or a model of `transformers`, which is left as it is and shares
            its weights with the result.
        tokenizer: Of a model in memory; None: its sequences are given as token numbers.
        device: Where to compute; ``"auto"`` picks the fastest.

    Raises:
        CheckpointError: It cannot be opened, lacks weights, or is no causal language model.

    Example:
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model(layers=2, d_mlp=8))
        >>> model.via, len(model.units()), [site.hook for site in model.sites][:2]
        ('TransformerBridge', 16, ['blocks.0.attn.hook_z', 'blocks.0.mlp.hook_post'])
    """
    if isinstance(source, LanguageModel):
        return source
    notes: tuple[str, ...] = ()
    if isinstance(source, nn.Module):
        network, name = _shared(source), f"a {type(source).__name__} in memory"
        other = {
            str(one.dtype).removeprefix("torch.") for one in source.parameters() if one.dtype != torch.float32
        }
        if other:
            notes = (f"weights in {' and '.join(sorted(other))} are computed with in float32",)
    else:
        source = f"{HUB}{hub}" if (hub := hub_name(source)) else str(source)  # as it was written
        network, own_tokenizer, notes = _read(source)
        tokenizer, name = (
            tokenizer or own_tokenizer,
            f"{HUB}{hub}" if (hub := hub_name(source)) else str(source),
        )
    network = network.float().to(resolve_device(device)).eval().requires_grad_(False)
    _check_causal(network)
    return _hooked(network, tokenizer, name, notes)


def _shared(module: nn.Module) -> nn.Module:
    """A copy with the same weights in memory, so that hook points do not change the original."""
    memo: dict[int, Any] = {
        id(parameter): nn.Parameter(parameter.detach(), requires_grad=False)
        for parameter in module.parameters()
    }
    return copy.deepcopy(module, memo | {id(buffer): buffer for buffer in module.buffers()})


def _read(source: str) -> tuple[Any, Any, tuple[str, ...]]:
    """The network, its tokenizer if it has one, and notes."""
    from transformers import AutoModelForCausalLM

    place, how = _place(source)
    notes, config = _described(place, how, repr(source))
    given = how if config is None else {**how, "config": config}
    with reading(f"cannot open {source!r} as a language model"):
        load: Any = AutoModelForCausalLM.from_pretrained
        network, info = load(place, dtype=torch.float32, output_loading_info=True, **given)
    missing = sorted(info.get("missing_keys") or [])
    if missing:
        raise CheckpointError(
            f"{source!r} lacks {len(missing)} of the weights that its config.json names, such as {missing[0]!r}; "
            "they would be random. Is a shard missing?"
        )
    if unread := sorted(info.get("unexpected_keys") or []):
        notes.append(f"{len(unread)} tensors of the file are no part of the network, such as {unread[0]!r}")
    if "gguf_file" in how:
        _unquantised(network)
    tokenizer, note = _tokenizer(place, how)
    return network, tokenizer, (*notes, *note)


def _described(place: str, how: dict[str, Any], called: str) -> tuple[list[str], Any]:
    """Notes and configuration of a model that is about to be loaded, if its files and the memory allow it."""
    from transformers import AutoConfig

    if (gguf := how.get("gguf_file")) is not None:
        check_gguf(Path(place, gguf))
        return [f"quantised weights of {gguf} are computed with in float32"], None
    local = how.get("local_files_only", False)
    if local:
        check_folder(Path(place))
    with reading(f"cannot open {called} as a language model"):
        config = AutoConfig.from_pretrained(place, **how)
        check_size(called, config)
    kinds = (stored_dtypes(Path(place)) if local else ()) or (_dtype_name(config),)
    notes = []
    if other := [kind for kind in kinds if kind not in ("F32", "float32", None)]:
        notes.append(f"weights stored as {' and '.join(other)} are computed with in float32")
    if getattr(config, "auto_map", None):
        notes.append(
            "its config.json names code of its own (auto_map), which is not run: the class of transformers is used"
        )
    return notes, config


def _dtype_name(config: Any) -> str | None:
    kind = getattr(config, "dtype", None)
    return None if kind is None else str(kind).removeprefix("torch.")


def _place(source: Path | str) -> tuple[str, dict[str, Any]]:
    """Where `transformers` reads from, and how."""
    if (name := hub_name(source)) is not None:
        return name, {"trust_remote_code": False}
    path = Path(source)
    how = {"local_files_only": True, "trust_remote_code": False}
    if not is_language_model(path):
        hub = f"; write {HUB}{source} for the hub's" if re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)) else ""
        kind = "does not exist" if not path.exists() else "is none"
        raise CheckpointError(
            f"{str(source)!r} {kind}; expected a folder with config.json and weights of a language model, or a .gguf "
            f"file{hub}"
        )
    if path.is_dir():
        return str(path), how
    return str(path.parent), {**how, "gguf_file": path.name}


def _tokenizer(place: str, how: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    from transformers import AutoTokenizer

    try:
        with reading("it has no tokenizer that can be read"):
            return AutoTokenizer.from_pretrained(place, **how), ()
    except CheckpointError as error:
        return None, (f"{error}; give sequences as ids",)


def _unquantised(network: Any) -> None:
    """Take off the marks of a quantised file, whose weights are plain numbers by now."""
    network.hf_quantizer, network.is_quantized = None, False
    for owner, name in ((network, "quantization_method"), (network.config, "quantization_config")):
        if hasattr(owner, name):
            delattr(owner, name)


def _check_causal(network: Any) -> None:
    needed = ("base_model", "get_output_embeddings", "config")
    if not all(hasattr(network, name) for name in needed) or network.get_output_embeddings() is None:
        raise CheckpointError(
            f"a {type(network).__name__} is no causal language model of transformers; expected one that gives logits "
            "for the next token, such as LlamaForCausalLM"
        )
    if getattr(network.config, "is_encoder_decoder", False):
        raise CheckpointError(
            f"a {type(network).__name__} has an encoder; only causal language models are measured"
        )


@torch.no_grad()
def _hooked(network: Any, tokenizer: Any, name: str, notes: tuple[str, ...]) -> LanguageModel:
    """The model with hook points, checked against what it gave without."""
    weights = dict(network.state_dict(keep_vars=True))
    plain = _shared(network)
    vocab = int(network.get_output_embeddings().weight.shape[0])
    ids = torch.arange(6).remainder(max(2, vocab)).reshape(2, 3).to(network.device)
    before = _logits(network, ids)
    _check_logits(network, ids, before)
    points = hook_points_of(network, weights, notes)
    model = LanguageModel(
        points.network, points.hooks, points.sites, points.blocks, tokenizer, weights, plain, name, points.notes,
        points.via,
    )  # fmt: skip
    after = model.logits(model.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))
    if not _difference(after, before) <= TOLERANCE:
        raise CheckpointError(
            f"the logits of {name} cannot be computed in parts: its head and its last layer do not give what the whole "
            f"network gives (they differ by {_difference(after, before):.1%}); its configuration may name a step that "
            "is not known here"
        )
    return model


def _logits(network: Any, ids: Tensor) -> Tensor:
    with reading(f"a {type(network).__name__} cannot be run on token numbers alone"):
        return network(input_ids=ids, use_cache=False).logits


def _check_logits(network: Any, ids: Tensor, logits: Tensor) -> None:
    """Refuse a network that is spoilt, and one whose answer for the next token depends on it."""
    kind = type(network).__name__
    if not bool(torch.isfinite(logits).all()):
        raise CheckpointError(
            f"the {kind} gives logits that are not finite; some of its weights are NaN or infinite"
        )
    changed = torch.cat([ids[:, :-1], ids[:, -1:].flip(0)], dim=1)
    if _difference(_logits(network, changed)[:, :-1], logits[:, :-1]) > CAUSAL:
        raise CheckpointError(
            f"the {kind} is not causal: the token at the end changes the logits before it, as those of an encoder; "
            "expected a model that predicts each token from those before it"
        )


def _difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-9))
