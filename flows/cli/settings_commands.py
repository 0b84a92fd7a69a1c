"""`hallmark settings`: every key of project.yaml, and what a project sets of them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from flows.settings.keys import Key


@click.command()
@click.argument("section", metavar="[STAGE]", required=False)
@click.option("--project", metavar="NAME", help="Show what this project sets, beside the defaults.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of project.yaml, for editors.")
def settings(section: str | None, project: str | None, schema: bool) -> None:
    """List the keys of project.yaml: type, range, unit, default and meaning.

    STAGE is a stage, or `about` or `columns`, which stages share; without it, all are listed.
    In a dotted key, N stands for a rule's position and NAME for a name that you choose.

    \b
    Examples:
      hallmark settings train
      hallmark settings train --project adult
      hallmark settings gate
      hallmark settings --schema > project.schema.json
    """
    import json

    from flows.engine.checkout import find_root
    from flows.settings.keys import keys_of
    from flows.settings.project_file import project_file
    from flows.settings.schema import SECTION_NAMES, project_schema
    from pipeline.core.errors import ProjectError
    from pipeline.core.settings.problems import nearest
    from pipeline.core.settings.project import known_project, projects
    from pipeline.core.settings.yaml_files import read_yaml

    if section is not None and section not in SECTION_NAMES:
        raise ProjectError(
            f"expected a stage, or about or columns, got {section!r}",
            hint=nearest(section, SECTION_NAMES),
        )
    described = project_schema()
    if schema:
        click.echo(json.dumps(described, indent=2, ensure_ascii=False))
        return
    content: Mapping[str, Any] | None = None
    modality: str | None = None
    if project is not None:
        root = find_root(Path.cwd())
        content = read_yaml(root, project_file(known_project(root, project)))
        modality = projects(root)[project]
    for name in (section,) if section else SECTION_NAMES:
        click.echo(
            f"{click.style(name, bold=True)}: {described['properties'][name]['description']}"
        )
        keys = [
            key
            for key in keys_of(described, name)
            if modality is None or key.modality in ("", modality)
        ]
        for key in keys:
            for line in key_lines(key, content, project or ""):
                click.echo(line)
        if not keys:
            click.echo("  no keys")
        click.echo()


def key_lines(key: "Key", content: Mapping[str, Any] | None, project: str) -> Iterator[str]:
    """A key on one line, and below it what it means; with a project's content, what it sets."""
    facts = " ".join(filter(None, (key.type, key.limits)))
    if key.unit:
        facts += f", {key.unit}"
    if key.required:
        facts += "; required"
    elif key.default is not None:
        facts += f"; default {key.default}"
    found = None if content is None else set_value(content, key.name)
    if found is not None:
        facts += f"; {project} sets {found}"
    yield click.wrap_text(
        f"{key.name}: {facts}", width(), initial_indent="  ", subsequent_indent="      "
    )
    meaning = f"Of {key.modality}: {key.meaning}" if key.modality else key.meaning
    yield click.wrap_text(meaning, width(), initial_indent="      ", subsequent_indent="      ")


def width() -> int:
    import shutil

    return min(shutil.get_terminal_size().columns, 100)


def set_value(content: Mapping[str, Any], name: str) -> str | None:
    """What a project's file has under a dotted key, written out; None where it has nothing.

    Of a list of rules or a mapping the number is told; their keys are each entry's own.
    """
    from flows.settings.keys import written

    value: Any = content
    for step in name.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return None
        value = value[step]
    if isinstance(value, Mapping):
        return f"{len(value)} of its keys" if value else None
    if isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        return f"{len(value)} entries"
    return written(value)
