"""The steps from tables to a release: plain functions over typed artifacts.

A step is one function in a module of its own, `colisten.steps.train_hgnn.train_hgnn`. Its
signature says everything about it:

- parameters that are artifacts (`artifacts.py`) are what earlier steps left;
- keyword parameters named after a section of the settings (`hgnn: HGNNSettings`, `seed: int`,
  `engine: Engine`) are the settings it reads; `Setting` and `Without` in their annotation narrow
  that to one setting, or leave some out (`settings.py`);
- a `Path` is a place (where checkpoints, caches and releases lie) and never changes what a step
  computes; `out` is the folder that its results will lie in, each under its name, for steps that
  write while they compute;
- it returns a named tuple of artifacts, with `metrics` for figures worth logging.

Whoever runs steps needs nothing else: `execution.py` loads what a function asks for, calls it and
saves what it returns, for a Kubeflow component (`components/`) and for the workflow of this
process (`workflow.py`) alike. A step's cache key is the digests of its inputs, its settings and
the digest of the code that it can reach (`code.py`).

    check_tables(source) -> history, holdout
    embed_text(history) -> vectors
    build_features(history, text) -> features
    build_graph(history) -> graph
    inspect_graph(graph, text) -> factors
    train_hgnn(graph, text) -> model, vectors, curve
    build_training_rows(history, features) -> rows
    train_towers(rows, history, text, vectors, factors) -> towers, curve
    evaluate(history, events, features, text, vectors, towers, towers_text) -> table, page, lists
    gate(table) -> decision
    publish(history, features, text, graph, hgnn, towers, table, decision) -> release
    recommend(history, features, release, towers_text, backtest, measured) -> recommendations
    report(history, features, release, graph, text) -> drift
    rank(history, events, features, text, vectors, towers) -> lists
    compare(history, events, features, text, lists, measured) -> table, page
"""
