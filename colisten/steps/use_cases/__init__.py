"""What people ask of the library as a whole: one function each, which draws and prints nothing.

`run` makes a release, `ablate` measures what each ingredient is worth, `compare_trainings` puts any
trainings into one table, `explain` says what the live release does, `simulate_experiment` and
`compare_experiment` are the two ends of an A/B test, `release` lists, verifies and switches what is
live. Progress goes to a callback as `colisten.steps.cache.StepEvent`; whoever calls (the command
line, a notebook, a scheduler) shows it in its own way.
"""
