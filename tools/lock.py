"""Resolve pyproject.toml into the locks: a line for each package, with the hashes of its files.

`python -m tools.lock` writes requirements.lock (a run), requirements-text.lock (with pretrained
encoders), requirements-dev.lock (with tools), and pipeline/text/model/pretrained.lock, which is
what the second adds to the first. UV_CONSTRAINT=requirements.lock keeps the versions.

torch comes as two builds of one version, for CPUs and with CUDA. A lock has the hashes of both:
those of the folder that UV_FIND_LINKS names, of the index, and of the lock that there was.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

UV = Path(sys.executable).with_name("uv")
COMPILE = (str(UV), "pip", "compile", "-q", "--no-header", "--no-annotate", "--generate-hashes")
PYTHON = ("--python-version", "3.11")
RUN, TEXT, DEV = "requirements.lock", "requirements-text.lock", "requirements-dev.lock"
PRETRAINED = Path("pipeline/text/model/pretrained.lock")
LOCKS = {
    RUN: (),
    TEXT: ("--extra", "text", "-c", RUN),
    DEV: ("--extra", "text", "--group", "dev", "-c", TEXT),
}
_LOCAL = re.compile(r"\+\w+")

Pins = dict[str, set[str]]
"""The hashes of each `name==version`."""


def main() -> None:
    for name, options in LOCKS.items():
        pins = compiled("pyproject.toml", *options)
        write(Path(name), with_other_builds(pins, read(Path(name))))
    base = set(Path(RUN).read_text(encoding="utf-8").splitlines())
    whole = Path(TEXT).read_text(encoding="utf-8").splitlines()
    PRETRAINED.write_text("".join(f"{line}\n" for line in whole if line not in base))


def compiled(*words: str, text: str | None = None, without: str | None = None) -> Pins:
    """What uv resolves; without the variable `without` in its environment."""
    environment = {key: value for key, value in os.environ.items() if key != without}
    kept = [word for file in os.environ.get("UV_CONSTRAINT", "").split() for word in ("-c", file)]
    done = subprocess.run(
        [*COMPILE, *PYTHON, *kept, *words],
        input=text,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.returncode)  # uv has said why
    return parsed(done.stdout)


def parsed(text: str) -> Pins:
    """The pins of a lock, whether its hashes stand in the package's line or below it."""
    pins: Pins = {}
    for line in text.replace("\\\n", " ").splitlines():
        name, *hashes = line.split()
        pins[name] = {one for one in hashes if one.startswith("--hash=")}
    return pins


def with_other_builds(found: Pins, before: Pins) -> Pins:
    """The pins without local versions such as `+cpu`; each has the hashes of all its builds."""
    pins: Pins = {}
    for pin, hashes in found.items():
        public = _LOCAL.sub("", pin)
        if public != pin:
            others = compiled("--no-deps", "-", text=public, without="UV_FIND_LINKS")
            hashes = hashes | others[public] | before.get(public, set())
        pins[public] = hashes
    return pins


def read(lock: Path) -> Pins:
    return parsed(lock.read_text(encoding="utf-8")) if lock.is_file() else {}


def write(lock: Path, pins: Mapping[str, set[str]]) -> None:
    lines = [" ".join((name, *sorted(hashes))) for name, hashes in pins.items()]
    lock.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
