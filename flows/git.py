"""Git, in a process of its own: the one place that starts it."""

import os
import subprocess
from pathlib import Path

from pipeline.core.errors import PipelineError

COMMITTER = (
    *("-c", "user.name=Hallmark"),
    *("-c", "user.email=hallmark@localhost"),
    *("-c", "commit.gpgSign=false"),
    *("-c", f"core.hooksPath={os.devnull}"),
)
"""Options for what a run commits or tags: an empty home has no identity, and a person's hooks and
signing keys are not a run's."""


class GitError(PipelineError):
    """Git did not do what it was asked to."""


def run_git(
    root: Path, *arguments: str, index: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run git in `root`, perhaps with another index; how it ended and what it said."""
    env = None if index is None else {**os.environ, "GIT_INDEX_FILE": str(index)}
    return subprocess.run(
        ["git", *arguments], cwd=root, env=env, capture_output=True, text=True, check=False
    )


def git(root: Path, *arguments: str, check: bool = True, index: Path | None = None) -> str:
    """Run git in `root` and return what it says.

    Raises:
        GitError: it failed, and `check` is set.
    """
    done = run_git(root, *arguments, index=index)
    if check and done.returncode != 0:
        words = [word for word in arguments if not word.startswith("-") and "=" not in word]
        raise GitError(
            f"expected `git {' '.join(words)}` to work: "
            f"{done.stderr.strip() or done.stdout.strip()}",
            hint="commit once: `git add -A && git commit -m start`"
            if "HEAD" in done.stderr
            else "`git status` shows what is the matter with the repository",
        )
    return done.stdout


def answer(root: Path, *arguments: str) -> str | None:
    """What git says; None where it fails."""
    done = run_git(root, *arguments)
    return done.stdout if done.returncode == 0 else None
