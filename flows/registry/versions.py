"""The registered versions of a project's model, and their bentos.

`.local/registry/<project>/<version>/` is what may be served from here: version.json, seen.parquet
(the `_key` of every row that the model was fitted on), rehearsal.json, and rows to rehearse with
anew. The bentos lie in BentoML's store, `.local/bentoml`. MLflow numbers the versions and shows
them to people; nothing is decided by what it says, so that serving does not need it.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.registry.history import champion_version
from pipeline.core.bento import folder as bento
from pipeline.core.errors import MAX_FINDINGS, ArtifactMissing, ProjectError
from pipeline.core.files import damaged, read_json, write_json, write_text
from pipeline.core.paths import local_state
from pipeline.core.settings.problems import nearest
from pipeline.core.verdict.override_records import in_words

CANDIDATE = "candidate"
CHAMPION = "champion"
RECORD, SEEN, REHEARSAL, ROWS = "version.json", "seen.parquet", "rehearsal.json", "rows.parquet"


@dataclass(frozen=True)
class Version:
    """A registered model.

    Attributes:
        project: The project's name.
        version: Its number, as MLflow gave it.
        bento_tag: `<project>:<bento's own version>`, its name in BentoML's store.
        bento_digest: `pipeline.core.bento.folder.digest` of its bento.
        model_digest: `pipeline.core.bento.folder.model_digest` of its four files.
        verdict: The gate's outcome.
        verdict_digest: SHA-256 of the verdict in its bento.
        rehearsal: The rehearsal's outcome.
        commit: What was checked out; None outside git.
        dirty: Whether no commit has all that it was made from.
        dirty_files: The files that differed from the commit.
        build: The build that made it.
        run_id: That build's run in MLflow.
        created: When it was registered, UTC.
        overrides: What lets it break rules, as its verdict has it; see
            `pipeline.core.verdict.override_records`.
    """

    project: str
    version: str
    bento_tag: str
    bento_digest: str
    model_digest: str
    verdict: str
    verdict_digest: str
    rehearsal: str
    commit: str | None
    dirty: bool
    dirty_files: tuple[str, ...]
    build: str
    run_id: str
    created: datetime
    overrides: tuple[Mapping[str, Any], ...] = ()

    @property
    def git_tag(self) -> str:
        return f"model/{self.project}/{self.version}"

    @property
    def uncommitted(self) -> str:
        """The files that differed from the commit, as people are told of them: ten at most."""
        rest = len(self.dirty_files) - MAX_FINDINGS
        shown = ", ".join(self.dirty_files[:MAX_FINDINGS])
        return f"{shown} and {rest} more" if rest > 0 else shown


def home(root: Path, project: str) -> Path:
    return local_state(root) / "registry" / project


def folder_of(root: Path, version: Version) -> Path:
    """What is kept beside its bento."""
    return home(root, version.project) / version.version


def bentoml_home(root: Path) -> Path:
    """BentoML's store: `BENTOML_HOME=… bentoml list` lists it."""
    return local_state(root) / "bentoml"


def versions(root: Path, project: str) -> list[Version]:
    """All versions, the newest first."""
    sources = home(root, project).glob(f"*/{RECORD}")
    found = [_read(source) for source in sources if source.parent.name.isdecimal()]
    return sorted(found, key=lambda version: int(version.version), reverse=True)


def _read(source: Path) -> Version:
    content = read_json(source)
    try:
        created = datetime.fromisoformat(content["created"])
        files = tuple(content["dirty_files"])
        waived = tuple(content.get("overrides", ()))
        return Version(**{**content, "created": created, "dirty_files": files, "overrides": waived})
    except (TypeError, KeyError, ValueError) as error:
        raise damaged(source, "version", error) from None


def aliases(root: Path, version: Version) -> tuple[str, ...]:
    """What else a version is called: champion, candidate, both or neither."""
    newest = versions(root, version.project)[0].version
    named = {CHAMPION: champion_version(root, version.project), CANDIDATE: newest}
    return tuple(alias for alias, number in named.items() if number == version.version)


def resolve(root: Path, project: str, name: str) -> Version:
    """The version that a number or an alias names. The candidate is the newest version.

    Raises:
        ProjectError: there is none.
    """
    known = versions(root, project)
    wanted: str | None = name
    if name == CHAMPION:
        wanted = champion_version(root, project)
    elif name == CANDIDATE:
        wanted = known[0].version if known else None
    for version in known:
        if version.version == wanted:
            return version
    if not known:
        raise ProjectError(
            f"expected a registered version of {project}, found none",
            hint=f"`hallmark build {project}` registers one when its verdict and rehearsal pass",
        )
    if name == CHAMPION and wanted is None:
        raise ProjectError(
            f"expected a champion of {project}, none was promoted yet",
            hint=f"`hallmark promote {project}` makes the candidate the champion",
        )
    numbers = tuple(version.version for version in known)
    raise ProjectError(
        f"expected a registered version of {project} ({', '.join(numbers)}), got {wanted!r}",
        hint=nearest(str(wanted), (*numbers, CHAMPION, CANDIDATE)),
    )


def champion(root: Path, project: str) -> Version | None:
    """The live version; None before the first promotion."""
    if champion_version(root, project) is None:
        return None
    return resolve(root, project, CHAMPION)


def served(root: Path, project: str) -> Version:
    """What is to be served: the champion, else the candidate.

    Raises:
        ProjectError: there is neither; the hint says what to do.
    """
    return champion(root, project) or resolve(root, project, CANDIDATE)


def bento_folder(root: Path, version: Version) -> Path:
    """The version's bento, whole and as it was registered.

    Raises:
        ArtifactMissing: it is gone, or its bytes are others.
    """
    folder = bento_place(root, version.bento_tag)
    if not folder.is_dir():
        raise ArtifactMissing(
            f"expected the bento of {version.project} version {version.version} in {folder}, "
            "found none",
            hint=f"`git checkout {version.git_tag}` and `hallmark build {version.project}` "
            "make it again",
        )
    if (found := bento.digest(folder)) != version.bento_digest:
        raise ArtifactMissing(
            f"expected the bento {version.bento_tag} as it was registered "
            f"({version.bento_digest[:12]}), its digest is {found[:12]}",
            hint=f"it was changed in {folder}: delete that folder, and build its commit again",
        )
    bento.read_proof(folder)
    return folder


def bento_place(root: Path, tag: str) -> Path:
    name, _, version = tag.partition(":")
    return bentoml_home(root) / "bentos" / name / version


def store_bento(root: Path, source: Path, tag: str, digest: str) -> None:
    """Put a bento into BentoML's store, whole or not at all; the same one is left as it is."""
    target = bento_place(root, tag)
    if target.is_dir() and bento.digest(target) != digest:
        shutil.rmtree(target)
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=bentoml_home(root), prefix=".storing-") as temporary:
            copy = Path(temporary) / "bento"
            shutil.copytree(source, copy)
            try:
                copy.rename(target)
            except OSError:  # another build of the same bytes was first
                if not target.is_dir():
                    raise
    write_text(target.parent / "latest", target.name)


def write_version(root: Path, version: Version, extras: dict[str, Path]) -> None:
    """Keep a version: its extra files first, its record last, so that half of one is none."""
    folder = folder_of(root, version)
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in extras.items():
        shutil.copyfile(source, folder / name)
    created = version.created.isoformat(timespec="seconds")
    write_json(folder / RECORD, {**asdict(version), "created": created})


def as_tags(version_fields: dict[str, Any]) -> dict[str, str]:
    """What MLflow shows of a version."""
    shown = ("bento_tag", "bento_digest", "model_digest", "verdict", "rehearsal", "commit", "build")
    tags = {name: str(version_fields[name]) for name in shown}
    return {
        **tags,
        "dirty": str(version_fields["dirty"]).lower(),
        **override_tags(version_fields["overrides"]),
    }


def override_tags(overrides: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What MLflow shows of overrides; nothing where there are none."""
    if not overrides:
        return {}
    return {
        "override": "; ".join(map(in_words, overrides)),
        "override_until": min(str(record["until"]) for record in overrides),
        "override_by": ", ".join(dict.fromkeys(str(record["name"]) for record in overrides)),
    }
