"""`colisten similar`: titles like a title, from a release, without a service."""

from __future__ import annotations

from typing import Annotated

import typer

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.filters import (
    ExcludeOption,
    IncludeOption,
    LanguageOption,
    LeftOutOption,
    RangeOption,
    read_filter,
)
from colisten.cli.inputs import OutOption
from colisten.cli.shelf import KOption, ReleaseOption, opened, print_shelf


def similar(
    out: OutOption,
    item: Annotated[str, typer.Option("--item", metavar="ID", help="An item of any type.")],
    k: KOption = 10,
    release_id: ReleaseOption = None,
    language: LanguageOption = None,
    include: IncludeOption = None,
    unwanted: ExcludeOption = None,
    ranges: RangeOption = None,
    left_out: LeftOutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recommendable items nearest to an item; popular ones where nothing is known of it.

    Example: colisten similar --out out --item p0012 -k 5
    """
    release = opened(out, release_id)
    kinds = release.loaded.columns.kinds
    wanted = read_filter(kinds, language, include, unwanted, ranges, left_out)
    items = release.similar(item, k, wanted)
    if as_json:
        print_document({"release_id": release.release_id, "item_id": item, "items": items})
        return
    by_popularity = bool(items) and items[0].inner_product is None
    note = "; nothing is known of this item: popular items" if by_popularity else ""
    print_shelf(f"Like {item}; release {release.release_id}{note}", items)
