"""An intervention that turns the neurons' signs round."""

from interp.modes import Mode, Scale

MODE = Mode("with their signs turned", "negate the neurons", lambda activations, factor, seed: Scale(-1.0))
