"""Methods against forgetting, each a small frozen object."""

from .ewc import EWC as EWC
from .fpf import FinetuneMoved as FinetuneMoved
from .hidden_replay import HiddenReplay as HiddenReplay
from .homeostatic import Homeostatic as Homeostatic
from .joint import Joint as Joint
from .l2 import L2 as L2
from .mas import MAS as MAS
from .projection import Projection as Projection
from .refresh import Refresh as Refresh
from .rehearsal import Rehearsal as Rehearsal
from .replay import Replay as Replay
from .schedules import RepeatedCosine as RepeatedCosine
from .schedules import WarmCoolAnneal as WarmCoolAnneal
