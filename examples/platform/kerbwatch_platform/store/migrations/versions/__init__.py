"""One file a step; its SQL lies beside it."""
