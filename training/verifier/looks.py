"""How the verifier's network wants its pictures. Needs no torch."""

from __future__ import annotations

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's, in RGB from 0 to 1."""
