"""Scores and labels of neurons: arrays in, arrays out.

Contents:
    spectrum: The one home of Fourier conventions and transforms.
    periodicity: Concentration of the spectrum of a vector.
    activity: The same for activations over the grid of all operand pairs.
    null: Scores of random weights; p-values and false-discovery control.
    features: Every score of a neuron's weight vectors as named columns.
    columns: Every column of a neuron table, with its meaning.
    labels: Every label of a neuron, with the rule that decides it.
    agreement: Agreement of scores with truth and with each other.
    classifiers: scikit-learn estimators of labels.
    progress_measures: Fourier components of logits, and measures that tell Clock from Pizza networks.
    stages: Stages and change points of a training run.
    development: Periodicity and phases of single neurons over a training run.
"""

from typing import TYPE_CHECKING

import lazy_loader

from probes.features import score_matrix, weight_features

if TYPE_CHECKING:
    from probes.classifiers import MixtureLabeller, NeuronProbe, NullThresholdLabeller

__all__ = ["MixtureLabeller", "NeuronProbe", "NullThresholdLabeller", "score_matrix", "weight_features"]

# scikit-learn takes two seconds to import, so its estimators are loaded when they are asked for.
__getattr__, _, _ = lazy_loader.attach(__name__, submod_attrs={"classifiers": __all__[:3]})
