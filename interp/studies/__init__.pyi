from .names import STUDIES as STUDIES
from .running import run_study as run_study
from .study import Record as Record
from .study import Study as Study
from .study import StudyResult as StudyResult
from .study import study_called as study_called
