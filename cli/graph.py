"""`colisten graph`: look at a co-listening graph before training on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from colisten.errors import GraphError
from colisten.json_files import write_json
from colisten.pages import write_page
from colisten.terminal import Terminal, styled

app = typer.Typer(no_args_is_help=True, help="Look at a co-listening graph.")


@app.command()
def report(
    graph: Annotated[Path, typer.Argument(help="Folder of a saved graph (graph.json is in it).")],
    out: Annotated[Path, typer.Option("--out", help="Folder for graph.html and graph.json.")],
    text: Annotated[
        Path | None, typer.Option("--text", help=".npy of text vectors, one row an item.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option("--history", help="Checked tables, for titles.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the samples.")] = 0,
) -> None:
    """Degrees, components, hubs, imbalance, likeness of linked items; and what would go wrong.

    Exits with 1 where training on the graph cannot work.
    """
    from colisten.data.catalogue import Catalogue
    from colisten.graph.graph import CoListeningGraph
    from colisten.graph.report import graph_report
    from colisten.reports.graph import to_html

    loaded = CoListeningGraph.load(graph)
    vectors = None
    if text is not None:
        try:
            vectors = np.load(text, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:  # the last of an empty file
            raise GraphError(f"Cannot read text vectors from {text}: {error}.") from error
        if vectors.ndim != 2 or len(vectors) != loaded.num_items:
            raise GraphError(
                f"{text} holds {list(vectors.shape)}; the graph has {loaded.num_items} items.",
                "Give the vectors of the catalogue the graph was built on.",
            )
    titles = None if history is None else Catalogue.read(history).titles
    if titles is not None and len(titles) != loaded.num_items:
        raise GraphError(f"{history} holds {len(titles)} items, the graph {loaded.num_items}.")
    found = graph_report(loaded, vectors, titles, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    write_page(out / "graph.html", to_html(found))
    write_json(out / "graph.json", found)
    console = Terminal()
    for finding in found.findings:
        mark = ("cannot work", "red") if finding.severe else ("note", "yellow")
        console.print(styled(*mark, f": {finding.what} {finding.advice}"))
    console.print(f"{found.edges:,} edges; {out / 'graph.html'}")
    if not found.can_learn:
        raise typer.Exit(1)
