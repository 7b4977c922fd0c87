"""Pictures and packets: put together, verified, kept by hash, timestamped, handed over."""
