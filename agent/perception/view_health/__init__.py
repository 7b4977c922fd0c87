"""The view guard: whether a camera's pictures are good for anything. Pure.

Measured about once a second on the small grey picture: dark, over-exposed and frozen by themselves;
blocked, moved and out of focus against the commissioning picture.
"""

from agent.perception.view_health.features import Luma
from agent.perception.view_health.monitor import Verdict, ViewGuard
from agent.perception.view_health.settings import PROBLEMS, Problem, Settings

__all__ = ["PROBLEMS", "Luma", "Problem", "Settings", "Verdict", "ViewGuard"]
