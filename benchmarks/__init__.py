"""What is measured against what, with committed results; `make bench` runs all of it."""
