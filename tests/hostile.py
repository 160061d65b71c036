"""Values that a careless page, figure or terminal would run, obey or take for markup."""

from __future__ import annotations

from typing import Any

_RUN = "document.documentElement.setAttribute('data-ran','1')"

SCRIPTS = (
    f"</script><script>{_RUN}</script>",
    f"<script>{_RUN}</script>",
    f'<img src=x onerror="{_RUN}">',
    '<img src="http://hostile.example/pixel.png">',
    f'"><svg onload="{_RUN}">',
    f"' onmouseover='{_RUN}",
    f'" onmouseover="{_RUN}',
    f'<a href="javascript:{_RUN}">look</a>',
    '<a href="http://hostile.example/">look</a>',
    f"[look](javascript:{_RUN})",
    "![look](http://hostile.example/pixel.png) [look](http://hostile.example/)",
    f"</title><script>{_RUN}</script>",
    f"</style><script>{_RUN}</script>",
    "<style>* { background: url(http://hostile.example/) }</style>",
    f'<iframe srcdoc="<script>parent.{_RUN}</script>"></iframe>',
    '<meta http-equiv="refresh" content="0;url=http://hostile.example/">',
    '<base href="http://hostile.example/">',
    "<form action=http://hostile.example/><button>go</button></form>",
    f"';{_RUN};'",
    f'";{_RUN};"',
    f"\\u003cscript>{_RUN}",
    f"`${{{_RUN}}}`",
    f"{{{{constructor.constructor('{_RUN}')()}}}}",
    "<!--<script>",
    "-->",
    "]]>",
    "<b>bold</b> <i>i</i> &lt;u&gt; &amp; &#60;",
    "**bold** _i_ `code` # head",
    "%{x} %{y:.2f} $\\alpha$",
)
CONTROLS = (
    "two\nlines\r\nand\u2028more\u2029",
    "nothing\x00here",
    "red \x1b[31mnot\x1b[0m \x1b]8;;http://hostile.example\x07link\x1b]8;;\x07 \x9b31m",
    "right \u202eto left\u202c \u2066isolated\u2069",
    "back\x08space\x7f bell\x07",
)
RICH = ("[red]x[/red]", "[link=http://hostile.example]x[/link]", ":smile:", "[/]", "[bold", "\\[x]")
VALUES = (*SCRIPTS, *CONTROLS, *RICH, "x" * 20_000)


def hostile(tree: Any, names: set[str]) -> Any:
    """A tree of JSON in which each of some names, as key or as value, became a hostile one.

    Equal names stay equal, so what is looked up by name is still found.
    """
    made = {name: f"{name} {VALUES[at % len(VALUES)]}" for at, name in enumerate(sorted(names))}

    def changed(one: Any) -> Any:
        if isinstance(one, str):
            return made.get(one, one)
        if isinstance(one, list):
            return [changed(each) for each in one]
        if isinstance(one, dict):
            return {changed(name): changed(each) for name, each in one.items()}
        return one

    return changed(tree)
