"""A project's file as a whole: checked before anything runs, and changed by `--set`."""

import copy
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from pipeline.core.errors import ProjectError
from pipeline.core.files import write_text
from pipeline.core.paths import READING_ORDER
from pipeline.core.settings.columns import Columns
from pipeline.core.settings.kept_yaml import opened, written
from pipeline.core.settings.modality import optional_part
from pipeline.core.settings.problems import nearest, shown
from pipeline.core.settings.project import known_project, projects
from pipeline.core.settings.sections import SHARED, check_section_names, section
from pipeline.core.settings.typed_settings import Frozen
from pipeline.core.settings.yaml_files import read_yaml
from pipeline.core.verdict.gate_rules import Rule
from pipeline.core.verdict.rule_checks import check_groupings, check_swaps, check_task


@dataclass(frozen=True)
class Change:
    """One key that `--set` gives a value.

    Attributes:
        key: Dotted: section first, `train.max_epochs`.
        old: What it was, written out.
        new: What it is now, written out.
    """

    key: str
    old: str
    new: str

    def __str__(self) -> str:
        if self.old == self.new:
            return f"{self.key} is {self.new} already"
        return f"{self.key} {self.old} → {self.new}"


def project_file(project: str) -> Path:
    return Path("data") / project / "project.yaml"


def check_project(root: Path, project: str) -> None:
    """Check the project's whole file against the settings of every stage that exists.

    Raises:
        ProjectError: unknown project, section or key, a missing section, a wrong type.
    """
    modality = modality_of(root, project)
    source = project_file(project)
    check_content(source, read_yaml(root, source), modality)


def modality_of(root: Path, project: str) -> str:
    return projects(root)[known_project(root, project)]


def check_content(source: Path, content: Mapping[str, Any], modality: str) -> None:
    """Check every section that is there, that every existing stage has one, and that they agree."""
    check_section_names(source, content)
    found: dict[str, Any] = {}
    for name in dict.fromkeys((*content, *READING_ORDER)):
        if model := settings_of(name):
            found[name] = section(source, content, name, model, modality)
    if "gate" in found and "columns" in found:
        check_task(found["gate"].rules, found["columns"].task, source)
        _check_groupings(source, found["gate"].rules, found["columns"], found.get("assess"))
        kind = optional_part(modality, "evaluation.counterfactuals")
        check_swaps(found["gate"].rules, kind.groupings() if kind else (), source)


def _check_groupings(source: Path, rules: Sequence[Rule], columns: Columns, assess: Any) -> None:
    """The gate's rules name groupings that the stages before it compare."""
    from pipeline.core.dataset.groups import CROSS, crossings
    from pipeline.evaluate.stage import CHAMPION_MAX_DEPTH

    for against, depth in (
        ("champion", CHAMPION_MAX_DEPTH),
        (None, getattr(assess, "max_depth", 2)),
    ):
        known = [CROSS.join(names) for names in crossings(columns.sensitive, depth)]
        check_groupings([rule for rule in rules if rule.against == against], known, str(source))


def settings_of(name: str) -> type[Frozen] | None:
    """The typed settings of a section; None for a stage that does not exist yet."""
    if name in SHARED:
        return SHARED[name]
    try:
        model: type[Frozen] = importlib.import_module(f"pipeline.{name}.stage").Settings
    except ModuleNotFoundError as error:
        if error.name not in (f"pipeline.{name}", f"pipeline.{name}.stage"):
            raise
        return None
    return model


def apply(root: Path, project: str, assignments: tuple[str, ...]) -> list[Change]:
    """Write `SECTION.KEY=VALUE` into the project's file, comments and layout kept.

    The file is checked first as it would be; refused, it stays as it was.

    Raises:
        ProjectError: not of this form, an unknown key, a value of a wrong type.
    """
    modality = modality_of(root, project)
    source = project_file(project)
    read_yaml(root, source)  # refuses what is absent or no mapping, by name
    text = (root / source).read_text(encoding="utf-8")
    yaml, content = opened(text)
    before = copy.deepcopy(content)
    defaults = _Defaults(source, before, modality)
    changes = [_assign(source, defaults, content, assignment) for assignment in assignments]
    after = written(yaml, content)
    check_content(source, YAML(typ="safe").load(after), modality)
    if content != before:
        write_text(root / source, after)
    return changes


def _assign(source: Path, before: "_Defaults", content: CommentedMap, assignment: str) -> Change:
    key, equals, value_text = assignment.partition("=")
    path = key.strip().split(".")
    if not equals or len(path) < 2 or not all(path):
        raise ProjectError(
            f"--set: expected STAGE.KEY=VALUE, got {assignment!r}",
            hint="for instance --set train.max_epochs=40",
        )
    _check_section(path[0])
    try:
        value = YAML(typ="safe").load(value_text)
    except YAMLError as error:
        raise ProjectError(
            f"--set {key}: expected a YAML value, got {value_text!r}",
            hint="for instance --set 'train.network.hidden=[64, 32]', in quotes for the shell",
        ) from error
    holder = content
    for index, name in enumerate(path[:-1]):
        if holder.get(name) is None:
            holder[name] = CommentedMap()
        holder = holder[name]
        if not isinstance(holder, dict):
            found = ".".join(path[: index + 1])
            raise ProjectError(
                f"{source}: expected keys below `{found}`, found {shown(holder)}",
                hint=f"edit {source} to change what a list holds"
                if isinstance(holder, list)
                else f"`hallmark settings {path[0]}` lists its keys",
            )
    holder[path[-1]] = value
    return Change(".".join(path), before.written(path), str(value))


def _check_section(name: str) -> None:
    known = (*SHARED, *READING_ORDER)
    if name not in known:
        raise ProjectError(
            f"--set: expected a section of project.yaml, got {name!r}", hint=nearest(name, known)
        )


@dataclass(frozen=True)
class _Defaults:
    """The file as it was, and the settings' defaults for what it does not name."""

    source: Path
    content: Mapping[str, Any]
    modality: str

    def written(self, path: list[str]) -> str:
        """The value at a path, as people read it."""
        value: Any = self.content
        for name in path:
            if not isinstance(value, Mapping) or name not in value:
                return self._default(path)
            value = value[name]
        return str(value)

    def _default(self, path: list[str]) -> str:
        model = settings_of(path[0])
        try:
            given = {path[0]: dict(self.content.get(path[0]) or {})}
            value: Any = (
                section(self.source, given, path[0], model, self.modality) if model else None
            )
        except ProjectError:
            value = None
        for name in path[1:]:
            value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
        return "(not set)" if value is None else f"{value} (the default)"
