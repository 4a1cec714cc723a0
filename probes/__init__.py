"""Scores and labels of neurons: arrays in, arrays out. `probes.spectrum` is the one home of Fourier conventions."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from probes.classifiers import MixtureLabeller, NeuronProbe, NullThresholdLabeller
    from probes.features import score_matrix, weight_features

__all__ = ["MixtureLabeller", "NeuronProbe", "NullThresholdLabeller", "score_matrix", "weight_features"]

# SciPy and scikit-learn take seconds to import, and the command line's help needs neither.
__getattr__, _, _ = lazy_loader.attach(
    __name__, submod_attrs={"classifiers": __all__[:3], "features": __all__[3:]}
)
