"""A city's side of Kerbwatch: takes what the devices send, keeps it, and gives a person a desk to decide at."""
