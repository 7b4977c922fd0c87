"""What is asked of a running agent and what it answers: one file a subject; light enough for any process."""
