"""axe-core in a tab: what keeps people from reading or using a page, by the rules of WCAG."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.tab import Tab

# Rules that say how pages are best made, and keep nobody out, are left to the eye.
_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "resultTypes": ["violations"],
}


def barriers(tab: Tab) -> list[str]:
    """Each rule that the page breaks as it stands, with the elements that do."""
    spec = find_spec("axe_core_python")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    script = Path(spec.submodule_search_locations[0]) / "axe.min.js"
    tab.run(f"{script.read_text()}; 0")
    found: list[dict[str, Any]] = json.loads(
        tab.run(
            f"axe.run(document, {json.dumps(_OPTIONS)}).then(r => JSON.stringify(r.violations))"
        )
    )
    return [
        f"{rule['id']}: {rule['help']}: {[node['html'][:200] for node in rule['nodes'][:3]]}"
        for rule in found
    ]
