"""Tasks learnt one after another: what is forgotten, and what each method does about it."""

from .method import Batch as Batch
from .method import LearningTask as LearningTask
from .method import Method as Method
from .method import Run as Run
from .method import Together as Together
from .metrics import sequence_metrics as sequence_metrics
from .sequence import DivergedError as DivergedError
from .sequence import Learnt as Learnt
from .sequence import Training as Training
from .sequence import learn_in_sequence as learn_in_sequence
