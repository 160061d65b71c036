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
    import json
    from pathlib import Path

    from colisten.config import Settings
    from colisten.release.gate import decide
    from colisten.release.store import ReleaseStore

    candidate = json.loads(Path(table.path).read_text())
    live = ReleaseStore(Path(home)).live_manifest()
    verdict = decide(
        candidate, live.metrics if live is not None else None, Settings.from_json(settings).gate
    )
    Path(decision.path).write_text(json.dumps(verdict.to_dict(), indent=2))
    metrics.log_metric("passed", float(verdict.passed))
    Path(metrics.path).write_text(json.dumps({"passed": verdict.passed}))
