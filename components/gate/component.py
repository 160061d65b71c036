"""Step: may this candidate be promoted?"""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate(
    table: Input[Dataset],
    home: str,
    settings: str,
    decision: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Judge the figures from before the cut, alone and against the live release.

    Args:
        table: Evaluation table on the window before the cut.
        home: Folder that owns the releases.
        settings: `Settings.to_json()`.
    """
    from pathlib import Path

    from colisten.config import Settings
    from colisten.json_files import read_mapping, write_json
    from colisten.release.gate import decide
    from colisten.release.store import ReleaseStore
    from components.figures import log_figures

    candidate = read_mapping(Path(table.path))
    live = ReleaseStore(Path(home)).live_manifest()
    verdict = decide(
        candidate, live.metrics if live is not None else None, Settings.from_json(settings).gate
    )
    write_json(Path(decision.path), verdict.to_dict())
    log_figures(metrics, {"passed": verdict.passed})
