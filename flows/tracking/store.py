"""MLflow: the only module that imports it. Takes and gives plain data.

Runs and versions go to `.local/mlflow/` (sqlite, and a folder for artifacts), or to where
MLFLOW_TRACKING_URI points. Importing mlflow takes seconds: a Store does it when it is first used.
"""

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock

from flows.tracking.address import URI_VARIABLE, Patience, address, folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

# An unreachable server is told by our own clock; mlflow alone would try for four minutes.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
_ARTIFACTS_VARIABLE = "_MLFLOW_SERVER_ARTIFACT_ROOT"
PARENT = "mlflow.parentRunId"
"""The tag by which a run stands below another on MLflow's pages."""
_MAX_BATCH = 100
_MAX_PARAMETER_LENGTH = 6000

T = TypeVar("T")


@dataclass(frozen=True)
class DataSet:
    """A table that a build read or made.

    Attributes:
        name: What it is called: `raw`, `train`, …
        digest: Of its bytes, as DVC or `ingest` has it.
        source: Where it is from, as JSON.
        context: What it was for: `raw`, `training`, …
        profile: Its size, as JSON.
    """

    name: str
    digest: str
    source: str
    context: str
    profile: str


@dataclass(frozen=True)
class Point:
    """Metrics at one step; `time_ms` is since 1970."""

    step: int
    values: Mapping[str, float]
    time_ms: int


@dataclass(frozen=True)
class ModelFiles:
    """A model as MLflow keeps it.

    Attributes:
        loader: The Python file that loads it; its name is that of a module.
        data: The folder that the loader is handed.
        requirements: What must be installed, `polars==…`.
        example: Rows as delivered, a pandas table.
        answers: The columns of its answer and their types, as mlflow names these.
    """

    loader: Path
    data: Path
    requirements: Sequence[str]
    example: Any
    answers: Mapping[str, str]


class Store:
    """The runs and registered models of one project.

    Every call is repeated while the store is locked or does not answer, until the patience that
    all calls share is at an end.

    Args:
        root: The checkout.
        project: Names the experiment and the registered model.
        limit_s: How long to be patient in all; None for the usual.
    """

    def __init__(self, root: Path, project: str, limit_s: float | None = None) -> None:
        self.root = root
        self.project = project
        self.address = address(root)
        self._patience = Patience(self.address, limit_s)

    @cached_property
    def _client(self) -> "MlflowClient":
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        if not self.address.startswith("http"):  # else mlflow makes a folder `mlruns` here
            os.environ.setdefault(_ARTIFACTS_VARIABLE, (folder(self.root) / "artifacts").as_uri())
        folder(self.root).mkdir(parents=True, exist_ok=True)
        import mlflow

        logging.getLogger("mlflow").setLevel(logging.CRITICAL)
        logging.getLogger("alembic").setLevel(logging.CRITICAL)
        given = os.environ.get(URI_VARIABLE)
        mlflow.set_tracking_uri(self.address)
        mlflow.set_registry_uri(self.address)
        if given is None:  # mlflow has set it, for its children; ours must not take it for a wish
            os.environ.pop(URI_VARIABLE, None)
        return mlflow.MlflowClient(self.address, self.address)

    @cached_property
    def experiment(self) -> str:
        """The id of the project's experiment, which is made when there is none."""

        def find_or_make() -> str:
            with FileLock(folder(self.root) / "lock"):  # mlflow's first call makes its tables
                return in_turn()

        def in_turn() -> str:
            found = self._client.get_experiment_by_name(self.project)
            if found is not None:
                return str(found.experiment_id)
            is_server = self.address.startswith("http")
            place = None if is_server else (folder(self.root) / "artifacts").as_uri()
            return str(self._client.create_experiment(self.project, artifact_location=place))

        return self._patience.get(find_or_make)

    def run(self, build: str, name: str, started_ms: int, tags: Mapping[str, str]) -> str:
        """The id of a build's run, which is made when there is none."""
        return self.run_known_by({"build": build}, name, started_ms, tags)

    def run_known_by(
        self, known: Mapping[str, str], name: str, started_ms: int, tags: Mapping[str, str]
    ) -> str:
        """The id of the newest run that has the tags `known`; made, with all tags, when there is
        none. With the tag PARENT it stands below another run."""

        def find_or_make() -> str:
            if found := self._search(known):
                return str(found[0].info.run_id)
            made = self._client.create_run(
                self.experiment, start_time=started_ms, run_name=name, tags={**tags, **known}
            )
            return str(made.info.run_id)

        return self._patience.get(find_or_make)

    def runs(self, tags: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """The tags of every run that has these, by its id, newest first."""
        found = self._patience.get(lambda: self._search(tags))
        return {run.info.run_id: dict(run.data.tags) for run in found}

    def _search(self, tags: Mapping[str, str]) -> list[Any]:
        words = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        return list(
            self._client.search_runs(
                [self.experiment], filter_string=words, order_by=["attributes.start_time DESC"]
            )
        )

    def tags(self, run: str) -> dict[str, str]:
        """The tags of one run."""
        return dict(self._patience.get(lambda: self._client.get_run(run)).data.tags)

    def link(self, run: str) -> str:
        """What people find a run by: its address at a server, else its id."""
        if self.address.startswith("http"):
            return f"{self.address.rstrip('/')}/#/experiments/{self.experiment}/runs/{run}"
        return f"run {run}"

    def end_run(self, run: str, status: str, ended_ms: int) -> None:
        """Close a run: FINISHED, FAILED or KILLED."""
        self._patience.get(lambda: self._client.set_terminated(run, status, end_time=ended_ms))

    def log_tags(self, run: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        content = [RunTag(key, value[:_MAX_PARAMETER_LENGTH]) for key, value in tags.items()]
        self._patience.get(lambda: self._client.log_batch(run, tags=content))

    def log_parameters(self, run: str, parameters: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        content = [Param(k, v[:_MAX_PARAMETER_LENGTH]) for k, v in parameters.items()]
        for part in _batches(content):
            self._patience.get(partial(self._client.log_batch, run, params=part))

    def log_points(self, run: str, points: Iterable[Point]) -> None:
        from mlflow.entities import Metric

        content = [
            Metric(name, value, point.time_ms, point.step)
            for point in points
            for name, value in point.values.items()
        ]
        for part in _batches(content):
            self._patience.get(partial(self._client.log_batch, run, metrics=part))

    def last_step(self, run: str, metric: str) -> int:
        """The last step at which a run has a metric; 0 when it has none."""
        history = self._patience.get(lambda: self._client.get_metric_history(run, metric))
        return max((point.step for point in history), default=0)

    def log_inputs(self, run: str, data_sets: Iterable[DataSet]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        content = [
            DatasetInput(
                Dataset(d.name, d.digest[:36], "dvc", d.source, profile=d.profile),
                [InputTag("mlflow.data.context", d.context)],
            )
            for d in data_sets
        ]
        if content:
            self._patience.get(lambda: self._client.log_inputs(run, content))

    def log_files(self, run: str, files: Path) -> None:
        """Keep everything below a folder as the run's artifacts."""
        self._patience.get(lambda: self._client.log_artifacts(run, str(files)))

    def log_file(self, run: str, source: Path) -> None:
        """Keep one file as an artifact of the run."""
        self._patience.get(lambda: self._client.log_artifact(run, str(source)))

    def log_model(self, run: str, files: ModelFiles) -> str:
        """Keep a model with the run; return its address, `models:/m-…`."""
        self._client  # noqa: B018 -- imports mlflow
        import mlflow
        from mlflow import pyfunc
        from mlflow.models import Model, ModelSignature, infer_signature
        from mlflow.types import ColSpec, Schema

        inputs = infer_signature(files.example).inputs
        outputs = Schema([ColSpec(kind, name) for name, kind in files.answers.items()])

        def save(*, validate_serving_input: bool, **rest: Any) -> None:
            del validate_serving_input  # for Model.log alone
            pyfunc.save_model(**rest)

        def log() -> str:
            mlflow.set_experiment(
                experiment_id=self.experiment
            )  # Model.log asks for the active one
            made = Model.log(
                artifact_path=None,
                name="model",
                flavor=SimpleNamespace(save_model=save),
                flavor_name="mlflow.pyfunc",
                run_id=run,
                loader_module=files.loader.stem,
                data_path=str(files.data),
                code_paths=[str(files.loader)],
                signature=ModelSignature(inputs, outputs),
                input_example=files.example,
                pip_requirements=list(files.requirements),
                validate_serving_input=False,  # it would import torch here; tests do it instead
            )
            return str(made.model_uri)

        return self._patience.get(log)

    def register(self, model: str, run: str, tags: Mapping[str, str], above: int = 0) -> str:
        """Make a version of a logged model; return its number.

        A version that this run made of this model before is found again. A database that is new
        begins at 1: numbers up to `above` are passed over there.
        """

        def find_or_make() -> str:
            from mlflow.exceptions import MlflowException

            with contextlib.suppress(MlflowException):  # it is there already
                self._client.create_registered_model(self.project)
            for known in self._client.search_model_versions(f"name='{self.project}'"):
                is_real = int(known.version) > above
                if is_real and known.source == model and known.run_id == run:
                    return str(known.version)
            for _ in range(above + 1):
                made = self._client.create_model_version(self.project, model, run, tags=dict(tags))
                if int(made.version) > above:
                    break
                self._client.delete_model_version(self.project, made.version)
            return str(made.version)

        return self._patience.get(find_or_make)

    def aliases(self) -> dict[str, str]:
        """Which version each alias names."""

        def read() -> dict[str, str]:
            from mlflow.exceptions import MlflowException

            try:
                known = self._client.get_registered_model(self.project).aliases
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return {}
                raise
            return {alias: str(version) for alias, version in known.items()}

        return self._patience.get(read)

    def set_alias(self, alias: str, version: str | None) -> bool:
        """Let an alias name a version, or nothing; False where there is no such version."""

        def change() -> bool:
            from mlflow.exceptions import MlflowException

            try:
                if version is None:
                    self._client.delete_registered_model_alias(self.project, alias)
                else:
                    self._client.get_model_version(self.project, version)  # sqlite takes any
                    self._client.set_registered_model_alias(self.project, alias, version)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return False
                raise
            return True

        return self._patience.get(change)


def _batches(content: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(content), _MAX_BATCH):
        yield content[start : start + _MAX_BATCH]
