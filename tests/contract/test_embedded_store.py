"""A bare `dvc pull` on a fresh clone finds everything that the repository names."""

import subprocess
from pathlib import Path

from tools.embedded_store import STORE, absent, locks, outputs


def test_the_store_holds_what_the_repository_names(root: Path) -> None:
    """A build since the last commit has other timings in its dvc.lock; these are not stored."""
    committed = [
        subprocess.run(
            ["git", "show", f"HEAD:{lock.relative_to(root)}"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for lock in locks(root)
    ]
    assert len(committed) == len(list(root.glob("data/*/project.yaml")))
    lost = absent(root, committed)
    assert not lost or not absent(root), f"`make store` copies {lost} from the DVC cache"


def test_a_lost_file_is_named(copy: Path, root: Path) -> None:
    first = sorted(outputs(root))[0]
    assert first in absent(copy)
    target = copy / STORE / first[:2] / first[2:]
    target.parent.mkdir(parents=True)
    target.write_bytes((root / STORE / first[:2] / first[2:]).read_bytes())
    assert first not in absent(copy)
