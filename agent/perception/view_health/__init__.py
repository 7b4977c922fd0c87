"""View health: whether a camera's pictures can be judged. Pure.

Checked about once a second on the small grey picture: dark, over-exposed and frozen by itself;
blocked, moved and out of focus by comparison with the reference image.
"""

from agent.perception.view_health.features import Luma
from agent.perception.view_health.monitor import ViewMonitor, ViewVerdict
from agent.perception.view_health.settings import PROBLEMS, Problem, Settings

__all__ = ["PROBLEMS", "Luma", "Problem", "Settings", "ViewMonitor", "ViewVerdict"]
