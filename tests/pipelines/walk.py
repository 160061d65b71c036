"""The release pipeline's steps called one after the other as plain functions, in this process."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from colisten.config import Settings
from colisten.data.backtest import backtest_cut
from colisten.data.checks import check_tables
from colisten.data.prepare import cut_notices

WINDOW_DAYS = 14


@dataclass
class Artifact:
    """What kfp hands to a step: a path and room for metadata."""

    path: str
    metadata: dict[str, Any] = field(default_factory=dict)

    def log_metric(self, name: str, value: float) -> None:
        self.metadata[name] = value


class Walk:
    """One pipeline over one folder of tables.

    Attributes:
        home: OUT of the run.
        notices: What the doors said.
    """

    def __init__(self, data: Path, home: Path, texts: Path, cut: datetime, settings: Settings):
        self.data, self.home, self.texts, self.cut = data, home, texts, cut
        self.settings = settings
        self.notices: tuple[str, ...] = ()
        self._made = 0

    def doors(self) -> None:
        """What `colisten run` looks at before it writes anything."""
        report = check_tables(self.data, settings=self.settings)
        short_of = cut_notices(
            self.data, cut=self.cut, window_days=WINDOW_DAYS, settings=self.settings
        )
        self.notices = (*report.notices, *short_of)

    def steps(self) -> None:
        """Every step of the pipeline, in its order."""
        target = self.settings.data.target_type
        backtest = backtest_cut(
            self.data, cut=self.cut, window_days=WINDOW_DAYS, target_type=target
        )
        tables = self._step(
            "check_tables", data=str(self.data), data_digest="", cut=self.cut, code="", window=True
        )
        history = tables["history"]
        text = self._step("embed_text", history=history, home=self.texts)["vectors"]
        features = self._step("build_features", history=history, text=text, cut=self.cut)[
            "features"
        ]
        known = {"history": history, "text": text, "features": features}
        backtested = self._fit(known, backtest)
        table = self._step(
            "evaluate",
            **known,
            **backtested[1],
            events=history,
            as_of=backtest,
            baselines=False,
            window=True,
        )["table"]
        graph, fitted, hgnn = self._fit(known, self.cut)
        decision = self._step("gate", table=table, home=self.home)["decision"]
        release = self._step(
            "publish",
            **known,
            graph=graph,
            hgnn=hgnn,
            towers=fitted["towers"],
            table=table,
            decision=decision,
            cut=self.cut,
            home=self.home,
        )["release"]
        measured = self._step(
            "evaluate",
            **known,
            **fitted,
            events=tables["holdout"],
            as_of=self.cut,
            baselines=True,
            window=True,
        )["table"]
        self._step(
            "recommend",
            history=history,
            features=features,
            release=release,
            towers_text=fitted["towers_text"],
            backtest=table,
            measured=measured,
            cut=self.cut,
            home=self.home,
            window=True,
        )
        self._step(
            "report",
            **known,
            release=release,
            graph=graph,
            cut=self.cut,
            backtest_cut=backtest,
            home=self.home,
        )

    def _fit(
        self, known: dict[str, Any], as_of: datetime
    ) -> tuple[Artifact, dict[str, Artifact], Artifact]:
        history, text = known["history"], known["text"]
        kept = {"checkpoints": self.home / "checkpoints"}
        graph = self._step("build_graph", history=history, as_of=as_of)["graph"]
        hgnn = self._step("train_hgnn", graph=graph, text=text, **kept)
        rows = self._step(
            "build_training_rows", history=history, features=known["features"], as_of=as_of
        )["rows"]
        towers = {
            name: self._step(
                "train_towers",
                rows=rows,
                history=history,
                text=text,
                vectors=hgnn["vectors"],
                blocks=blocks,
                **kept,
            )["towers"]
            for name, blocks in (("towers", "text,z"), ("towers_text", "text"))
        }
        return graph, {"vectors": hgnn["vectors"], **towers}, hgnn["model"]

    def _step(self, name: str, *, window: bool = False, **inputs: Any) -> dict[str, Artifact]:
        """Run a step: moments and paths become text, outputs get a path each."""
        function = getattr(
            importlib.import_module(f"components.{name}.component"), name
        ).python_func
        self._made += 1
        folder = self.home / "steps" / f"{self._made:02d}-{name}"
        folder.mkdir(parents=True)
        told = {
            key: value.isoformat()
            if isinstance(value, datetime)
            else str(value)
            if isinstance(value, Path)
            else value
            for key, value in inputs.items()
        }
        told |= {"window_days": WINDOW_DAYS} if window else {}
        wanted = [key for key in function.__annotations__ if key not in told]
        if "settings" in wanted:
            told["settings"] = self.settings.to_json()
        outputs = {
            key: Artifact(str(folder / key)) for key in wanted if key not in ("settings", "return")
        }
        function(**told, **outputs)
        return outputs
