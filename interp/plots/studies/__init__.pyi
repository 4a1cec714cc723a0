from .clamp import clamp_figure as clamp_figure
from .contrast import contrast_figure as contrast_figure
from .diffusion import diffusion_figure as diffusion_figure
from .facts import facts_figure as facts_figure
from .induction import induction_figure as induction_figure
from .influence import influence_figure as influence_figure
from .lens import lens_figure as lens_figure
from .tickets import tickets_figure as tickets_figure
