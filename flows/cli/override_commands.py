"""`hallmark override`: a named person lets a rule be broken until a date; a commit."""

from pathlib import Path

import click

from flows.engine.checkout import find_root


@click.command()
@click.argument("project")
@click.option("--rule", help="The rule, as the verdict names it; `<=` may stand for `≤`.")
@click.option("--name", help="Who answers for it.")
@click.option("--reason", help="Why the rule may be broken.")
@click.option("--until", metavar="DATE", help="The last day on which it holds, 2027-01-31.")
@click.option("--list", "is_listing", is_flag=True, help="Show the overrides and their state.")
@click.option("--remove", "is_removing", is_flag=True, help="Take the override of --rule back.")
def override(
    project: str,
    rule: str | None,
    name: str | None,
    reason: str | None,
    until: str | None,
    is_listing: bool,
    is_removing: bool,
) -> None:
    """Let a model break a rule of the gate, in somebody's name and until a date.

    It is written to data/PROJECT/overrides.json and committed, that file alone, in the name of
    git's identity. The next build's verdict becomes `pass_with_override` where nothing else
    refuses, and name, reason and date stay with the model: in its card, its service, MLflow and
    `hallmark versions`. After its date builds do without it, and promotion and `hallmark serve`
    refuse the model.

    \b
    Examples:
      hallmark override adult --rule "accuracy >= 0.9" --name "Ada Lovelace" \\
        --reason "agreed by the board until the new data arrive" --until 2027-01-31
      hallmark override adult --list
      hallmark override adult --remove --rule "accuracy >= 0.9"
    """
    from flows.registry.overrides import refuses, sign, take_back
    from pipeline.core.errors import ProjectError
    from pipeline.core.settings.project import known_project

    root = find_root(Path.cwd())
    known_project(root, project)
    if is_listing:
        for line in listing(root, project):
            click.echo(line)
        return
    given = {"--rule": rule, "--name": name, "--reason": reason, "--until": until}
    needed = ("--rule",) if is_removing else tuple(given)
    if absent := [option for option in needed if not given[option]]:
        raise ProjectError(
            f"expected {', '.join(needed)}; not given: {', '.join(absent)}",
            hint="`hallmark override --help` has an example",
        )
    if is_removing:
        record, made = take_back(root, project, str(rule))
        click.echo(f"taken back: {record.rule} (commit {made[:10]})")
    else:
        record, made = sign(
            root, project, rule=str(rule), name=str(name), reason=str(reason), until=str(until)
        )
        click.echo(f"signed: {record.rule}, by {record.name} until {record.until}")
        click.echo(f"commit {made[:10]}; `git revert` or --remove takes it back")
        if not refuses(root, project, record.rule):
            click.echo("note: the last verdict does not refuse by this rule; nothing to override")
    click.echo(f"next: `hallmark build {project}` decides again")


def listing(root: Path, project: str) -> list[str]:
    """The overrides, one line each, with what becomes of them today."""
    from flows.registry.overrides import home_of, rules_of, today
    from pipeline.core.verdict.override_records import (
        as_dict,
        has_expired,
        in_words,
        read_overrides,
    )

    titles = {rule.title for rule in rules_of(root, project)}
    lines = []
    for record in read_overrides(home_of(root, project)):
        state = "in force" if record.rule in titles else "without effect: no such rule now"
        if has_expired(record, today()):
            state = "expired: the next build takes it out"
        lines.append(f"{in_words(as_dict(record))} (signed {record.signed}; {state})")
    return lines or [f"no rule of {project} is overridden"]
