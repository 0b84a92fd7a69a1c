"""Whether what a build made becomes a registered version, and what is kept of it then."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.engine.worktree import commit_changes
from flows.git import COMMITTER, answer, run_git
from flows.graph.outputs import Outputs
from flows.registry import versions as registry
from flows.registry.shown_tags import as_tags
from flows.registry.versions import Version
from flows.tracking.store import Store
from pipeline.core.bento import folder as bento
from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import read_json, write_json, write_parquet
from pipeline.core.scoring.offline import EXPECTED
from pipeline.core.verdict.override_records import passes

if TYPE_CHECKING:
    import polars as pl

PACKAGE, REHEARSE = "package", "rehearse"
SEEN_PARTS = ("train", "validation", "calibration")
NUM_ROWS_KEPT = 500
CACHED = ("cached", "restored")
OFFLINE = {f"_{name}": name for name in EXPECTED.values()}
"""What is known offline of the rows that are kept: the column's name there and in predictions."""


@dataclass(frozen=True)
class Evidence:
    """What a build has to show.

    Attributes:
        build: Its build.json.
        outputs: What its stages wrote, of those stages alone that it reached.
    """

    build: Mapping[str, Any]
    outputs: Outputs

    @property
    def verdict(self) -> dict[str, Any] | None:
        return self._report("gate", "verdict.json")

    @property
    def package(self) -> dict[str, Any] | None:
        return self._report(PACKAGE, "report.json")

    @property
    def rehearsal(self) -> dict[str, Any] | None:
        return self._report(REHEARSE, "report.json")

    def ran(self, stage: str) -> bool:
        """Whether the stage really ran, and was not taken from a cache."""
        return any(s["name"] == stage and s["state"] == "ran" for s in self.build["stages"])

    @property
    def is_dirty(self) -> bool:
        """Whether no commit has all that it was made from."""
        return bool(self.build["dirty"]) or self.build["commit"] is None

    @property
    def restored(self) -> tuple[str, ...]:
        """The stages whose results were taken from a cache, or lay there."""
        return tuple(s["name"] for s in self.build["stages"] if s["state"] in CACHED)

    @property
    def num_ran(self) -> int:
        return sum(stage["state"] == "ran" for stage in self.build["stages"])

    def _report(self, stage: str, name: str) -> dict[str, Any] | None:
        content: dict[str, Any] | None = self.outputs.json(stage, name)
        return content


def why_no_model(evidence: Evidence) -> str | None:
    """Why a build has no packaged model; None when it has one."""
    if evidence.package is not None:
        return None
    verdict = evidence.verdict
    if verdict is None:
        return "the build did not reach its verdict"
    if not passes(verdict["outcome"]):
        words = {
            "fail": "the gate refused it",
            "insufficient": "the gate found too little evidence",
        }
        return words.get(verdict["outcome"], f"the verdict is {verdict['outcome']}")
    return "the build did not reach `package`"


def why_not_registered(root: Path, evidence: Evidence) -> str | None:
    """Why nothing is to be registered of a build; None when something is, ran or restored."""
    if reason := why_no_model(evidence):
        return reason
    package, rehearsal, verdict = evidence.package, evidence.rehearsal, evidence.verdict
    if package is None or verdict is None:
        return "its verdict did not pass"
    project = evidence.outputs.project
    return objection(root, project, verdict, package, rehearsal, lambda: evidence.is_dirty)


def objection(
    root: Path,
    project: str,
    verdict: Mapping[str, Any],
    package: Mapping[str, Any],
    rehearsal: Mapping[str, Any] | None,
    is_dirty: Callable[[], bool],
) -> str | None:
    """Why a packaged model is not to be registered, by its reports; None when it is.

    Reads a few small files: a build that finds all fresh asks it each time.
    """
    if not passes(verdict["outcome"]):
        return "its verdict did not pass"
    if rehearsal is None:
        return "the build did not reach `rehearse`"
    if rehearsal["outcome"] != "pass":
        failed = [c["name"] for c in rehearsal.get("checks", ()) if c.get("outcome") != "pass"]
        return "its rehearsal failed" + (f": {', '.join(failed)}" if failed else "")
    if rehearsal["bento_digest"] != package["digest"]:
        return "the rehearsal was of another bento"
    live = live_version(root, project)
    is_live = live is not None and live.model_digest == package["model_digest"]
    if live is not None and is_live and registry.is_whole(root, live):
        return f"its model is the champion's, version {live.version}"
    known = registry.versions(root, project)
    if known and known[0].bento_digest == package["digest"]:
        is_better = known[0].dirty and not is_dirty()  # the same, now from a clean tree
        if not is_better and registry.is_whole(root, known[0]):
            return f"it is registered already, as version {known[0].version}"
    return None


def live_version(root: Path, project: str) -> Version | None:
    """The champion; None also where its record is gone, so that another one can be built."""
    try:
        return registry.champion(root, project)
    except ArtifactMissing:
        return None


def put_back(root: Path, project: str, packed: Path, digest: str) -> list[str]:
    """Put a bento back into the store where it is gone or was changed, for the registered versions
    that it is of; return what people are told."""
    of_it = [v for v in registry.versions(root, project) if v.bento_digest == digest]
    gone = [version for version in of_it if not registry.has_bento(root, version)]
    if not gone or bento.digest(packed) != digest:
        return []
    registry.replace_bento(root, packed, gone[0].bento_tag)
    back = [version.version for version in gone if registry.has_bento(root, version)]
    return (
        [f"the bento of {project} version {', '.join(back)} is back in its place"] if back else []
    )


def numbers_taken(root: Path, project: str, digest: str) -> int:
    """The highest number that a version of the project has or had here; 0 before the first.

    A git tag of this very bento does not count: the version that is lost gets its number again.
    """
    numbers = [int(version.version) for version in registry.versions(root, project)]
    shown = answer(
        root,
        "for-each-ref",
        "--format=%(refname:strip=4) %(contents:body)%00",
        f"refs/tags/model/{project}/",
    )
    for entry in (shown or "").split("\0"):
        number, _, words = entry.strip().partition(" ")
        if number.isdecimal() and f"bento {digest}" not in words:
            numbers.append(int(number))
    return max(numbers, default=0)


def register(
    root: Path, evidence: Evidence, packed: Path, model: str, run: str, store: Store
) -> tuple[Version, list[str]]:
    """Register what a build made, after `why_not_registered` said nothing.

    Args:
        root: The checkout.
        evidence: Of the build.
        packed: Its bento's folder.
        model: The address of the model that its run logged.
        run: Its run.
        store: MLflow.

    Returns:
        The version, and what people are to be told of it.

    Raises:
        ArtifactMissing: the bento is not the one that its report names.
        TrackingDown: MLflow gives no number just now.
    """
    build, package, outputs = evidence.build, evidence.package or {}, evidence.outputs
    verdict, rehearsal = evidence.verdict or {}, evidence.rehearsal or {}
    results = commit_changes(root, f"Results of build {build['id']}")
    fields: dict[str, Any] = {
        "project": outputs.project,
        "bento_tag": package["tag"],
        "bento_digest": package["digest"],
        "model_digest": bento.read_proof(packed)["model_digest"],
        "verdict": verdict["outcome"],
        "verdict_digest": bento.file_digest(packed / bento.SOURCE / bento.VERDICT),
        "rehearsal": rehearsal["outcome"],
        "commit": results or build["commit"],
        "dirty": evidence.is_dirty,
        "dirty_files": tuple(build["dirty_files"]),
        "build": build["id"],
        "run_id": run,
        "created": datetime.now(UTC).replace(microsecond=0),
        "overrides": tuple(verdict.get("overrides", ())),
        "restored": evidence.restored,
    }
    registry.store_bento(root, packed, fields["bento_tag"], fields["bento_digest"])
    with tempfile.TemporaryDirectory() as temporary:
        kept = Path(temporary)
        write_parquet(kept / registry.SEEN, seen(outputs))
        write_parquet(kept / registry.ROWS, rows_to_rehearse(outputs, packed))
        write_json(kept / registry.REHEARSAL, rehearsal)
        shown = kept / "shown" / "version"
        write_json(shown / registry.REHEARSAL, rehearsal)
        write_parquet(shown / registry.SEEN, seen(outputs))
        store.log_files(run, shown.parent)
        taken = numbers_taken(root, outputs.project, fields["bento_digest"])
        number = store.register(model, run, as_tags(fields), above=taken)
        extras = {name: kept / name for name in (registry.SEEN, registry.ROWS, registry.REHEARSAL)}
        manifest = registry.bento_place(root, fields["bento_tag"]) / bento.MANIFEST
        files = {name: bento.file_digest(source) for name, source in extras.items()}
        files[bento.MANIFEST] = bento.file_digest(manifest)
        version = Version(version=number, **fields, files=files)
        registry.write_version(root, version, extras)
    store.set_alias(registry.CANDIDATE, number)
    origin = f" ({version.origin})" if version.origin else ""
    lines = [f"registered: {version.project} version {number}, the candidate{origin}"]
    return version, [*lines, *tag(root, version)]


def seen(outputs: Outputs) -> "pl.DataFrame":
    """The `_key` of every row that the model was fitted on, each once, in order."""
    import polars as pl

    parts = [
        pl.read_parquet(outputs.file("split", f"{p}.parquet"), columns=["_key"]) for p in SEEN_PARTS
    ]
    return pl.concat(parts).unique().sort("_key")


def rows_to_rehearse(outputs: Outputs, packed: Path) -> "pl.DataFrame":
    """Test rows as delivered, what requests carry alone, each with what is known of it offline."""
    import polars as pl

    from pipeline.rehearse.stage import chosen

    service = read_json(packed / bento.SOURCE / bento.SERVICE)
    names = [field["name"] for field in service["fields"]]
    test = pl.read_parquet(outputs.file("split", "test.parquet"), columns=["_row", "_key", *names])
    numbers = chosen(test, names, NUM_ROWS_KEPT)
    predictions = pl.read_parquet(outputs.file("evaluate", "predictions.parquet"))
    known = numbers.to_frame().join(predictions, on="_row", how="left", maintain_order="left")
    delivered = pl.read_parquet(outputs.file("ingest", "snapshot.parquet"), columns=names)
    offline = EXPECTED[service["columns"]["task"]]
    return delivered[numbers.to_list()].with_columns(known[offline].alias(f"_{offline}"))


def tag(root: Path, version: Version) -> list[str]:
    """Give the version's commit its git tag; return what people are to be told of it."""
    if version.commit is None:
        return ["no git tag: there is no commit to give it to"]
    name, words = version.git_tag, [f"{version.project} version {version.version}"]
    words += [f"bento {version.bento_digest}"]
    if version.dirty_files:
        words.append("built with uncommitted changes of: " + ", ".join(version.dirty_files))
    message = "\n\n".join(words)
    done = run_git(
        root, *COMMITTER, "tag", "--annotate", "--message", message, name, version.commit
    )
    if done.returncode != 0 and f"bento {version.bento_digest}" in (
        answer(root, "tag", "--list", "--format=%(contents)", name) or ""
    ):
        return [f"git tag {name} was there: it is of the same bento"]
    if done.returncode != 0:
        return [f"no git tag: {' '.join(done.stderr.split())}"]
    if version.dirty_files:
        return [
            f"git tag {name}; built with uncommitted changes ({version.uncommitted}), "
            "so it cannot be promoted"
        ]
    return [f"git tag {name}"]
