"""The pictures of README and docs, taken anew from what `colisten demo` left.

    python -m tests.pictures demo-out/run

writes docs/images/: a shelf, the evaluation, the explanation, the graph, drift and the experiment,
each as a window of 1280 pixels and a phone of 390 show it, the first two in the dark too; and the
page of its service.
It needs `chromium`.
Ablations are pictured where the folder has their page: `colisten ablate` is too long to run here.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import colisten
from colisten.cli.user_ids import every_user
from colisten.files import write_aside
from colisten.pages import write_page
from colisten.reports.shelf import to_html as shelf_page
from colisten.steps.use_cases.explain import explain
from tests import page_pictures
from tests.browser import Browser, browser

IMAGES = Path(__file__).parent.parent / "docs" / "images"
PAGES = ("shelf", "evaluation", "explain", "graph", "ablations", "drift", "experiment")
# Name's ending, width and greatest height, pixels, and whether it is dark.
VIEWS = (("", 1280, 1440, False), ("-phone", 390, 1000, False), ("-dark", 1280, 1440, True))
DARK = ("shelf", "evaluation")
SERVED = "page"  # in every view
# Of what takes minutes to be seen: each by the test that sees it.
BY_TESTS = {
    "evidently.webp": "tests/monitoring/test_monitor_ui.py",
    "outage.webp": "tests/k8s/monitoring/test_scraped.py",
}
ITEMS, USERS = 9, 200


def take(out: Path, images: Path = IMAGES) -> list[Path]:
    """Write the pictures of a run's pages; returns their files.

    Args:
        out: The folder of a run, such as demo-out/run. Its explanation is made where it is not
            there yet.
        images: Where pictures go.
    """
    reports = out / "reports"
    if not (reports / "explain.html").is_file():
        explain(out)
    write_shelf(out, reports / "shelf.html")
    files = []
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as chromium:
        for name in PAGES:
            if (reports / f"{name}.html").is_file():
                files += _views(chromium, reports / f"{name}.html", images)
        if (reports / "evaluation.html").is_file():  # a whole run, whose service knows users
            for ending, picture in page_pictures.pictures(chromium, out, VIEWS):
                files.append(_written(images / f"{SERVED}{ending}.webp", picture))
    return files


def write_shelf(out: Path, page: Path) -> None:
    """A page with the shelf of one user: of some hundred, whose titles have the most reasons."""
    release = colisten.load_release(out)
    shelves = release.shelves(every_user(out)[:USERS], ITEMS)
    shelf = max(shelves, key=lambda shelf: sum(each.why is not None for each in shelf.items))
    manifest = release.manifest
    content = shelf_page(
        [shelf],
        release_id=release.release_id,
        target_type=manifest.target_type,
        as_of=manifest.as_of,
    )
    write_page(page, content)


def _views(chromium: Browser, page: Path, images: Path) -> list[Path]:
    files = []
    for ending, width, most, dark in VIEWS:
        if dark and page.stem not in DARK:
            continue
        picture = chromium.picture(page.resolve(), width=width, most=most, dark=dark)
        files.append(_written(images / f"{page.stem}{ending}.webp", picture))
    return files


def _written(file: Path, picture: bytes) -> Path:
    with write_aside(file) as aside:
        aside.write_bytes(picture)
    return file


def main() -> None:
    """Take the pictures of the folder on the command line."""
    parser = argparse.ArgumentParser(description="Take the pictures of README and docs anew.")
    parser.add_argument("out", type=Path, help="folder of a run, such as demo-out/run")
    parser.add_argument("--images", type=Path, default=IMAGES, help="where pictures go")
    arguments = parser.parse_args()
    if shutil.which("chromium") is None:
        raise SystemExit("chromium is not installed; your distribution has it.")
    for file in take(arguments.out, arguments.images):
        print(file)


if __name__ == "__main__":
    main()
