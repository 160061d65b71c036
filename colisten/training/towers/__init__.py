"""Training of the two towers."""
