"""Scores and labels of neurons: arrays in, arrays out. `probes.spectrum` is the one home of Fourier conventions."""

from typing import TYPE_CHECKING

import lazy_loader

from probes.features import score_matrix, weight_features

if TYPE_CHECKING:
    from probes.classifiers import MixtureLabeller, NeuronProbe, NullThresholdLabeller

__all__ = ["MixtureLabeller", "NeuronProbe", "NullThresholdLabeller", "score_matrix", "weight_features"]

# scikit-learn takes two seconds to import, so its estimators are loaded when they are asked for.
__getattr__, _, _ = lazy_loader.attach(__name__, submod_attrs={"classifiers": __all__[:3]})
