"""Step: what of the settings each later step reads, so that each is cached by that alone."""

from typing import NamedTuple

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def split_settings(
    settings: str,
    code: str,
) -> NamedTuple(  # type: ignore[valid-type]
    "Split",
    [
        ("tables", str),
        ("text", str),
        ("features", str),
        ("graph", str),
        ("hgnn", str),
        ("rows", str),
        ("towers", str),
        ("ranking", str),
    ],
):
    """One settings tree for each kind of step, everything that it does not read at its default.

    Args:
        settings: `Settings.to_json()`.
        code: Digest of the colisten sources; part of the cache key.
    """
    from colisten.config import Settings
    from components.shapes import SHAPES, shaped

    whole = Settings.from_json(settings)
    return tuple(shaped(whole, step).to_json() for step in SHAPES)
