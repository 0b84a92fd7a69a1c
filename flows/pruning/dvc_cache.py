"""What the DVC cache holds that nothing names any more.

`dvc gc` decides by the place it is called from: in one worktree it deletes what another uses, and
it knows no age. Here a file counts as named when the checkout, any git worktree, HEAD, the tip of
any branch, any tag or any experiment names it.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from flows.git import git
from flows.graph.plan import explained
from flows.registry.kept_builds import data_of
from pipeline.core.errors import PipelineError


def unnamed_files(
    main: Path, needed: Callable[[], Iterable[str]] = tuple
) -> tuple[list[Path], list[str]]:
    """The files of the cache that nothing names, and notes: when in doubt, none and the reason.

    Among them are entries of the run-cache whose results are in the cache no more.

    Args:
        main: The repository's main checkout.
        needed: Gives the ids of the builds whose data count as named too.
    """
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.CRITICAL)
    try:
        with explained(), contextlib.closing(Repo(str(main), _wait_for_lock=True)) as repo:
            named = _named(repo).union(*(data_of(main, build) for build in needed()))
            cache = repo.cache.local
            held = set(cache.all())
            unnamed = [Path(cache.oid_to_path(digest)) for digest in sorted(held - named)]
            return [*unnamed, *_without_results(Path(repo.stage_cache.cache_dir), held)], []
    except PipelineError as error:
        return [], [f"the DVC cache was left alone, as not all that names it can be read: {error}"]


def _named(repo: Any) -> set[str]:
    """The digests that anything names; a folder's own and those of its files."""
    from dvc.repo import Repo

    found = repo.used_objs(
        revs=["HEAD"], all_branches=True, all_tags=True, all_experiments=True, force=True
    )
    named = {info.value for infos in found.values() for info in infos}
    for root in _worktrees(Path(repo.root_dir)):
        with contextlib.closing(Repo(str(root))) as other:
            found = other.used_objs(force=True)
            named |= {info.value for infos in found.values() for info in infos}
    return named


def _worktrees(main: Path) -> Iterator[Path]:
    """All git worktrees that are there and have a graph, the main checkout left out."""
    for line in git(main, "worktree", "list", "--porcelain").splitlines():
        word, _, path = line.partition(" ")
        if word == "worktree" and Path(path) != main and (Path(path) / "dvc.yaml").is_file():
            yield Path(path)


def _without_results(runs: Path, held: set[str]) -> Iterator[Path]:
    """The run-cache's entries of which a result is gone: they restore nothing."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML(typ="safe")
    for source in sorted(path for path in runs.glob("*/*/*") if path.is_file()):
        try:
            outs = yaml.load(source.read_text(encoding="utf-8"))["outs"]
            if not all(out["md5"] in held for out in outs):
                yield source
        except (OSError, YAMLError, KeyError, TypeError, UnicodeDecodeError):
            yield source
