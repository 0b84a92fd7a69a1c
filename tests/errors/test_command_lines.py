"""Command lines that cannot be carried out: what a person reads, word for word."""

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.errors.broken import HEADER, ROWS, as_clone, make, said

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")

Said = tuple[str, str]

REFUSED: dict[str, Said] = {
    "build peple --engine": (
        "ProjectError: expected a project that params.yaml names (people), got 'peple'",
        "did you mean `people`?",
    ),
    "build data/people --engine": (
        "ProjectError: expected a project that params.yaml names (people), got 'data/people'",
        "did you mean `people`?",
    ),
    "build people trian --engine": (
        "ProjectError: expected a stage of dvc.yaml, got 'trian'",
        "did you mean `train`?",
    ),
    "build people --engine --from trian": (
        "ProjectError: --from: expected a stage that this build has (ingest, validate, "
        "clean, split, audit, balance, train, calibrate, evaluate, assess, explain, gate, "
        "report, package, rehearse), got 'trian'",
        "did you mean `train`?",
    ),
    "build people --engine --set train.max_epochs": (
        "ProjectError: --set: expected STAGE.KEY=VALUE, got 'train.max_epochs'",
        "for instance --set train.max_epochs=40",
    ),
    "build people --engine --set train.max_epoch=4": (
        "ProjectError: data/people/project.yaml: unknown key `train.max_epoch`",
        "did you mean `max_epochs`?",
    ),
    "build people --engine --set trian.max_epochs=4": (
        "ProjectError: --set: expected a section of project.yaml, got 'trian'",
        "did you mean `train`?",
    ),
    "build people --engine --set train.max_epochs=many": (
        "ProjectError: data/people/project.yaml: train.max_epochs: expected a whole "
        "number, got 'many'",
        "`max_epochs`: Passes over the training rows at the most.",
    ),
    "build people --engine --set train.max_epochs.x=1": (
        "ProjectError: data/people/project.yaml: expected keys below `train.max_epochs`, found 4",
        "`hallmark settings train` lists its keys",
    ),
    "build people --engine --set 'train.network={hidden: ['": (
        "ProjectError: --set train.network: expected a YAML value, got '{hidden: ['",
        "for instance --set 'train.network.hidden=[64, 32]', in quotes for the shell",
    ),
    "build people --engine --set clean.rules.0.name=a": (
        "ProjectError: data/people/project.yaml: expected keys below `clean.rules`, found a list",
        "edit data/people/project.yaml to change what a list holds",
    ),
    "why people trian": (
        "ProjectError: expected a stage of dvc.yaml, got 'trian'",
        "did you mean `train`?",
    ),
    "cost people": (
        "ArtifactMissing: expected a run of people on record, found none",
        "hallmark build people",
    ),
    "train peple": (
        "train@peple: ProjectError: expected a project that params.yaml names (people), "
        "got 'peple'",
        "did you mean `people`?",
    ),
    "clean people": (
        "clean@people: ArtifactMissing: expected the file "
        "data/people/10_ingest/snapshot.parquet, found none",
        "`dvc pull` fetches raw data, `hallmark build` makes what is derived from them",
    ),
    "package people": (
        "package@people: ArtifactMissing: expected the file "
        "data/people/65_gate/verdict.json, found none",
        "`dvc pull` fetches raw data, `hallmark build` makes what is derived from them",
    ),
    "settings trian": (
        "ProjectError: expected a stage, or about or columns, got 'trian'",
        "did you mean `train`?",
    ),
    "promote people first --why x": (
        "ProjectError: expected a registered version of people, found none",
        "`hallmark build people` registers one when its verdict and rehearsal pass",
    ),
    "rollback people --why x": (
        "ProjectError: expected an earlier champion of people to go back to, found none",
        "`hallmark history people` shows who was live when",
    ),
    "serve people --version 99": (
        "ProjectError: expected a registered version of people, found none",
        "`hallmark build people` registers one when its verdict and rehearsal pass",
    ),
    "versions peple": (
        "ProjectError: expected a project that params.yaml names (people), got 'peple'",
        "did you mean `people`?",
    ),
    "history peple": (
        "ProjectError: expected a project that params.yaml names (people), got 'peple'",
        "did you mean `people`?",
    ),
    "override people": (
        "ProjectError: expected --rule, --name, --reason, --until; not given: --rule, "
        "--name, --reason, --until",
        "`hallmark override --help` has an example",
    ),
}
"""By command line, the first line and the hint."""

INIT: dict[str, Said] = {
    "init nwe.csv --target income": (
        "ProjectError: expected the file nwe.csv, found none",
        "did you mean `new.csv`?",
    ),
    "init data --target income": (
        "ProjectError: expected a file, data is a folder",
        "name one file: csv, parquet or Excel",
    ),
    "init empty.csv --target income": (
        "ProjectError: expected data in empty.csv, found an empty file",
        "was the download cut short?",
    ),
    "init header.csv --target income": (
        "ProjectError: ingest.source: expected rows in header.csv, found a header alone",
        "was the delivery cut short? ask for it again",
    ),
    "init page.csv --target income": (
        "ProjectError: ingest.source: expected csv in page.csv, found a web page",
        "a log-in or error page was saved in place of the file: download it again",
    ),
    "init bad.parquet --target income": (
        "ProjectError: ingest.source: expected bad.parquet to be a whole parquet file: its "
        "end is missing",
        "was the delivery cut short? compare its size with the sender's",
    ),
    "init ragged.csv --target income": (
        "ProjectError: ingest.source: ragged.csv: expected 6 fields in line 14, as in the "
        "first, found 2",
        "was the delivery cut short? is `ingest.separator` right?",
    ),
    "init new.csv --target incom --sensitive sex": (
        "ProjectError: --target: expected a column of new.csv, got 'incom'",
        "did you mean `income`?",
    ),
    "init new.csv --target income --sensitive gender": (
        "ProjectError: --sensitive: expected a column of new.csv, got 'gender'",
        "known are: age, hours, job, sex, note, income",
    ),
    "init new.csv --target income --positive hihg --sensitive sex": (
        "ProjectError: --positive hihg: expected a value of the target 'income', which has "
        "'high', 'low'",
        "give one of them, in quotes where the shell would read it otherwise",
    ),
    "init new.csv --target income --sensitive sex --no-sensitive none": (
        "ProjectError: expected `--sensitive` or `--no-sensitive`, got both",
        "name the columns, or say why there is none",
    ),
    "init new.csv --target income --no-sensitive ' '": (
        "ProjectError: --no-sensitive: expected the reason why no column is sensitive, got nothing",
        'for instance --no-sensitive "measurements of wines, no people"',
    ),
    "init new.csv --target income --sensitive ,": (
        "ProjectError: --sensitive: expected names of columns with commas between them, got none",
        "for instance --sensitive one,other",
    ),
    "init new.csv --target income --sensitive income": (
        "ProjectError: --sensitive: expected other columns than the target, got 'income'",
        "groups are compared by what is predicted for them, so the target is no group",
    ),
    "init new.csv --target income --name people": (
        "ProjectError: expected a new project, 'people' is one already, and not made by "
        "`hallmark init`",
        "choose another name: --name people-2",
    ),
    "init new.csv --target income --name 'My Project'": (
        "ProjectError: --name: expected a name of a project, got 'My Project'",
        "lower-case letters and digits, words joined by - or _, a letter first, at most "
        "40: for instance --name credit-2024",
    ),
    "init new.csv --target income --name store": (
        "ProjectError: --name: expected another name than 'store', which is no project's folder",
        "lower-case letters and digits, words joined by - or _, a letter first, at most "
        "40: for instance --name credit-2024",
    ),
    "init shop.db --target income": (
        "ProjectError: expected `--query` beside a database, found none",
        'for instance --query "SELECT * FROM people"',
    ),
    "init none.db --target income --query 'SELECT 1'": (
        "ProjectError: --query: expected a database, found no file none.db",
        "give a URL as SQLAlchemy writes it: sqlite:///people.db, "
        "postgresql://user@host/name (the password from PGPASSWORD)",
    ),
    "init https://example.org/a.csv --target income": (
        "ProjectError: expected a file on this machine, got https://example.org/a.csv",
        "download it first: its copy is what DVC keeps",
    ),
    "init sqlite:///shop.db --target a --query 'DROP TABLE a'": (
        "ProjectError: expected a query that selects rows, found one that begins with 'drop'",
        "for instance `SELECT * FROM people`; data are only read",
    ),
    "init one-value.csv --target income": (
        "ProjectError: --target income: expected at least two different values, found one "
        "in all 108 rows that have any",
        "is it the right column? was the file filtered by it?",
    ),
    "init no-target.csv --target income": (
        "ProjectError: --target income: expected values to learn from, found none in 108 rows",
        "is it the right column? codes such as ?, NA and - count as missing",
    ),
    "init new.csv --target income --task regression --positive high": (
        "ProjectError: --positive: expected none where the task is regression, got 'high'",
        "a positive value is for two classes",
    ),
}
"""The same of `hallmark init`."""

USAGE = {
    "buidl people": "Error: No such command 'buidl'. Did you mean 'build'?",
    "build": "Error: Missing argument 'PROJECT'.",
    "train": "Error: Missing argument 'PROJECT'.",
    "init new.csv": "Error: Missing option '--target'.",
    "build people --form train": (
        "Error: No such option '--form'. (Did you mean one of: '--flow', '--from'?)"
    ),
    "build people train gate": "Error: Got unexpected extra argument (gate)",
    "build people --jobs none": (
        "Error: Invalid value for '--jobs': 'none' is not a valid integer range."
    ),
    "build people --jobs 0": "Error: Invalid value for '--jobs': 0 is not in the range x>=1.",
    "init new.csv --target income --task clustering": (
        "Error: Invalid value for '--task': 'clustering' is not one of 'binary', "
        "'multiclass', 'regression'."
    ),
    "serve people --port 99999999": (
        "Error: Invalid value for '--port': 99999999 is not in the range 0<=x<=65535."
    ),
}
"""Command lines that are none: the last line; above it stands how the command is used."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound repository, and files beside it that are not all sound. Nothing here changes it."""
    root = tmp_path_factory.mktemp("clone")
    as_clone(make(root))
    files = {
        "new.csv": HEADER + ROWS * 20,
        "empty.csv": "",
        "header.csv": HEADER,
        "page.csv": "<!DOCTYPE html>\n<html>log in</html>\n",
        "ragged.csv": HEADER + ROWS + "1,2\n",
        "one-value.csv": HEADER + ROWS.replace("low", "high") * 9,
        "no-target.csv": HEADER + (ROWS * 9).replace("low", "").replace("high", ""),
        "bad.parquet": "PAR1 and nothing more",
        "shop.db": "",
    }
    for name, content in files.items():
        (root / name).write_text(content, encoding="utf-8")
    return root


def state(root: Path) -> str:
    """What git sees of the repository: a refusal leaves it alone."""
    words = ["git", "status", "--porcelain", "--untracked-files=all", "--", "data", "params.yaml"]
    return subprocess.run(words, cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("line", [*REFUSED, *INIT])
def test_a_command_that_is_refused(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], line: str
) -> None:
    monkeypatch.chdir(clone)
    before = state(clone)
    code, text = said(capfd, *shlex.split(line))
    lines = [one for one in text.splitlines() if not one.endswith(" …")]  # how far it has come
    assert code == 2, text
    first, hint = {**REFUSED, **INIT}[line]
    assert lines == [first, f"  hint: {hint}"]
    assert state(clone) == before


@pytest.mark.parametrize("line", USAGE)
def test_a_command_that_is_none(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], line: str
) -> None:
    monkeypatch.chdir(clone)
    code, text = said(capfd, *shlex.split(line))
    assert code == 2
    assert text.splitlines()[0].startswith("Usage: hallmark")
    assert text.splitlines()[-1] == USAGE[line]
    assert "Traceback" not in text
