"""A packaged model's folder, the bento: what stands where in it, its digests, how it is served.

This module reads bentos and never imports BentoML; `package` makes them.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.core.errors import ArtifactMissing
from pipeline.core.files import damaged, missing, read_json

MANIFEST = "bento.yaml"
SOURCE = "src"
ENTRY = "service.py"
MODEL = "model"
SERVICE = "service.json"
CONTRACT = "contract.json"
CARD = "card/report.html"
VERDICT = "card/verdict.json"
PROOF = "proof.json"
MODEL_FILES = ("encoder.json", "model.json", "policy.json", "weights.safetensors")
WORKERS = "HALLMARK_WORKERS"
"""The variable with the number of processes that answer; one where it is not set."""
ALLOWED_HOSTS = "HALLMARK_ALLOWED_HOSTS"
"""The variable with the hosts, beside this machine's own, that requests may name, with commas
between them; `*` for all, `0.0.0.0` for every address."""
VERSION_LENGTH = 16
"""Characters of the digest that make the bento's version."""


def digest(folder: Path) -> str:
    """SHA-256 over path and content of every file of a bento, in order, but for its manifest.

    The manifest, bento.yaml, names the version, which is made from this digest.

    Raises:
        ArtifactMissing: there is no bento in `folder`.
    """
    if not (folder / MANIFEST).is_file():
        raise missing(folder / MANIFEST)
    return _digest_of(folder, (file for file in _files(folder) if file != folder / MANIFEST))


def model_digest(folder: Path) -> str:
    """SHA-256 over names and contents of the four files that decide: the model and its policy.

    Raises:
        ArtifactMissing: one of them is absent.
    """
    return _digest_of(folder, (folder / name for name in MODEL_FILES))


def file_digest(source: Path) -> str:
    """SHA-256 of one file; raises ArtifactMissing when there is none."""
    try:
        return hashlib.sha256(source.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise missing(source) from None


def read_proof(folder: Path) -> dict[str, Any]:
    """What the bento says that it is made from; its model must be the one that it names.

    Raises:
        ArtifactMissing: the proof is absent or damaged, or the model's files are others.
    """
    source = folder / SOURCE / PROOF
    proof = read_json(source)
    if not isinstance(proof, dict) or "model_digest" not in proof:
        raise damaged(source, "proof", KeyError("it has no `model_digest`"))
    if (found := model_digest(folder / SOURCE / MODEL)) != proof["model_digest"]:
        raise ArtifactMissing(
            f"expected the model that {source} names, {proof['model_digest'][:12]}, "
            f"found {found[:12]}",
            hint="the bento was changed after it was made: `hallmark build` makes it again",
        )
    return proof


def serve_command(folder: Path, host: str, port: int) -> list[str]:
    """The words that serve a bento; start them in the folder `working_folder(folder)`."""
    words = [sys.executable, "-m", "bentoml", "serve", str(folder.resolve())]
    return [*words, "--host", host, "--port", str(port)]


def working_folder(folder: Path) -> Path:
    """Where to serve a bento from: there its own modules are found before any others."""
    return folder / SOURCE


def serve_environment(
    state: Path,
    version: str | None = None,
    token: str | None = None,
    host: str | None = None,
    workers: int = 1,
) -> dict[str, str]:
    """The environment for `serve_command`.

    Args:
        state: A folder for BentoML's own files, for this service alone: it empties it at start.
            Temporary files go there as well, if it is there already.
        version: What the service names itself; the bento's own version when not given.
        token: What requests must carry as `Authorization: Bearer …`; none by default.
        host: The address that clients reach it by, when it is another than its own; what
            HALLMARK_ALLOWED_HOSTS names is added.
        workers: How many processes answer.
    """
    ours = ("HALLMARK_", "PREFECT_", "PYTHONPATH", "PYTHONSAFEPATH", "PROMETHEUS_", "BENTOML_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    named = {
        "HALLMARK_MODEL_VERSION": version,
        "HALLMARK_TOKEN": token,
        ALLOWED_HOSTS: ",".join(filter(None, (os.environ.get(ALLOWED_HOSTS), host))),
        WORKERS: str(workers),
    }
    return {
        **kept,
        "BENTOML_HOME": str(state.resolve()),
        "TMPDIR": str(state.resolve()),
        "BENTOML_DO_NOT_TRACK": "True",
        "DO_NOT_TRACK": "true",
        "OMP_NUM_THREADS": "1",
        "POLARS_MAX_THREADS": "1",
        **{key: value for key, value in named.items() if value},
    }


def _files(folder: Path) -> Iterator[Path]:
    """Every file of the bento; what Python compiles while it runs is none of them."""
    for file in folder.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file


def _digest_of(folder: Path, files: Iterator[Path]) -> str:
    lines = sorted(f"{file.relative_to(folder).as_posix()}\0{file_digest(file)}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
