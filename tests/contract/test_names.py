"""One word names a stage everywhere; each disagreement is shown with a planted one."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from flows.cli.main import cli
from pipeline.core.paths import READING_ORDER
from tests.contract.names import problems


def test_all_places_name_the_same_stages(root: Path) -> None:
    assert list(problems(root)) == []


def test_the_command_line_has_a_command_for_each_stage() -> None:
    for stage in READING_ORDER:
        assert CliRunner().invoke(cli, [stage, "--help"]).exit_code == 0


@pytest.mark.parametrize(
    ("file", "before", "after", "problem"),
    [
        ("dvc.yaml", "  audit:\n", "  inspect:\n", "dvc.yaml lacks ['audit']"),
        ("dvc.yaml", "pipeline audit ${name}", "pipeline balance ${name}", "audit: its command is"),
        ("dvc.yaml", "30_audit/report", "30_inspect/report", "does not lie in data/${name}/30_aud"),
        ("dvc.yaml", "[audit, ", "[balance, ", "audit: dvc.yaml watches"),
        ("dvc.yaml", "report.json: *stored", "report.json: {cache: true}", "would be pushed"),
        ("data/adult/project.yaml", "audit:", "inspect:", "sections of data/adult/project.yaml"),
        ("pipeline/audit/stage.py", "SECTIONS = (", "SECTION = (", "audit: dvc.yaml watches"),
        ("pipeline/audit/stage.py", "class Settings", "class Options", "does not define Settings"),
        ("pipeline/audit/stage.py", "Refuses when:", "Fails when:", "does not say 'Refuses when:'"),
    ],
)
def test_a_planted_disagreement_is_named(
    copy: Path, file: str, before: str, after: str, problem: str
) -> None:
    content = (copy / file).read_text(encoding="utf-8")
    assert before in content
    (copy / file).write_text(content.replace(before, after), encoding="utf-8")
    assert any(problem in found for found in problems(copy))


def test_a_module_that_no_stage_names_is_found(copy: Path) -> None:
    (copy / "pipeline/polish").mkdir()
    (copy / "pipeline/polish/stage.py").write_text('"""Reads: nothing."""\n')
    found = "packages in pipeline/ with a stage.py: 'polish' stands only there"
    assert found in list(problems(copy))
