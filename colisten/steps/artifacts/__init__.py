"""What steps hand to each other, a module a kind."""
