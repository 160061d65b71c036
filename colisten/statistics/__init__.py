"""How sure a number is: intervals over users and over training seeds."""
