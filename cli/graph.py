"""`colisten graph`: look at a co-listening graph before training on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import SeedOption
from colisten.errors import GraphError
from colisten.json_files import write_json
from colisten.pages import write_page
from colisten.terminal import Terminal, styled

if TYPE_CHECKING:
    from colisten.graph.report import GraphReport

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
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="TYPE",
            help="Item type that is recommended; default: the graph's only one, or audiobook.",
        ),
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Degrees, components, hubs, imbalance, likeness of linked items; and what would go wrong.

    Exits with 1 where training on the graph cannot work.

    Example: colisten graph report out/steps/build_graph-0123456789abcdef/graph --out report
    """
    from colisten.data.catalogue import Catalogue
    from colisten.graph.graph import CoListeningGraph
    from colisten.graph.report import graph_report
    from colisten.reports.graph import to_html
    from colisten.settings.data import DataSettings

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
    data = None if target is None else DataSettings(target_type=target, context_types=())
    inspected = graph_report(loaded, vectors, titles, data=data, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    write_page(out / "graph.html", to_html(inspected))
    write_json(out / "graph.json", inspected)
    if as_json:
        print_document(inspected)
    else:
        _print(inspected, out / "graph.html")
    if not inspected.can_learn:
        raise typer.Exit(1)


def _print(inspected: GraphReport, page: Path) -> None:
    console = Terminal()
    for finding in inspected.findings:
        mark = ("cannot work", "red") if finding.severe else ("note", "yellow")
        console.print(styled(*mark, f": {finding.what} {finding.advice}"))
    console.print(f"{inspected.edges:,} edges; {page}")
