"""`colisten triton`: a model repository for a Triton server that runs the user tower."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import ConfigOption, OutOption, SetOption
from colisten.release.store import LIVE, ReleaseStore
from colisten.settings.tree import load_settings
from colisten.terminal import Terminal, styled

app = typer.Typer(no_args_is_help=True, help="The user tower in a Triton server.")


@app.command()
def write(
    out: OutOption,
    release_id: Annotated[
        str, typer.Argument(metavar="ID", help="Release id, as `release list` shows it.")
    ] = LIVE,
    repository: Annotated[
        Path | None,
        typer.Option(
            "--repository",
            metavar="DIR",
            help="Folder of models; default: triton.repository, or OUT/triton/models.",
        ),
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a release's model to a Triton repository, and say how the server is started on it.

    A service with `serving.tower=triton` writes, loads and unloads models by itself where it can
    write to the repository; this is for where it cannot, and for a look.

    Example: colisten triton write --out out
    """
    from colisten.triton.repository import ModelRepository
    from colisten.triton.start import start_hints

    settings = load_settings(config, tuple(overrides or ())).triton
    if repository is not None:
        settings = settings.model_copy(update={"repository": str(repository)})
    store = ReleaseStore(out)
    release_id = store.resolve(release_id)
    folder, manifest = store.folder(release_id), store.show(release_id)
    models = ModelRepository.of(out, settings)
    name = models.write(folder, manifest)
    hints = start_hints(models.folder.resolve(), (out / "triton").resolve())
    if as_json:
        commands = [{"arguments": one.arguments, "variables": one.variables} for one in hints]
        print_document({"model": name, "repository": models.folder, "commands": commands})
        return
    terminal = Terminal()
    terminal.print(styled(name, "bold", f" is in {models.folder}. Start a server on it by"))
    for hint in hints:
        terminal.print(f"\n  {hint.shell()}", soft_wrap=True, highlight=False)
    terminal.print(
        "\nand the service with --set serving.tower=triton --set triton.url=http://HOST:8000, "
        "which loads the model of each release as it takes it up.",
        highlight=False,
    )
