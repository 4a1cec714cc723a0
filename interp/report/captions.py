"""Captions of the page's figures, in plain words."""

FOOTER = "Accuracies are shares of right answers. Effects of single neurons are mean margins, in logit units."
ACCURACY = """\
Each group of bars is one kind of example; higher means more right answers. Grey is the network as it is. If
the other two colours fall on different kinds of examples, different neurons hold the rule and the memories.
“Corrupted” examples were trained on with a label drawn at random: “as labelled” counts answers that repeat
it, “as true” answers that follow the rule instead. “Clean” ones were trained on with their own label; “test”
ones were held out, so that the network has never seen them."""
IPR = """\
A neuron that takes part in the rule repeats itself at regular intervals; IPR measures how regularly, from 0
(noise) to 1 (one pure wave). The dotted outline is what random weights give, scaled to the tallest bar; 1
in 1,000 of them passes the vertical line. Bars far to its right are no accident. A low IPR alone does not
mean that a neuron memorises: the label needs evidence of what the neuron does, shown in the next figure."""
SHARE = """\
A neuron that takes part in the rule goes up and down at regular intervals as the operands change. To the
right: neurons whose activation over all pairs of operands is made of waves of one frequency, up to 1 (all of
it); to the left: noise, or several frequencies at once. A low value alone does not mean that a neuron
memorises: the label needs evidence of what the neuron does, shown in the next figure."""
EFFECT = """\
One point is one neuron. To the right: more regular. Up: taking it out hurts examples that the network has
never seen more than the corrupted labels it learnt by heart, so it serves the rule; down: the reverse, so
it serves memory. Hurting means a smaller margin: how far the score (logit) of the answer is above all others.
Two separate clouds mean that different neurons do the two jobs. Touch a point for the
reasons."""
RULE_EFFECT = """\
One point is one neuron. To the right: more regular. Up: it adds more to the right answer, so the network
needs it more. The unit is that of the margin: how far the score (logit) of the answer is above all others. There
are no examples here that would show memory separately. Touch a point for the reasons."""
ABLATION = """\
From left to right more and more neurons are taken out, {order}. Solid: the accuracy that is left. Dashed,
with a band: the same number of neurons taken out at random ({draws} draws, {interval} of them inside the band). A
solid line far outside its band means that this order picks neurons of one kind. Touch the legend to show
other examples."""
MEMORY_SET = """\
Neurons ordered by {order} on one half of the memorised and held-out examples, and cut where little memory is left
and at most 1 point of their held-out accuracy is lost; all accuracies are those of the other half. Of {n} random
orders, cut in the same way, a share of p = {p} leaves as little memory. A set without wrong labels is judged by
training accuracy above held-out accuracy, the membership gap."""
WEIGHTS = """\
Above: how strongly it reacts to each number on the left and right of the
operation, and which results it votes for. Below: the waves that these weights are made of, each with its
share (energy). One tall bar is a pure wave, the mark of the rule; many low bars are noise."""
OUTPUT = """\
Above: how strongly it votes for each result, in the order of the operation. Below:
the waves that these weights are made of, each with its share (energy). One tall bar is a pure wave, the mark of
the rule; many low bars are noise. What the neuron reacts to shows in its activations, as there are layers before it."""
TRAINING = """\
How the network got there. Training accuracy that rises long before test accuracy means that it memorised
first and understood later (grokking); a later fall of the corrupted line means that it unlearnt the
corrupted labels."""
ACTIVATIONS = """\
Above: how active it is for every pair of operands, in the order in which a
solution is periodic. Stripes along the falling diagonal mean that only the sum counts. Below: the waves that
the picture is made of; the larger a spot, the larger its part. One or a few spots at one frequency are the
mark of the rule, on the rising diagonal where it is a wave in the sum; many small spots are noise."""
CIRCUIT = """\
Networks that grok such an operation compute it with waves of a few key frequencies. Restricted loss: how well
these waves alone answer; excluded loss: what is left without them. A network of the rule has a low restricted
and a high excluded loss, one that memorised the reverse. Clock and Pizza are the two ways of adding with waves
that are known; both measures must agree on one of them."""
CLUSTERS = """\
How many neurons are made of one frequency (85 % of their variance or more), by frequency. In a network of the
rule most neurons stand at a few frequencies, and those are the key frequencies of its answers (blue). No bars
mean that the neurons are noise or mix several frequencies."""
HARMONICS = """\
One point is one neuron. To the right: the more its strongest frequency explains. Up: the more that frequency
and its multiples explain together. Points far above the dotted line are waves that were bent, as a ReLU does
it: they belong to their frequency, although it does not explain all of them."""
TRAJECTORY = """\
Each column is one checkpoint, scored like the network above. Coloured spans are the stages that the numbers
show; touch their bars at the top for the reasons. Losses that fall on training examples long before held-out
ones mean memorising first. A circuit forms where the excluded loss rises, although accuracy on held-out
examples has not moved yet: the loss without the waves of the answer; the restricted loss is that with these waves
only. A Gini of 1 means that all is at one frequency, 0 that all frequencies have the same.
Separability is 0 where the classes of the answers are not apart in the neurons of a label, and below where they are.
Weight change and alignment compare each checkpoint with the first; wide networks are alike to begin with, so that a
high alignment alone is no sign of lazy learning. Touch the legend to show or hide lines."""
RELEARNING = """\
Without the memorizing neurons the network is trained on its wrong labels again, until it answers half of them.
Orange-red: the labels that it had memorised. The others are controls, one line a draw: wrong labels of examples that it
was never trained on, and the same examples with yet another wrong label. Memories that were only hidden come
back in fewer steps than new ones are learnt."""
NO_PERIODICITY = """\
Not shown: nothing says in which order a solution would be periodic, so how periodic the neurons are is not
known. Labels rest on what the neurons do."""
NO_WEIGHTS = "No figures: no neuron has weights or activations along an ordering of the task."
NEURONS = """\
The {count} most telling neurons: the strongest of every label in turn. Choose one: the figures, what is known
of it, and the examples that need it most follow."""
SERVED = """\
The examples that it serves: their margin falls most without it. The margin is how far the label's logit is above
all others, in logit units; below 0 the answer is another one."""
