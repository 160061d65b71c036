"""What is compiled into a pipeline: settings a step, places, and what each step's pod gets.

So whoever starts a run says `data` and `cut` and no more. What a step reads of the settings is a
constant of its task, and with it what identifies its code: the digest of its image where
`cluster.yaml` names one, else that of the code on this machine. Kubeflow's cache key, which is a
step's image and inputs, then holds all that its result depends on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp import dsl

from colisten.components.image import STEP_TARGETS, image_of
from colisten.pipelines.placing import place
from colisten.settings.cluster import Cluster
from colisten.settings.tree import Settings
from colisten.steps.registry import step_named
from colisten.steps.settings import settings_json
from colisten.steps.trials import TrainingRun
from colisten.steps.workflow import Home

OF_A_TRIAL = (
    "build_graph",
    "inspect_graph",
    "train_hgnn",
    "build_training_rows",
    "train_towers",
    "rank",
)
# A home for a file that is compiled to be looked at, without a cluster to run it.
_SOMEWHERE = "/colisten"


@dataclass(frozen=True)
class Places:
    """Folders of a run, as its pods see them.

    Attributes:
        home: Owns releases, online features, index and reports; or s3://bucket/prefix.
        checkpoints: Keeps unfinished training across runs.
        text_cache: Keeps text vectors across runs.
    """

    home: str
    checkpoints: str
    text_cache: str

    @classmethod
    def of_home(cls, home: Home) -> Places:
        """Those of a folder on this machine."""
        return cls(str(home.out), str(home.checkpoints), str(home.texts))

    @classmethod
    def of_cluster(cls, cluster: Cluster | None) -> Places:
        """Those that a cluster names; without one, those of a folder that nobody has."""
        if cluster is None:
            return cls.of_home(Home(Path(_SOMEWHERE)))
        scratch = cluster.scratch_folder
        return cls(cluster.home, f"{scratch}/checkpoints", f"{scratch}/text")


@dataclass(frozen=True)
class Steps:
    """Calls components for a pipeline, each with its settings compiled in and its pod described.

    Attributes:
        settings: All of them; a step gets those that it reads.
        places: Where things lie.
        cluster: What its pods get; None for this machine.
        scheduled: What stands for the moment that a run is due at; kfp's own runner, which
            schedules nothing, knows no such thing.
    """

    settings: Settings
    places: Places
    cluster: Cluster | None = None
    scheduled: str = ""

    @classmethod
    def for_cluster(cls, settings: Settings, cluster: Cluster | None) -> Steps:
        """Those of a file that is compiled for a cluster, or without one to be looked at."""
        placeholder = "" if cluster is None else dsl.PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER
        return cls(settings, Places.of_cluster(cluster), cluster, placeholder)

    def __call__(
        self,
        component: Callable[..., Any],
        *,
        title: str | None = None,
        changes_world: bool = False,
        settings: Any = None,
        **inputs: Any,
    ) -> Any:
        """A task of the pipeline that is being compiled.

        Args:
            component: A function decorated with `dsl.component`, named after its step.
            title: What Kubeflow shows; default its name.
            changes_world: It reads or changes what lies outside the run, so that it never comes
                from a cache.
            settings: What another task says that the step reads; default what is compiled in.
            inputs: By parameter.
        """
        step = component.name.replace("-", "_")  # type: ignore[attr-defined]
        task = component(settings=self.read_by(step) if settings is None else settings, **inputs)
        return self.placed(task, step, title=title, changes_world=changes_world)

    def placed(
        self, task: Any, step: str, *, title: str | None = None, changes_world: bool = False
    ) -> Any:
        """A task with its title, its cache and its pod; arguments are those of a call."""
        if title is not None:
            task.set_display_name(title)
        if changes_world or (self.cluster is not None and not self.cluster.cache):
            task.set_caching_options(False)
        if self.cluster is not None:
            place(task, step, self.cluster)
        return task

    def read_by(self, step: str) -> str:
        """What a step reads of the settings, and the identity of its code, as JSON."""
        return settings_json(step_named(step), self._of_pod(step), code=self._image(step))

    def trial_item(self, one: TrainingRun) -> dict[str, str]:
        """A trial as the trials pipeline takes it."""
        steps = Steps(one.settings, self.places, self.cluster)
        return {
            "model": one.model,
            "blocks": one.blocks,
            "beside": ",".join(one.beside),
            **{f"{step}_settings": steps.read_by(step) for step in OF_A_TRIAL},
        }

    def exit_handler(self) -> Any:
        """What wraps a pipeline's tasks: tells somebody how it ended, where a webhook is set."""
        from contextlib import nullcontext

        if self.cluster is None or self.cluster.webhook is None:
            return nullcontext()
        from colisten.components.notify.component import notify

        told = self.placed(notify(home=self.places.home), "notify", changes_world=True)
        return dsl.ExitHandler(exit_task=told, name="run")

    def _of_pod(self, step: str) -> Settings:
        """The settings, with threads and DuckDB's memory within the limits of the step's pod."""
        if self.cluster is None:
            return self.settings
        asked = self.settings
        said = asked.memory_limit if "memory_limit" in asked.model_fields_set else None
        computing = self.cluster.trainjob_of(step) or self.cluster.pod_of(step)
        engine = computing.engine(asked.threads, said)
        return asked.model_copy(
            update={"threads": engine.threads, "memory_limit": engine.memory_limit}
        )

    def _image(self, step: str) -> str | None:
        if self.cluster is None:
            return None
        image: str = self.cluster.images.get(STEP_TARGETS[step], image_of(step))  # type: ignore[call-overload]
        digest = image.partition("@")[2] or None
        job = self.cluster.trainjob_of(step)
        if digest is None or job is None or job.nodes * job.processes == 1:
            return digest
        # So many processes share a batch that another number gives another model.
        return f"{digest} in {job.nodes * job.processes} processes"
