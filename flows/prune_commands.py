"""`hallmark prune`: remove what ended runs have left, by the rule in `flows/prune.py`."""

from pathlib import Path

import click


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def prune(dry_run: bool) -> None:
    """Remove what ended runs have left behind and nothing names any more.

    Worktrees, branches and folders of ended runs, checkpoints of trainings that never went on,
    bentos that were never registered, and what the DVC cache holds for nobody; by age and count,
    as `flows/prune.py` says. Registered versions, tags and whatever runs are never touched.

    \b
    Examples:
      hallmark prune --dry-run      what would go, and how much that frees
      hallmark prune
    """
    from collections import Counter

    from flows.checkout import find_root
    from flows.prune import prune as prune_by_rule

    pruned = prune_by_rule(find_root(Path.cwd()), dry_run=dry_run)
    for item in pruned.items:
        if item.kind != "cache":
            click.echo(f"{item.kind:<11} {item.name}")
    for note in pruned.notes:
        click.echo(note)
    counts = Counter(item.kind for item in pruned.items)
    listed = ", ".join(f"{number} of {kind}" for kind, number in counts.items()) or "nothing"
    verb = "would remove" if dry_run else "removed"
    click.echo(f"{verb}: {listed}; {pruned.num_bytes / 1e6:.1f} MB")
