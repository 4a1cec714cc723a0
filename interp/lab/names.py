"""Which studies there are; a leaf that loads none of them, so that the command line can list them at once."""

STUDIES = {
    "contrast": "Neurons that serve one set of inputs and not another, found without any periodicity.",
    "diffusion": "Neurons of a denoising network that carry memorised images, and what is left without them.",
    "facts": "Neurons of a language model that carry the facts of one relation.",
    "influence": "Which training examples are memorised: how much each one's own presence matters.",
    "tickets": "Whether a subnetwork, rewound to its first weights, carries the generalisation.",
    "clamp": "Neurons held while a network is trained: does generalisation still come, and when?",
    "induction": "Attention heads held while induction heads form: is the phase change delayed or brought forward?",
    "lens": "What each neuron writes for, read from the weights alone.",
}
"""Name and one line for each; ``interp.lab.NAME`` holds it."""
