"""Forgetting a person: every place of a run's folder that holds what they did, and how it is left.

`forget` is the way in. A place knows how many rows of a person it holds and how to be without
them, whole or not at all; one that is without them is left as it is, so that a call that was
ended is finished by calling again. docs/privacy.md says what is kept where, and why.
"""
