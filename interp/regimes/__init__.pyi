from .grid import Grid as Grid
from .grid import read_grid as read_grid
from .run import Run as Run
from .running import GridResult as GridResult
from .running import run_grid as run_grid
from .table import read_runs as read_runs
from .table import runs_table as runs_table
