"""What the contract says, read and proven: messages, signatures, packets, timestamps, orders."""
