from r2d2_burnin.acting.actor import Actor as Actor
from r2d2_burnin.acting.episode_files import load_episodes as load_episodes
from r2d2_burnin.acting.episode_files import save_episodes as save_episodes
from r2d2_burnin.data import Episode as Episode
from r2d2_burnin.data import FragmentBatch as FragmentBatch
from r2d2_burnin.data import TrainingResult as TrainingResult
from r2d2_burnin.diagnostics.audit.audit_replay import audit_replay as audit_replay
from r2d2_burnin.diagnostics.audit.sequences import ReplaySequences as ReplaySequences
from r2d2_burnin.diagnostics.burn_in_advice import advise as advise
from r2d2_burnin.initialization import Initialization as Initialization
from r2d2_burnin.initialization import parse as parse
from r2d2_burnin.initialization.replay import Replay as Replay
from r2d2_burnin.learning.learner import Learner as Learner
from r2d2_burnin.runtime.tensorflow import set_up as set_up
from r2d2_burnin.settings import EnvironmentSettings as EnvironmentSettings
from r2d2_burnin.settings import LearnerSettings as LearnerSettings
from r2d2_burnin.settings import NetworkSettings as NetworkSettings
from r2d2_burnin.settings import QLearningSettings as QLearningSettings
from r2d2_burnin.settings import ReplaySettings as ReplaySettings
from r2d2_burnin.settings import TrainingSettings as TrainingSettings
from r2d2_burnin.testing import check_state_equivalence as check_state_equivalence
from r2d2_burnin.testing import record_episodes as record_episodes
from r2d2_burnin.training.trainer import Trainer as Trainer

__version__: str
