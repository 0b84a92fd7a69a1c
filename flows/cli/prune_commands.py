"""`hallmark prune`: remove what ended runs have left, by the rule in `flows/pruning/prune.py`."""

from pathlib import Path

import click


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def prune(dry_run: bool) -> None:
    """Remove what ended runs have left behind and nothing names any more.

    Worktrees, branches and folders of ended runs, checkpoints of trainings that never went on,
    bentos that were never registered, and what the DVC cache holds for nobody; by age and count,
    as `flows/pruning/prune.py` says. Registered versions, tags and whatever runs are never touched.

    \b
    Examples:
      hallmark prune --dry-run      what would go, and how much that frees
      hallmark prune
    """
    from flows.engine.checkout import find_root
    from flows.pruning.prune import prune as prune_by_rule
    from flows.pruning.prune import summary

    pruned = prune_by_rule(find_root(Path.cwd()), dry_run=dry_run)
    for item in pruned.items:
        if item.kind != "cache":
            click.echo(f"{item.kind:<11} {item.name}")
    for note in pruned.notes:
        click.echo(note)
    click.echo(summary(pruned, dry_run))
