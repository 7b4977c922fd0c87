"""What the demo needs beside the agent: the platform's side, and what was staged."""
