"""Images go from a delivery to parts by fashion's own contract and rules; what is wrong with a few
is cleaned as named, and more of it is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image
from ruamel.yaml import YAML

from pipeline.core.errors import ContractBreach
from pipeline.core.run.runner import run_stage
from tests import images as pictures
from tests.people import write_yaml

SOURCE = Path(__file__).parents[3] / "data/fashion"
WIDE = pictures.encoded(Image.new("L", (50_000, 2)))
NUM_ROWS = 600
FAULTS: dict[int, bytes | None] = {
    7: b"no image",
    11: WIDE,
    13: pictures.bomb(50_000, 50_000),
    17: pictures.encoded(pictures.picture(17, (56, 56)).convert("RGB"), "JPEG", quality=95),
    19: pictures.encoded(pictures.picture(18).resize((56, 56), Image.Resampling.BICUBIC)),
}


def delivered(home: Path, faults: dict[int, bytes | None], without_label: tuple[int, ...]) -> Path:
    """A repository with made pictures in the place of fashion's, some of them with a fault."""
    contract = json.loads((SOURCE / "contract.json").read_text())
    classes = contract["prepared"]["expectations"][9]["kwargs"]["value_set"]
    for part in contract.values():  # few rows will do
        for entry in part["expectations"]:
            if entry["type"] == "expect_table_row_count_to_be_between":
                entry["kwargs"]["min_value"] = 1
    folder = home / "data/fashion"
    (folder / "raw").mkdir(parents=True)
    (folder / "contract.json").write_text(json.dumps(contract))
    shutil.copy(SOURCE / "project.yaml", folder / "project.yaml")
    write_yaml(home / "params.yaml", {"projects": {"fashion": {"modality": "image"}}})
    images = [faults.get(number, pictures.png(number)) for number in range(NUM_ROWS)]
    labels = [None if i in without_label else classes[i % 10] for i in range(NUM_ROWS)]
    image = pl.Series("image", [{"bytes": one, "path": None} for one in images])
    table = pl.DataFrame([pl.Series("id", range(NUM_ROWS)), image, pl.Series("label", labels)])
    table.write_parquet(folder / "raw/fashion.parquet")
    return folder


def json_of(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def test_a_few_faults_are_cleaned_as_named_and_copies_share_no_parts(tmp_path: Path) -> None:
    folder = delivered(tmp_path, FAULTS, without_label=(23,))
    for stage in ("ingest", "validate", "clean", "split"):
        run_stage(tmp_path, stage, "fashion")
    profile = json_of(folder, "10_ingest/profile.json")["columns"][1]["images"]
    assert (profile["num_undecodable"], profile["num_beyond_limits"]) == (3, 2)
    ledger = json_of(folder, "20_clean/ledger.json")
    changes = {one["rule"]: (one["rows_dropped"], one["cells"]) for one in ledger["rules"]}
    assert changes == {
        "drop_undecodable": (3, {}),  # no image, too wide, too large
        "resize": (0, {"photo": 2}),
        "convert_mode": (0, {"photo": 1}),
        "drop_missing": (1, {}),
        "drop_near_duplicates": (1, {}),  # 19 shows what 18 does
    }
    table = pl.read_parquet(folder / "20_clean/table.parquet")
    gone = set(range(NUM_ROWS)) - set(table["item_number"])
    assert gone == {7, 11, 13, 19, 23}
    report = json_of(folder, "25_split/report.json")
    assert report["leakage"] == {"num_keys_in_two_parts": 0}
    assert sum(part["rows"] for part in report["parts"].values()) == NUM_ROWS - 5


def test_files_that_are_no_images_are_counted_in_the_profile(tmp_path: Path) -> None:
    folder = delivered(tmp_path, {}, ())
    (folder / "raw/fashion.parquet").unlink()
    for name in ("bag/1.png", "shoe/2.png", "shoe/notes.txt"):
        (folder / "raw" / name).parent.mkdir(exist_ok=True)
        (folder / "raw" / name).write_bytes(pictures.png(1))
    content = YAML(typ="safe").load(folder / "project.yaml")
    content["ingest"] = {"source": "raw", "format": "images"}
    content["columns"] = {"target": "label", "task": "multiclass", "image": "image"}
    write_yaml(folder / "project.yaml", content)
    run_stage(tmp_path, "ingest", "fashion")
    profile = json_of(folder, "10_ingest/profile.json")
    assert (profile["rows"], profile["files_left_out"]) == (2, 1)


@pytest.mark.parametrize(
    ("fault", "num_unlabelled", "words"),
    [
        (b"no image", 0, "photo.decodable: "),
        (WIDE, 0, "photo.width: 10 of 600 rows (1.67%) outside 28 to 28; now 28 to 50,000"),
        (pictures.png(1), 0, "photo.num_near_duplicates: "),
        (None, 0, "photo: missing in 10 of 600 rows"),
        (pictures.png(0), 10, "garment: missing in 10 of 600 rows"),
    ],
    ids=["no image", "50,000 pixels wide", "the same again", "no bytes", "no label"],
)
def test_many_faults_break_the_contract_by_name(
    tmp_path: Path, fault: bytes | None, num_unlabelled: int, words: str
) -> None:
    num_faults = 1 if num_unlabelled else 10
    delivered(tmp_path, dict.fromkeys(range(num_faults), fault), tuple(range(num_unlabelled)))
    run_stage(tmp_path, "ingest", "fashion")
    with pytest.raises(ContractBreach) as refused:
        run_stage(tmp_path, "validate", "fashion")
    assert any(words in finding for finding in refused.value.findings)
