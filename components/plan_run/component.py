"""Step: the digest of the tables and the cuts of a run, which later steps are cached by."""

from kfp import dsl
from kfp.dsl import OutputPath

from colisten.components.image import image_of


@dsl.component(base_image=image_of("plan_run"), install_kfp_package=False)
def plan_run(
    source: str,
    cut: str,
    scheduled: str,
    window_days: int,
    trained_until: str,
    settings: str,
    source_digest: OutputPath(str),  # type: ignore[valid-type]
    moment: OutputPath(str),  # type: ignore[valid-type]
    backtest_cut: OutputPath(str),  # type: ignore[valid-type]
) -> None:
    """Read the cut as it was written, and find where the backtest is cut."""
    from colisten.components.launch import launch

    launch("plan_run", locals())
