"""What people ask of the library as a whole: one function each, which draws and prints nothing.

`run` makes a release, `ablate` measures what each ingredient is worth, `explain` says what the
live release does. Progress goes to a callback as `colisten.steps.cache.StepEvent`; whoever calls
(the command line, a notebook, a scheduler) shows it in its own way.
"""
