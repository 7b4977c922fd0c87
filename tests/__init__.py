"""What Kerbwatch promises: a folder for each room, ``support`` for what they share, ``faults`` for the fault suite."""
