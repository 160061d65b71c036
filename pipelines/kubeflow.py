"""A Kubeflow Pipelines API: runs submitted, put on a schedule, and looked at.

By kfp's own client, with what it lacks: an answer within bounds, and a schedule that can be set
twice. Kubeflow changes no schedule (kubeflow/pipelines#3789, #6001): a new one is made and those of
its name are deleted after it, so that a failure on the way leaves one rather than none.
"""

from __future__ import annotations

from colisten.extras import needs

needs("kfp_server_api", "urllib3")

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import kfp
import kfp_server_api
import urllib3

from colisten.addresses import keeps_secrets
from colisten.errors import ConfigError, PipelineError
from colisten.json_files import to_json
from colisten.settings.cluster import Server

_SECONDS = 30.0
_PAGE = 100
_SHOWN_CHARS = 300
_BAD = ("FAILED", "CANCELED", "CANCELING")


@dataclass(frozen=True)
class Task:
    """A task of a run.

    Attributes:
        name: What Kubeflow shows.
        state: Kubeflow's word, such as SUCCEEDED.
        error: What it says went wrong; "" where it says nothing.
    """

    name: str
    state: str
    error: str = ""


@dataclass(frozen=True)
class Run:
    """A run as Kubeflow knows it.

    Attributes:
        run_id: Its id.
        name: What Kubeflow shows.
        state: Kubeflow's word.
        page: Where a person looks at it.
        failed: Tasks that failed or were cancelled.
    """

    run_id: str
    name: str
    state: str
    page: str
    failed: tuple[Task, ...] = ()


class Kubeflow:
    """The API of one server.

    Args:
        server: Which, and as whom.

    Raises:
        ConfigError: A token would be sent in the open.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._token = os.environ.get(server.token_variable) or None
        if self._token is not None and not keeps_secrets(server.host):
            raise ConfigError(
                f"{server.token_variable} would be sent to {server.host} in the open.",
                "Write kubeflow.host as https://, or unset the variable.",
            )

    def submit(self, file: Path, name: str, arguments: dict[str, Any]) -> Run:
        """Start a run of a compiled pipeline.

        Args:
            file: What `compile_pipeline` wrote.
            name: What Kubeflow shows.
            arguments: Parameters of the pipeline.

        Raises:
            PipelineError: The server cannot be reached, or refuses.
        """
        with self._asked():
            made = self._client.run_pipeline(
                self._experiment,
                name,
                pipeline_package_path=str(file),
                params=arguments,
                service_account=self._server.service_account,
            )
        return self._run(made)

    def schedule(self, file: Path, name: str, cron: str, arguments: dict[str, Any]) -> str:
        """Have a compiled pipeline run by the clock; whatever else has the name stops.

        Args:
            file: What `compile_pipeline` wrote.
            name: Of the schedule.
            cron: Six fields, seconds first, in UTC: `0 0 2 * * *` is every night at two.
            arguments: Parameters of every run.

        Returns:
            The id of the schedule.

        Raises:
            PipelineError: The server cannot be reached, or refuses; what ran before goes on.
        """
        with self._asked():
            before = list(self._schedules(name))
            made = self._client.create_recurring_run(
                self._experiment,
                name,
                cron_expression=cron,
                no_catchup=True,
                max_concurrency=1,
                pipeline_package_path=str(file),
                params=arguments,
                service_account=self._server.service_account,
            )
            for each in before:
                self._client.delete_recurring_run(each)
        return str(made.recurring_run_id)

    def runs(self, most: int = 10) -> list[Run]:
        """The newest runs of the experiment; raises as `run` does."""
        with self._asked():
            found = self._client.list_runs(
                page_size=most, sort_by="created_at desc", experiment_id=self._experiment
            )
        return [self._run(each) for each in found.runs or ()]

    def run(self, run_id: str) -> Run:
        """One run, with the tasks that failed.

        Raises:
            PipelineError: The server cannot be reached, or knows no such run.
        """
        with self._asked():
            return self._run(self._client.get_run(run_id))

    @cached_property
    def _client(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of servers that are years old
            client = kfp.Client(
                host=self._server.host,
                namespace=self._server.namespace,
                existing_token=self._token,
            )
        pools = client._run_api.api_client.rest_client.pool_manager.connection_pool_kw
        pools["timeout"] = urllib3.Timeout(_SECONDS)
        pools["retries"] = urllib3.Retry(0)  # a request that was heard is not sent twice
        return client

    @cached_property
    def _experiment(self) -> str:
        server = self._server
        made = self._client.create_experiment(server.experiment, namespace=server.namespace)
        return str(made.experiment_id)

    def _schedules(self, name: str) -> Iterator[str]:
        """Ids of all schedules of a name."""
        named = {"key": "display_name", "operation": "EQUALS", "stringValue": name}
        token = ""
        while True:
            page = self._client.list_recurring_runs(
                page_token=token,
                page_size=_PAGE,
                experiment_id=self._experiment,
                filter=to_json({"predicates": [named]}),
            )
            for each in page.recurring_runs or ():
                if each.display_name == name:
                    yield each.recurring_run_id
            token = page.next_page_token or ""
            if not token:
                return

    def _run(self, made: Any) -> Run:
        details = made.run_details.task_details if made.run_details else None
        failed = tuple(
            Task(
                each.display_name or "",
                each.state,
                (each.error.message or "")[:_SHOWN_CHARS] if each.error else "",
            )
            for each in details or ()
            if each.state in _BAD
        )
        page = f"{self._server.host.rstrip('/')}/#/runs/details/{made.run_id}"
        return Run(made.run_id, made.display_name, made.state or "PENDING", page, failed)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        host = self._server.host
        try:
            yield
        except kfp_server_api.ApiException as error:
            said = " ".join(str(error.body or error.reason).split())[:_SHOWN_CHARS]
            raise PipelineError(f"{host} refused with {error.status}: {said}.") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise PipelineError(
                f"Cannot reach Kubeflow Pipelines at {host}: {type(error).__name__}.",
                "Set kubeflow.host in cluster.yaml to the address of its API.",
            ) from error
