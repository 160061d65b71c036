"""Values in pages stay values, and no page is put together or written elsewhere."""

from __future__ import annotations

import ast
import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.json_files import parse_json, to_json
from colisten.pages import (
    escape,
    figure_text,
    json_text,
    markdown_text,
    page,
    write_page,
)
from colisten.reports.render import render, theme
from colisten.shown import plain
from tests.hostile import VALUES

ROOT = Path(__file__).parents[2]
ROOMS = ("colisten", "monitoring", "serving", "feature_repo", "components", "pipelines", "cli")
RENDER = ROOT / "colisten" / "reports" / "render.py"
TEMPLATES = RENDER.parent / "templates"
HOME = ROOT / "colisten" / "pages.py"
ANY = st.text(st.characters(codec=None)) | st.sampled_from(VALUES)
# Every page that is written, by its file; tests/reports/test_hostile_pages.py opens each of them.
PAGES = {
    "ablations.html",
    "curve.html",
    "drift.html",
    "drift_evidently.html",
    "evaluation.html",
    "experiment.html",
    "explain.html",
    "graph.html",
    "model_card.html",
    "shelf.html",
}


class Read(HTMLParser):
    """What a parser finds: elements with their attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(ANY)
def test_a_value_is_text_of_an_element_and_of_an_attribute(value: str) -> None:
    for quote in "'\"":
        found = Read(f"<p title={quote}{escape(value)}{quote}>{escape(value)}</p>")
        assert found.elements == [("p", {"title": plain(value)})]
        assert found.text == plain(value)


@given(ANY)
def test_a_value_is_text_of_a_figure(value: str) -> None:
    written = figure_text(value)
    assert not set("<>") & set(written)
    # plotly reads numbered entities, in decimal, and seven named ones.
    assert set(re.findall(r"&([^;]*);?", written)) <= {"#38", "#60", "#62"}
    read = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), written)
    assert read == plain(value)


@given(ANY)
def test_a_value_is_text_of_markdown(value: str) -> None:
    written = markdown_text(value)
    assert "\n" not in written
    bare = re.sub(r"\\.", "", written)
    assert not re.search(r"[!-/:-@\[-`{-~]", bare)
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", written) == plain(value)


@given(
    st.recursive(
        ANY | st.floats() | st.integers(), lambda one: st.lists(one) | st.dictionaries(ANY, one)
    )
)
def test_json_in_a_script_is_the_same_and_cannot_end_it(value: object) -> None:
    written = json_text(value)
    assert not set("<>&\u2028\u2029") & set(written)
    assert repr(parse_json(written)) == repr(parse_json(to_json(value)))


@given(title=ANY, value=ANY)
def test_a_page_runs_its_own_scripts_alone(title: str, value: str) -> None:
    scripts = ("var a = 1;", f"var b = {json_text(value)};")
    made = page(title, f"<p>{escape(value)}</p>", style="p { margin: 0 }", scripts=scripts)
    made.encode()
    found = Read(made)
    names = [name for name, _ in found.elements]
    head = ["html", "head", "meta", "meta", "meta", "title", "style"]
    assert names == [*head, "body", "p", "script", "script"]
    policy = found.elements[3][1]["content"]
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    assert rules["script-src"].split() == [f"'sha256-{one}'" for one in digests]
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"


def test_a_still_page_may_run_nothing() -> None:
    policy = Read(page("t", "<p></p>", style="p {}")).elements[3][1]["content"]
    assert policy is not None
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'", policy
    )


@pytest.mark.parametrize("script", ["a('</script>')", "a('</SCRIPT ')", "a('<!--')"])
def test_a_script_that_would_end_early_is_refused(script: str) -> None:
    with pytest.raises(ValueError, match="a browser may take for its end"):
        page("t", "", scripts=[script])
    with pytest.raises(ValueError, match="style sheet"):
        page("t", "", style="</style>")


def test_a_page_is_written_whole_in_utf_8(tmp_path: Path) -> None:
    made = page("Ö", "<p>日本</p>")
    write_page(tmp_path / "deep" / "p.html", made)
    assert (tmp_path / "deep" / "p.html").read_bytes() == made.encode()
    assert [one.name for one in (tmp_path / "deep").iterdir()] == ["p.html"]


def sources() -> list[tuple[Path, ast.AST]]:
    files = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]
    assert len(files) > 150
    return [(file, ast.parse(file.read_text())) for file in files]


def docstrings(tree: ast.AST) -> set[int]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, kinds) and node.body and isinstance(node.body[0], ast.Expr)
    }


def strings(tree: ast.AST) -> list[str]:
    told = docstrings(tree)
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
    ]


def test_a_template_shows_values_as_text_on_one_line() -> None:
    made = render("curve", "<b>\x1b\n\u202e", planes={})
    assert "<h1>&lt;b&gt;\\x1b \\u202e</h1>" in made
    assert theme() in made


def test_templates_hold_nothing_that_the_policy_refuses_and_escape_all() -> None:
    files = sorted((TEMPLATES).glob("*.jinja"))
    assert len(files) > 5
    for file in files:
        text = file.read_text()
        assert not re.search(r"\bsafe\b|autoescape|<a\b|<img|\s(style|on[a-z]+)\s*=", text), file
        assert not re.search(r"<(script|style|meta|link|html|head|body)\b", text), file


def test_pages_are_put_together_in_one_place() -> None:
    whole = re.compile(
        r"<!doctype|<html|<head\b|<body|<script|<style|<meta|<link|javascript:", re.I
    )
    styled = re.compile(r"<[a-z][^>]*\s(style|on[a-z]+)\s*=", re.I)
    for file, tree in sources():
        if file == HOME:
            continue
        for text in strings(tree):
            assert not whole.search(text), f"{file}: a page made outside of {HOME.name}: {text!r}"
            assert not styled.search(text), f"{file}: the policy refuses this attribute: {text!r}"


def test_pages_are_escaped_and_written_in_one_place() -> None:
    forbidden = {"save_html", "write_html", "get_html_str", "HTMLResponse", "to_html_str"}
    for file, tree in sources():
        if file in (HOME, RENDER):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules = {node.module or ""}
            else:
                modules = set()
            strange = {"html", "markupsafe", "jinja2", "plotly.io", "xml.sax.saxutils"}
            assert not modules & strange, f"{file}: values enter a page through {HOME.name}"
            name = getattr(node, "attr", None) or getattr(node, "id", None)
            assert name not in forbidden, f"{file}: {name} writes values as they are"


def test_every_page_is_known_and_goes_through_its_writer() -> None:
    """A page that `write_page` does not write, or that no browser test opens, is found here."""
    named: set[str] = set()
    for file, tree in sources():
        found = {text for text in strings(tree) if re.fullmatch(r"[\w.-]+\.html", text)}
        named |= found
        for node in ast.walk(tree):
            is_write = isinstance(node, ast.Call) and getattr(node.func, "attr", "") in (
                "write_text",
                "write_bytes",
            )
            if is_write and file != HOME:
                written = ast.unparse(node)
                assert "html" not in written, f"{file}: {written} goes around write_page"
                for page_of_step in re.findall(r"(\w+): Output\[HTML\]", file.read_text()):
                    assert f"{page_of_step}.path" not in written, f"{file}: {written}"
    # A step's learning curve is an artifact, which no file is named after. The pages of the service
    # hold no value until a browser fills them in, where tests/serving/test_page.py looks at them.
    served = {file.name for file in (ROOT / "serving/page/files").glob("*.html")}
    assert served <= named
    assert (named - served) | {"curve.html", "shelf.html"} == PAGES
