"""State dicts of TransformerLens: of its `HookedTransformer` (versions 2 and 3) and of a native bridge (version 4)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from interp.checkpoints.builders import tokens_of, transformer_readings
from interp.checkpoints.dialect import Dialect, Fact, ForeignFile, Reading, Unfit, settle
from interp.checkpoints.layouts import Layout
from interp.errors import CheckpointError
from interp.models.bridge_names import from_bridge_names

_NORMS = ("blocks.L.ln1", "blocks.L.ln2", "ln_final")
VERSION_2 = Layout(
    {
        "embed.W_E": "V d",
        "pos_embed.W_pos": "T d",
        **{f"blocks.L.attn.W_{name}": "H d e" for name in "QKV"},
        "blocks.L.attn.W_O": "H e d",
        "blocks.L.mlp.W_in": "d N",
        "blocks.L.mlp.W_out": "N d",
        "unembed.W_U": "d O",
        **{f"blocks.L.attn.b_{name}?": "H e" for name in "QKV"},
        "blocks.L.attn.b_O?": "d",
        "blocks.L.mlp.b_in?": "N",
        "blocks.L.mlp.b_out?": "d",
        "unembed.b_U?": "O",
        **{f"{norm}.{part}?": "d" for norm in _NORMS for part in "wb"},
        "blocks.L.attn.mask?": "T T",
        "blocks.L.attn.IGNORE?": "",
    }
)
VERSION_4 = Layout(
    {
        "embed.weight": "V d",
        "pos_embed.weight": "T d",
        **{f"blocks.L.attn.{part}.weight": "w d" for part in "qkv"},
        "blocks.L.attn.o.weight": "d w",
        "blocks.L.mlp.in.weight": "N d",
        "blocks.L.mlp.out.weight": "d N",
        "unembed.weight": "O d",
        **{f"blocks.L.attn.{part}.bias?": "w" for part in "qkv"},
        "blocks.L.attn.o.bias?": "d",
        "blocks.L.mlp.in.bias?": "N",
        "blocks.L.mlp.out.bias?": "d",
        "unembed.bias?": "O",
        **{f"{norm}.{part}?": "d" for norm in _NORMS for part in ("weight", "bias")},
    }
)
HEADS = (4, 8, 2, 1)  # tried where nothing says how many share a matrix, the most plausible first
_NORM_NAMES = {"ln": "pre", "lnpre": "pre", "none": "none"}  # without weights of its own, LN is LNPre


def readings(file: ForeignFile) -> list[Reading]:
    """Every way to read a file as a transformer of TransformerLens, at most a dozen."""
    layout, sizes = file.fit(VERSION_2, VERSION_4)
    if layout is VERSION_2:
        weights, n_heads = without_buffers(file.tensors), None
    else:
        weights, n_heads = from_bridge_names(file.tensors, 1), _heads(file, sizes["w"])
    return transformer_readings(
        file,
        weights,
        tokens=tokens_of(file, weights, shifted=(False, True), unsigned=True),
        activation=file.activation("relu", "gelu"),
        causal=_causal(file, sizes["L"]),
        attn_coeff=file.coefficient(),
        norm=_norm(file, weights, sizes["L"]),
        n_heads=n_heads,
    )


def without_buffers(tensors: Mapping[str, Tensor], *others: str) -> dict[str, Tensor]:
    """The weights of a state dict of version 2 or 3, without its masks and other names."""
    buffers = (".mask", ".IGNORE")
    return {name: t for name, t in tensors.items() if not name.endswith(buffers) and name not in others}


def _heads(file: ForeignFile, width: int) -> Fact[int]:
    n_heads = file.setting("n_heads", "num_heads")
    if isinstance(n_heads, int) and n_heads > 0 and width % n_heads == 0:
        return Fact((n_heads,))
    fact = Fact(tuple(n for n in HEADS if width % n == 0), known=False)
    if n_heads is None:
        return fact
    return fact.with_notes(f"the file's settings say n_heads={n_heads!r}, which {width} cannot be divided by")


def _norm(file: ForeignFile, weights: Mapping[str, Tensor], n_layers: int) -> Fact[str]:
    """The layer norms; a `CheckpointError` if the settings name one that is not supported."""
    names = ["ln_final", *(f"blocks.{layer}.ln{n}" for layer in range(n_layers) for n in (1, 2))]
    wanted = {f"{name}.{part}" for name in names for part in "wb"}
    if present := wanted & weights.keys():
        if present != wanted:
            raise Unfit("some of its layer norms have weights and biases, but not all")
        return Fact(("layer",))
    spelled = [level["normalization_type"] for level in file.settings if "normalization_type" in level]
    if not spelled:
        return Fact(("none", "pre"), known=False)
    name = str(spelled[0]).lower()
    if name not in _NORM_NAMES:
        raise CheckpointError(
            f"the settings of {str(file.stored.path)!r} say normalization_type={spelled[0]!r}; known are LN, LNPre and "
            "none"
        )
    return Fact((_NORM_NAMES[name],))


def _causal(file: ForeignFile, n_layers: int) -> Fact[bool]:
    """True if a position sees earlier ones only. The masks do not say it: they are stored either way.

    In one layer both give the same answer at the last position, so only one is tried.
    """
    direction = file.setting("attention_dir")
    stored = {"causal": True, "bidirectional": False}.get(direction) if isinstance(direction, str) else None
    return settle("causal", None, stored, (True,) if n_layers == 1 else (True, False))


DIALECT = Dialect(
    "transformer_lens",
    60,
    "state dict of TransformerLens: HookedTransformer of versions 2 and 3, or a native bridge of version 4",
    "https://github.com/TransformerLensOrg/TransformerLens",
    (VERSION_2, VERSION_4),
    readings,
)
