"""How each model was made and judged (extra ``train``; not in the wheel)."""
