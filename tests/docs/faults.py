"""What a page says and the repository does not keep: a function a kind, each a list of faults."""

from __future__ import annotations

import re
from collections.abc import Callable

from colisten.errors import ConfigError
from colisten.settings.tree import RENAMED, SECTIONS, Settings, load_settings, setting_names
from tests.docs.code import bound_by, faults_of_code
from tests.docs.commands import faults_of_line, known_options, lines_of
from tests.docs.page import ROOT, Page
from tests.docs.source import can_be_printed, homes, methods, resolves

ROOMS = (
    "colisten|tests|benchmarks|cli|docs|components|pipelines|feature_repo|monitoring|serving"
    "|images|supply|k8s"
)
# Files and words that a reader of docs/extending.md makes; the tests of that page make them too.
MADE_BY_THE_READER = {
    "colisten/graph/co_followed.py",
    "colisten/index/faiss.py",
    "index.backend=faiss",
}
# A folder of caches, a label and an annotation of Kubernetes.
NOT_PATHS = {"colisten/images", "colisten/asks", "colisten/titles"}
# What these pages print is made anew by a test and compared there.
RUN_AS_PRINTED = {"docs/tutorial.md": "tests/test_tutorial.py"}
# The one page that says what settings were called.
UPGRADE = "docs/upgrade.md"
# A field of an answer, and calls of what others wrote.
NOT_PYTHON = {
    *(
        "how.fallbacks",
        "how.unknown",
        "HeteroConv(SAGEConv)",
        'model_dump(mode="json")',
        "model_dump_json()",
    ),
}
_FILE = (
    r"\.(?:py|md|html|jsonl?|npy|arrow"
    r"|parquet|parq|ya?ml|onnx|safetensors|css|jinja|db|log|csv|gz)$"
)
# Classes that pages speak of beside ours; the last is what JSON calls a command line at fault.
OF_OTHERS = {
    *("HeteroData", "LinkNeighborLoader", "NumNeighbors", "RandomLinkSplit", "ToSparseTensor"),
    *("NaT", "UsageError"),
}
# What a run leaves in its folder; a slow test holds it to a run.
LEFT_BY_A_RUN = (
    "",
    "steps",
    "steps/check_tables-*",
    "steps/check_tables-*/history",
    "steps/check_tables-*/holdout",
    "steps/build_graph-*/graph",
    "cache",
    "cache/checkpoints",
    "features",
    "features/*",
    "features/*/sources",
    "features/online_*.db",
    "features/*/feature_store.yaml",
    "features/*/registry.db",
    "features/*/sources/*.parquet",
    "releases",
    "releases/LIVE",
    "releases/journal.jsonl",
    "releases/.lock",
    "releases/r*",
    "releases/r*/manifest.json",
    "releases/r*/user_tower.onnx",
    "releases/r*/item_vectors.npy",
    "releases/r*/history_vectors.npy",
    "releases/r*/hgnn.safetensors",
    "releases/r*/items.parquet",
    "releases/r*/seen_users.npy",
    "releases/r*/neighbour_items.npy",
    "releases/r*/score_calibration.json",
    "releases/r*/golden_set",
    "index",
    "reports",
    "reports/drift.html",
    "reports/evaluation.html",
    "reports/graph.html",
    "reports/model_card.html",
    "metrics.json",
    "slices.json",
    "recommendations.parquet",
)
# What other commands leave there, or a run with settings of its own.
LEFT_BY_OTHERS = (
    "steps/run.log",
    "experiment",
    "exposures",
    "exposures/*",
    "exposures/NAME-DIGEST",
    "shelves",
    "triton",
    "triton/models",
    "index/milvus.db",
    "index/exact",
    "index/endpoint.json",
    "pipeline/runs",
    "pipeline/run.log",
    "reports/explain.html",
    "reports/explain.json",
    "reports/experiment.html",
)


def links(page: Page) -> list[str]:
    """Relative links and anchors that lead nowhere."""
    faults = []
    for link in page.links:
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        file = page.folder / target if target else ROOT / page.name
        if not file.exists():
            faults.append(f"{link}: no such file")
        elif anchor and file.suffix == ".md":
            there = page if not target else Page(file.name, file.read_text())
            if anchor not in there.anchors:
                faults.append(f"{link}: no such heading")
    return faults


def paths(page: Page) -> list[str]:
    """Files, folders and targets of `make` that the repository does not have."""
    prose = re.sub(r"\]\([^)]*\)", "", page.prose)
    named = re.findall(rf"(?<![\w./<~-])(?:{ROOMS})/[\w*][\w./*-]*", prose)
    named = [name.rstrip(".") for name in named if name.rstrip(".") not in NOT_PATHS]
    faults = [name for name in named if name not in MADE_BY_THE_READER and not any(ROOT.glob(name))]
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"(?m)(?:^|`)make ([\w-]+)", page.text)
    return faults + [
        f"make {each}" for each in targets if not re.search(rf"(?m)^{each}:", makefile)
    ]


def names(page: Page) -> list[str]:
    """Names of Python in backticks that lead to nothing."""
    faults = []
    for span in page.spans:
        match = re.fullmatch(r"(\.?[A-Za-z_][\w.]*?)(\(.*\))?(?: -> .*)?", span)
        if not match or re.search(_FILE, span) or span in NOT_PYTHON:
            continue
        name, call = match[1], match[2]
        if name.startswith("."):
            there = not call or name[1:] in methods()
        elif "." in name:
            there = (not call and _is_setting(name)) or resolves(name)
        elif call or re.fullmatch(r"[A-Z]+[a-z0-9]+(?:[A-Z]\w*)+", name):
            there = name in methods() or name in homes() or name in OF_OTHERS
        else:
            continue
        if not there:
            faults.append(span)
    return faults


def _is_setting(name: str) -> bool:
    section = name.split(".")[0]
    return name in (*setting_names(), *RENAMED) or (section in SECTIONS and name.endswith(".*"))


def settings(page: Page) -> list[str]:
    """Settings and values of them that there are not."""
    faults = []
    for span in page.spans:
        match = re.fullmatch(
            rf"({'|'.join(SECTIONS)})\.(\w+)|(?:(?:{'|'.join(SECTIONS)})\.|preset|threads|seed)"
            r"[\w.]*?(?:=|: )(.*)",
            span,
        )
        if not match or span in MADE_BY_THE_READER or re.search(_FILE, span):
            continue
        if match[1]:
            renamed = span in RENAMED and page.name == UPGRADE
            if span not in setting_names() and not renamed and not resolves(span):
                faults.append(f"{span}: no such setting")
        elif match[3] != "...":
            faults += fault_of_override(re.sub(r"^([\w.]+): ", r"\1=", span))
    return faults


def fault_of_override(override: str) -> list[str]:
    """What is wrong with `section.name=value`."""
    try:
        load_settings(None, (override,))
    except ConfigError as error:
        return [f"{override}: {error}"]
    return []


def defaults(page: Page) -> list[str]:
    """Quoted defaults that are others, and quotations that nobody can check.

    The forms are `section.name` (default VALUE) and `section.name=VALUE` (default).
    """
    faults = []
    prose = re.sub(r"\s+", " ", page.prose)
    for match in re.finditer(r"(?:`([^`]*)` )?\(default(?! settings)\b(?: ([^);]*))?", prose):
        span, value = match[1] or "", match[2]
        override = span if value is None else f"{span}={value.strip('`')}"
        if override.partition("=")[0] not in setting_names():
            faults.append(f"{match[0]}: not `section.name` (default VALUE)")
        elif override in MADE_BY_THE_READER or fault_of_override(override):
            faults.append(f"{match[0]}: no value of it")
        elif load_settings(None, (override,)) != Settings():
            faults.append(f"{match[0]}: that is not the default")
    for name, value in re.findall(r"`([\w.]+)` \(([\d.\[`][^)]*)\)", prose):
        if name in setting_names():
            faults.append(f"`{name}` ({value}): write (default {value})")
    return faults


def commands(page: Page) -> list[str]:
    """Command lines that name a command, an option or a setting that there is not."""
    faults = []
    for line in lines_of(page):
        told, overrides = faults_of_line(line)
        faults += told
        for override in overrides:
            if override not in MADE_BY_THE_READER:
                faults += fault_of_override(override)
    for span in page.spans:
        option = re.match(r"(--[a-z][\w-]*)( |=|$)", span)
        if option and option[1] not in known_options():
            faults.append(f"{option[1]}: no option of any command")
    return faults


def python(page: Page) -> list[str]:
    """Blocks of Python that do not compile, or name what is not there."""
    blocks = [block for block in page.blocks if block.language == "python"]
    return [
        fault
        for at, block in enumerate(blocks)
        for fault in faults_of_code(page.name, block, bound_by(blocks[:at]))
    ]


def messages(page: Page) -> list[str]:
    """Quoted messages that no source has: lines of `text` blocks, sentence by sentence."""
    lines = [
        line
        for block in page.blocks
        if block.language == "text" and page.name not in RUN_AS_PRINTED
        for line in block.code.splitlines()
        if line.strip()
    ]
    return [
        sentence
        for line in lines
        for sentence in re.split(r"(?<=[.?!]) (?=[A-Z])", line.strip())
        if not can_be_printed(sentence)
    ]


def outputs(page: Page) -> list[str]:
    """Paths below a run's folder that no command leaves there."""
    text = page.prose + "\n".join(block.code for block in page.blocks)
    # Functions write to an `out` of their own, which is no run's.
    text = re.sub(r"`out/(?:history|holdout|truth/)`", "", text)
    named = re.findall(r"(?<![\w/.-])(?:OUT|out|demo-out/run)/([\w*./-]*)", text)
    named += [name for block in page.blocks for name in _tree(block.code)]
    known = [re.compile(re.escape(each).replace(r"\*", r"[^/]*")) for each in LEFT_BY_A_RUN]
    known += [re.compile(re.escape(each)) for each in LEFT_BY_OTHERS]
    return [
        name
        for name in (each.rstrip("./") for each in named)
        if not any(each.fullmatch(name) for each in known)
    ]


def _tree(code: str) -> list[str]:
    """Paths below OUT in a drawing of folders: two blanks deeper is one folder deeper."""
    if not (top := re.match(r"OUT/(\S*)\n", code)):
        return []
    named, above = [], [top[1].rstrip("/")]
    for blanks, line in re.findall(r"(?m)^(  +)(\S.*)$", code):
        names = re.split(r", | ", re.split(r"  +", line)[0])
        above = [*above[: len(blanks) // 2], names[0].rstrip("/")]
        named += ["/".join(filter(None, (*above[:-1], name.rstrip("/")))) for name in names]
    return named


KINDS: dict[str, Callable[[Page], list[str]]] = {
    check.__name__: check
    for check in (*(links, paths, names, settings, defaults, commands, python, messages, outputs),)
}
