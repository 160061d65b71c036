"""From scores to lists: who is ranked for, what ranks, the best of every user."""
