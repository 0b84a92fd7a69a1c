"""The registered versions of a project's model, and their bentos.

`.local/registry/<project>/<version>/` is what may be served from here: version.json, seen.parquet
(the `_key` of every row that the model was fitted on), rehearsal.json, and rows to rehearse with
anew. The bentos lie in BentoML's store, `.local/bentoml`. MLflow numbers the versions and shows
them to people; nothing is decided by what it says, so that serving does not need it.
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.registry.history import champion_version, history
from pipeline.core.bento import folder as bento
from pipeline.core.errors import MAX_FINDINGS, ArtifactMissing, ProjectError
from pipeline.core.files import read_json, write_json, write_text
from pipeline.core.paths import local_state
from pipeline.core.settings.problems import nearest

CANDIDATE = "candidate"
CHAMPION = "champion"
PROOFS = ("train", "gate", "rehearse")
"""The stages of which a version says whether they were restored."""
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
        restored: The stages whose results that build took from a cache, also of another machine.
        files: SHA-256 of what is kept beside the bento, and of its manifest.
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
    restored: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def git_tag(self) -> str:
        return f"model/{self.project}/{self.version}"

    @property
    def uncommitted(self) -> str:
        """The files that differed from the commit, as people are told of them: ten at most."""
        rest = len(self.dirty_files) - MAX_FINDINGS
        shown = ", ".join(self.dirty_files[:MAX_FINDINGS])
        return f"{shown} and {rest} more" if rest > 0 else shown

    @property
    def origin(self) -> str:
        """What of it was restored, as people are told; empty when all that proves it ran."""
        proofs = [stage for stage in PROOFS if stage in self.restored]
        return f"restored: {', '.join(proofs)}" if proofs else ""


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
    try:
        content = read_json(source)
        created = datetime.fromisoformat(content["created"])
        files = tuple(content["dirty_files"])
        tuples = {key: tuple(content.get(key, ())) for key in ("overrides", "restored")}
        return Version(**{**content, **tuples, "created": created, "dirty_files": files})
    except (TypeError, KeyError, ValueError, ArtifactMissing) as error:
        project = source.parents[1].name
        raise ArtifactMissing(
            f"expected the record of a version in {source}, it cannot be read: {error}",
            hint=f"bring it back from a backup; else `rm {source}` forgets that version, and "
            f"`hallmark build {project}` registers its model again",
        ) from None


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
    moves = history(root, project)
    if not moves:
        return None
    number = moves[-1].after
    known = {version.version: version for version in versions(root, project)}
    if number not in known:
        raise ArtifactMissing(
            f"expected the record of the champion of {project}, version {number}, in "
            f"{home(root, project) / number}, found none",
            hint=f"`hallmark promote {project}` makes the candidate the champion"
            if known
            else f"`hallmark build {project}` registers a version, then `hallmark promote "
            f"{project}` makes it the champion",
        )
    if known[number].bento_digest != moves[-1].bento_digest:
        raise ArtifactMissing(
            f"expected version {number} of {project} as it was promoted, with the bento "
            f"{moves[-1].bento_digest[:12]}, its record names {known[number].bento_digest[:12]}",
            hint=f"the record was changed in {home(root, project) / number}: bring it back from a "
            f"backup, or `hallmark build {project}` registers its model again, and "
            f"`hallmark promote {project}` makes that the champion",
        )
    return known[number]


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
            hint=f"it was changed: `rm -rf {folder}`, then `git checkout {version.git_tag}` and "
            f"`hallmark build {version.project}` make it again",
        )
    _check(version, bento.MANIFEST, folder / bento.MANIFEST)
    bento.read_proof(folder)
    return folder


def kept_file(root: Path, version: Version, name: str) -> Path:
    """A file that is kept beside a version's bento, as it was registered.

    Raises:
        ArtifactMissing: it is gone, or its bytes are others.
    """
    source = folder_of(root, version) / name
    _check(version, name, source)
    return source


def _check(version: Version, name: str, source: Path) -> None:
    """Refuse a file with other bytes; what an earlier Hallmark registered names none."""
    found = bento.file_digest(source)
    expected = version.files.get(name, found)
    if found != expected:
        raise ArtifactMissing(
            f"expected {source} as it was registered with version {version.version} "
            f"({expected[:12]}), its digest is {found[:12]}",
            hint=f"bring it back from a backup, or `hallmark build {version.project}` registers "
            "its model again",
        )


def has_bento(root: Path, version: Version) -> bool:
    """Whether a version's bento is there and whole."""
    try:
        bento_folder(root, version)
    except ArtifactMissing:
        return False
    return True


def is_whole(root: Path, version: Version) -> bool:
    """Whether a version's bento and all that is kept beside it is as it was registered."""
    try:
        for name in (SEEN, ROWS, REHEARSAL):
            kept_file(root, version, name)
    except ArtifactMissing:
        return False
    return has_bento(root, version)


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


def replace_bento(root: Path, source: Path, tag: str) -> None:
    """Put a bento in the place of what is left of it in the store."""
    target = bento_place(root, tag)
    if target.is_dir():
        shutil.rmtree(target)
    store_bento(root, source, tag, bento.digest(source))


def write_version(root: Path, version: Version, extras: dict[str, Path]) -> None:
    """Keep a version: its extra files first, its record last, so that half of one is none."""
    folder = folder_of(root, version)
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in extras.items():
        shutil.copyfile(source, folder / name)
    created = version.created.isoformat(timespec="seconds")
    write_json(folder / RECORD, {**asdict(version), "created": created})
