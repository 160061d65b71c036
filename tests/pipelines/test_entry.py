"""The command line that a TrainJob's pods and a SparkApplication run is the step itself."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from colisten.components.entry import main, named_inputs
from colisten.components.launch import launch
from colisten.errors import ConfigError, PipelineError
from colisten.files import folder_digests
from colisten.json_files import parse_json, read_json, to_json
from colisten.pipelines.train_jobs import submission
from colisten.settings.cluster import cluster_from
from colisten.settings.sections import HGNNSettings
from colisten.settings.tree import Settings
from colisten.steps.artifacts.graph import GraphSet
from colisten.steps.artifacts.vectors import ItemVectors, TextVectors
from colisten.steps.execution import execute, take_part
from colisten.steps.registry import SHARED, STEPS, shared_part, step_named
from colisten.steps.settings import settings_json, settings_of
from colisten.variables import POD_NAMESPACE, TRAIN_JOB
from tests.conftest import CUT
from tests.pipelines.crds import faults
from tests.pipelines.trainer_api import ROOT, serving
from tests.sampling.graphs import random_graph
from tests.sampling.test_temporal import dated
from tests.spark import CONFIGURATION

APPLICATION = ROOT / "docs" / "spark_application.yaml"
ENTRY = ROOT / "colisten" / "components" / "entry.py"
LAST = 20


def of_batch(size: int) -> Settings:
    """In-batch negatives stay within 32 pairs, so what a pair competes with is the same."""
    hgnn = HGNNSettings(
        dim=16,
        fanouts=(4, 3),
        batch_size=size,
        in_batch=32,
        max_steps=LAST,
        evaluate_every=5,
        patience=100,
    )
    return Settings(threads=1, hgnn=hgnn)


@pytest.fixture(scope="module")
def learned_from(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Inputs of `train_hgnn`: a graph with two folds, and text vectors."""
    folder = tmp_path_factory.mktemp("inputs")
    graph = dated(random_graph(60, 60, 4000, seed=1), 1000, 1)
    fewer = dated(random_graph(60, 60, 3000, seed=2), 1000, 1)
    fewer = replace(fewer, ids_digest=graph.ids_digest)
    GraphSet.write(folder / "graph", graph, [lambda: fewer, lambda: graph], None, None)
    text = np.random.default_rng(0).normal(size=(120, 12)).astype(np.float32)
    TextVectors(text).save(folder / "text")
    return {"graph": folder / "graph", "text": folder / "text"}


@pytest.mark.slow
def test_two_processes_of_a_trainjob_train_as_one_with_the_doubled_batch(
    learned_from: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """To 1e-5: sums of floats in another order are all that differs."""
    step = step_named("train_hgnn")
    inputs: dict[str, Any] = {**learned_from, "checkpoints": tmp_path / "alone"}
    alone = execute(step, inputs, settings_of(step, of_batch(64)), tmp_path / "one")

    job = {
        "processes": 2,
        "requests": {"cpu": "2", "memory": "2Gi"},
        "limits": {"cpu": "2", "memory": "4Gi"},
        "timeout_seconds": 600,
    }
    tree = yaml.safe_load((ROOT / "docs" / "cluster.yaml").read_text())
    tree["steps"]["train_hgnn"]["trainjob"] = job
    given = parse_json(submission("train_hgnn", cluster_from(tree)) or "")
    given["folder"] = str(tmp_path / "trainjobs")
    outputs = {name: str(tmp_path / "two" / name) for name in ("model", "vectors", "curve")}
    arguments = {
        **{name: str(place) for name, place in learned_from.items()},
        "checkpoints": str(tmp_path / "together"),
        "settings": settings_json(step, of_batch(32)),
        **outputs,
        "metrics": str(tmp_path / "two" / "metrics"),
    }
    with serving(tmp_path) as (api, kubeconfig):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        monkeypatch.setenv(POD_NAMESPACE, "here")
        monkeypatch.setenv(TRAIN_JOB, to_json(given))
        launch("train_hgnn", arguments)
        assert api.jobs == {}
        assert len(api.deleted) == 1
    assert "HGNN trained" in capsys.readouterr().out, "the log of its pods"

    one, two = (read_json(tmp_path / each / "model" / "curve.json") for each in ("one", "two"))
    assert len(one) == len(two) == LAST // 5
    for first, second in zip(one, two, strict=True):
        assert second["validation_loss"] == pytest.approx(first["validation_loss"], abs=1e-5)
    made = ItemVectors.load(Path(outputs["vectors"]))
    np.testing.assert_allclose(made.z, alone.vectors.z, atol=1e-3)
    assert made.z_folds.shape == (2, 120, 16)
    assert not [*(tmp_path / "together").iterdir()], "nothing unfinished is left"


def of_application(history: Path, out: Path, settings: Path) -> list[str]:
    """What the example of a SparkApplication runs, on this machine's folders."""
    spec = yaml.safe_load(APPLICATION.read_text())["spec"]
    moved = {
        "/colisten/settings.yaml": str(settings),
        "/colisten/spark/2025-06-16": str(out),
        "history=/colisten/history": f"history={history}",
        "as_of=2025-06-16": f"as_of={CUT:%Y-%m-%d}",
    }
    assert {*moved} <= {*spec["arguments"]}
    assert spec["mainApplicationFile"].endswith(f"/site-packages/{ENTRY.relative_to(ROOT)}")
    conf = {
        **spec["sparkConf"],
        **CONFIGURATION,
        "spark.sql.warehouse.dir": str(out.parent / "warehouse"),
    }
    words = [moved.get(each, each) for each in spec["arguments"]]
    submit = [str(Path(sys.executable).parent / "spark-submit"), "--master", "local[1]"]
    for name, value in conf.items():
        submit += ["--conf", f"{name}={value}"]
    return [*submit, str(ENTRY), *words]


@pytest.mark.slow
def test_the_spark_application_builds_the_graph_that_duckdb_builds(
    tiny_history: Path, tmp_path: Path
) -> None:
    """Every file of every graph, to the byte."""
    settings = tmp_path / "settings.yaml"
    settings.write_text("cross_fitting: {folds: 2}\ngraph: {min_colisteners: 1}\n")
    said = submitted(of_application(tiny_history, tmp_path / "spark", settings), tmp_path)
    assert re.search(r'"where": ?"pyspark"', said), "counted by Spark"
    words = [f"history={tiny_history}", f"as_of={CUT:%Y-%m-%d}", "--config", str(settings)]
    assert main(["build_graph", *words, "--out", str(tmp_path / "duckdb")]) == 0
    on_spark, on_duckdb = (
        folder_digests(tmp_path / each / "graph") for each in ("spark", "duckdb")
    )
    assert {"full/arrays.arrow", "validation/arrays.arrow", "fold-0.arrow", "fold-1.arrow"} <= {
        *on_duckdb
    }
    assert on_spark == on_duckdb
    assert (tmp_path / "spark" / "metrics").read_text() == (
        tmp_path / "duckdb" / "metrics"
    ).read_text()


@pytest.mark.slow
def test_histories_are_cut_on_spark_as_on_duckdb(tiny_history: Path, tmp_path: Path) -> None:
    """Every source of the feature repository, to the byte."""
    titles = pq.read_metadata(tiny_history / "items.parquet").num_rows
    TextVectors(np.ones((titles, 4), np.float32)).save(tmp_path / "text")
    words = [f"history={tiny_history}", f"text={tmp_path / 'text'}", f"cut={CUT:%Y-%m-%d}"]
    assert main(["build_features", *words, "--out", str(tmp_path / "duckdb")]) == 0
    line = of_application(tiny_history, tmp_path / "spark", tmp_path / "settings.yaml")
    line = line[: line.index("build_graph")]
    submitted([*line, "build_features", "--spark", *words, "--out", f"{tmp_path}/spark"], tmp_path)
    on_spark, on_duckdb = (
        folder_digests(tmp_path / each / "features" / "sources") for each in ("spark", "duckdb")
    )
    assert len(on_duckdb) > 5
    assert on_spark == on_duckdb


def submitted(line: list[str], folder: Path) -> str:
    """What is logged by what was submitted to Spark, which came to a good end."""
    done = subprocess.run(
        line,
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr  # Spark hands on as its own output what a program logs


def test_the_spark_application_is_one_that_the_operator_takes() -> None:
    application = yaml.safe_load(APPLICATION.read_text())
    assert faults(application) == []
    spec = application["spec"]
    assert "@sha256:" in spec["image"]
    (volume,) = spec["volumes"]
    for pod in (spec["driver"], spec["executor"]):
        (mounted,) = pod["volumeMounts"]
        assert mounted["name"] == volume["name"]
        places = [each.partition("=")[2] or each for each in spec["arguments"] if "/" in each]
        assert all(place.startswith(f"{mounted['mountPath']}/") for place in places)
    step, *words = (each for each in spec["arguments"] if not each.startswith("--"))
    named = named_inputs(step_named(step), [each for each in words if "=" in each])
    assert named == {"history": "/colisten/history", "as_of": "2025-06-16"}
    broken = {**application, "spec": {**spec, "mainFile": "x"}}
    assert faults(broken) == ["unknown: spec.mainFile"]


def test_a_step_that_several_processes_share_has_a_part_of_the_same_inputs() -> None:
    assert {*SHARED} < {*STEPS}
    for name in SHARED:
        step = step_named(name)
        whole, part = (inspect.signature(each).parameters for each in (step, shared_part(step)))
        assert {*part} == {*whole} - {"out"}
    with pytest.raises(PipelineError, match="Step of several processes"):
        take_part(step_named("train_towers"), {}, {})


def test_one_process_executes_the_step_by_its_command_line(
    tiny_history: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "read.json"
    settings.write_text(settings_json(step_named("build_graph"), Settings()))
    words = ["build_graph", f"history={tiny_history}", f"as_of={CUT:%Y-%m-%d}"]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    assert main([*words, "--settings", str(settings), "--out", str(tmp_path / "two")]) == 0
    assert {each.name for each in (tmp_path / "one").iterdir()} == {"graph", "metrics"}
    assert folder_digests(tmp_path / "one") == folder_digests(tmp_path / "two")


def test_a_step_that_fails_leaves_nothing_and_a_code(tmp_path: Path) -> None:
    words = ["build_graph", f"history={tmp_path}", "as_of=2025-06-16"]
    assert main([*words, "--out", str(tmp_path / "made")]) == 1
    assert [*tmp_path.iterdir()] == []
    assert main(["bild_graph", "--out", str(tmp_path / "made")]) == 1
    assert main(["build_graph", "histori=x", "--out", str(tmp_path / "made")]) == 2


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (["history"], "names no input"),
        (["histori=x"], "history"),
        (["history=x", "history=y"], "given 2 times"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(pairs: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        named_inputs(step_named("build_graph"), pairs)
