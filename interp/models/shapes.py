"""Shapes of networks: their settings, checked. Nothing here loads PyTorch, so that the command line can list them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from interp.errors import ConfigError, choose, cut

KINDS: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
MOST_LAYERS = 1_000
"""Each takes time to build, however small it is."""


@dataclass(frozen=True)
class MLPConfig:
    """Shape of a `HookedMLP`; vocabulary and output size come from the task.

    Args:
        width: Neurons in each hidden layer.
        depth: Layers of weights; 2 has one hidden layer, as in arXiv 2310.13061.
        activation: One of `ACTIVATIONS`, or ``"custom"`` for a function given to `HookedMLP`.
        tied: Share one input matrix between all input positions.
        bias: Add biases to the hidden layers and the output.
        dropout: Probability of dropping a neuron's pre-activation, in [0, 1).
        norm: ``"none"``, ``"batch"`` or ``"layer"``, after the activation.
        init_scale: Multiplies the initial weights.

    Raises:
        ConfigError: A value is out of range.
    """

    width: int = 500
    depth: int = 2
    activation: str = "square"
    tied: bool = False
    bias: bool = False
    dropout: float = 0.0
    norm: str = "none"
    init_scale: float = 1.0

    def __post_init__(self) -> None:
        _check(self, ("none", "batch", "layer"), width="1 neuron", depth="2 (one hidden layer)")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout={self.dropout} is not in [0, 1)")

    def n_weights(self, vocab: int, n_outputs: int, n_tokens: int = 2) -> int:
        """Numbers in the matrices of such a network.

        Example:
            >>> MLPConfig(width=10).n_weights(7, 7)
            210
        """
        tables = 1 if self.tied else n_tokens
        return self.width * (tables * vocab + self.width * (self.depth - 2) + n_outputs)


@dataclass(frozen=True)
class TransformerConfig:
    """Shape of a `SmallTransformer`; vocabulary, prompt and output size come from the task.

    The defaults are the one-layer network of arXiv 2301.05217 and 2310.13061: no norms, no biases.

    Args:
        d_model: Width of the residual stream.
        n_heads: Attention heads in each layer, most often d_model / n_heads wide.
        d_head: Width of a head.
        d_mlp: Neurons in each layer.
        n_layers: Blocks of attention and neurons.
        activation: One of `ACTIVATIONS`.
        norm: ``"none"``, ``"layer"``, or ``"pre"`` (layer norm without weights, folded into the next layer).
        causal: Attend to earlier positions only.
        attn_coeff: c in the attention pattern ``c * softmax + 1 - c`` (arXiv 2306.17844); 1 is ordinary attention.
        bias: Add biases everywhere.
        init_scale: Multiplies the initial weights.

    Raises:
        ConfigError: A value is out of range.
    """

    d_model: int = 128
    n_heads: int = 4
    d_head: int = 32
    d_mlp: int = 512
    n_layers: int = field(default=1, metadata={"option": "--layers"})
    activation: str = "relu"
    norm: str = "none"
    causal: bool = False
    attn_coeff: float = 1.0
    bias: bool = False
    init_scale: float = 1.0

    def __post_init__(self) -> None:
        sizes = ("d_model", "n_heads", "d_head", "d_mlp", "n_layers")
        _check(self, ("none", "layer", "pre"), **dict.fromkeys(sizes, "1"))
        if not 0 <= self.attn_coeff <= 1:
            raise ConfigError(f"attn_coeff={self.attn_coeff} is not in [0, 1]")

    def n_weights(self, vocab: int, n_outputs: int, n_tokens: int) -> int:
        """Numbers in the matrices of such a network.

        Example:
            >>> TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=16).n_weights(8, 7, 3)
            656
        """
        per_layer = 4 * self.n_heads * self.d_head + 2 * self.d_mlp
        return self.d_model * (vocab + n_outputs + n_tokens + self.n_layers * per_layer)


def _check(config: MLPConfig | TransformerConfig, norms: tuple[str, ...], **least: str) -> None:
    """Refuse an unknown activation or norm, and sizes below their least."""
    from interp.models.layers import ACTIVATIONS

    choose("activation", config.activation, [*ACTIVATIONS, *["custom"] * isinstance(config, MLPConfig)])
    choose("norm", config.norm, norms)
    for part in fields(config):
        value, kind = getattr(config, part.name), type(part.default)
        right = isinstance(value, (int, float) if kind is float else kind)
        if not right or (isinstance(value, bool) and kind is not bool):
            raise ConfigError(f"{part.name}={cut(value)} is not {KINDS[kind]}")
    for name, words in least.items():
        value = getattr(config, name)
        if value < int(words.split()[0]):
            raise ConfigError(f"{name}={value!r} must be at least {words}, a whole number")
    layers = config.depth if isinstance(config, MLPConfig) else config.n_layers
    if layers > MOST_LAYERS:
        raise ConfigError(f"a network of {layers:,} layers is too deep; expected at most {MOST_LAYERS:,}")
    if not 0 < config.init_scale < float("inf"):
        raise ConfigError(f"init_scale={config.init_scale} must be above 0, and finite")
