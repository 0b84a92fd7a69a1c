"""docs/settings.md and docs/project.schema.json, from the typed settings.

`python -m tools.settings_page` writes both (`make docs`); the contract test next to this
file says when they are stale.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from flows.settings.keys import Key, keys_of
from flows.settings.schema import SECTION_NAMES, project_schema

SCHEMA, PAGE = Path("docs/project.schema.json"), Path("docs/settings.md")
HEAD = """\
# Settings

Every key of `project.yaml`. This page is made from the typed settings by `make docs`; do not edit
it. `hallmark settings STAGE` prints a section, with `--project NAME` what that project sets;
`hallmark settings --schema` prints the JSON Schema, [project.schema.json](project.schema.json).
Editors complete and check a project file that begins with

```yaml
# yaml-language-server: $schema=../../docs/project.schema.json
```

Keys are dotted, as `hallmark build PROJECT --set train.max_epochs=40` takes them; `N` stands for
the position of a rule, counted from 0, and `NAME` for a name that you choose. A number without a
unit is a share or probability within 0 and 1, or a seed; `factor` is a pure number without such
limits. A meaning that begins with *image*, *tabular* or *text* is of a key that projects of this
modality alone have.
"""


def pages() -> dict[Path, str]:
    """The files and what stands in them."""
    schema = project_schema()
    about = {name: section["description"] for name, section in schema["properties"].items()}
    sections = [
        f"## {name}\n\n{about[name]}\n\n{_table(keys_of(schema, name))}" for name in SECTION_NAMES
    ]
    return {
        SCHEMA: json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        PAGE: "\n".join([HEAD, *sections]),
    }


def _table(keys: list[Key]) -> str:
    if not keys:
        return "No keys: write it as `{}`.\n"
    return "\n".join(
        ["| key | type | default | unit | meaning |", "|---|---|---|---|---|", *_rows(keys), ""]
    )


def _rows(keys: list[Key]) -> Iterator[str]:
    for key in keys:
        kind = " ".join(filter(None, (key.type, key.limits)))
        default = "required" if key.required else f"`{key.default}`" if key.default else ""
        meaning = f"*{key.modality}:* {key.meaning}" if key.modality else key.meaning
        cells = (f"`{key.name}`", kind, default, key.unit, meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def stale(root: Path) -> list[str]:
    """The files that differ from what the settings say."""
    return [
        str(file)
        for file, text in pages().items()
        if not (root / file).is_file() or (root / file).read_text(encoding="utf-8") != text
    ]


if __name__ == "__main__":
    for target, content in pages().items():
        target.write_text(content, encoding="utf-8")
