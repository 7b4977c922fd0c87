"""The words of judging as frozen values, and the life of a case. Pure."""
