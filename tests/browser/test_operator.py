"""An operator's day in a browser: the stack, a build by the form, its pages, MLflow, the service.

Real processes and Debian's Chromium. Screenshots go to `.local/screenshots/`.
"""

import contextlib
import os
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from flows.server.prefect_settings import AUTH, authorization
from tests.conftest import ROOT, fresh_clone
from tests.e2e.conftest import Clone

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PARTS = ("page", "prefect", "worker", "mlflow", "service")
NUM_FURTHER_PROJECTS = 4
BUILD_WITHIN_MS = 600_000
# Without a preflight a page sees nothing of the answer; with one the browser sends no request.
PLAYED = """async (api) => {
  const body = JSON.stringify({flow_id: "00000000-0000-0000-0000-000000000000"});
  const simple = {method: "POST", mode: "no-cors", credentials: "include"};
  const asked = [
    () => fetch(api + "/flow_runs/", {...simple, body: new Blob([body])}),
    () => fetch(api + "/flow_runs/", {...simple, body}),
    () => fetch(api + "/flow_runs/filter", {method: "POST", body: "{}",
                headers: {"Content-Type": "application/json"}}),
    () => fetch(api + "/admin/version"),
  ];
  const seen = [];
  for (const ask of asked) {
    try { seen.push((await ask()).type); } catch (error) { seen.push("refused"); }
  }
  return seen;
}"""


@dataclass(frozen=True)
class Operator:
    """A browser's page, and where the stack's parts are."""

    page: Page
    ports: dict[str, int]
    secret: str

    def open(self, part: str, path: str = "/") -> None:
        self.page.goto(f"http://127.0.0.1:{self.ports[part]}{path}")

    def look(self, name: str) -> None:
        """Keep what is seen now."""
        folder = ROOT / ".local" / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png")


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    """The stack of a clone with the committed build, and a browser."""
    (tmp_path / "home").mkdir()
    clone = Clone(fresh_clone(tmp_path / "clone"))
    pulled = clone.dvc("pull")
    assert pulled.returncode == 0, pulled.stderr
    ports = free_ports()
    named = {f"HALLMARK_{part.upper()}_PORT": str(port) for part, port in ports.items()}
    started = clone.run("flows.cli.main", "up", HALLMARK_TRACKING="on", **named)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        with sync_playwright() as playwright:
            binary = shutil.which("chromium")
            assert binary, "expected Chromium: `make test-browser` installs it"
            browser = playwright.chromium.launch(executable_path=binary, args=CHROMIUM)
            context = browser.new_context(viewport={"width": 1400, "height": 1100})
            page = context.new_page()
            page.set_default_timeout(60_000)
            secret = (clone.root / ".local" / "prefect" / "secret").read_text().strip()
            assert secret not in started.stdout
            yield Operator(page, ports, secret)
            browser.close()
    finally:
        ended = clone.run("flows.cli.main", "down", **named)
        assert ended.returncode == 0, ended.stdout + ended.stderr


def free_ports() -> dict[str, int]:
    """A free port for each part; the service's last, with the next ones for further projects.

    They lie below those that the system gives to anybody who asks for any.
    """
    for first in range(20000 + os.getpid() % 5000, 32000, 20):
        wanted = range(first, first + len(PARTS) + NUM_FURTHER_PROJECTS)
        with contextlib.ExitStack() as opened, contextlib.suppress(OSError):
            for port in wanted:
                opened.enter_context(socket.create_server(("127.0.0.1", port)))
            return dict(zip(PARTS, wanted, strict=False))
    raise AssertionError("expected free ports below 32000")


def test_an_operator_builds_by_the_form_and_uses_what_came_of_it(operator: Operator) -> None:
    play_a_foreign_page(operator)
    start_a_build(operator, strength="0.9")
    play_a_foreign_page(operator)  # the browser knows the secret now, and does not say it
    watch_it_to_its_end(operator)
    open_its_artifacts(operator)
    look_at_mlflow(operator)
    use_the_service(operator)
    see_the_candidate(operator)


def play_a_foreign_page(operator: Operator) -> None:
    """A page of another site asks for runs, and for what there is, in all ways it has."""
    page = operator.page.context.new_page()
    page.goto("data:text/html,<title>another site</title>")
    api = f"http://127.0.0.1:{operator.ports['prefect']}/api"
    before = num_runs(operator)

    seen = page.evaluate(PLAYED, api)

    assert set(seen) <= {"opaque", "refused"}  # by the server, or by the browser before
    assert seen[2:] == ["refused", "refused"]
    assert num_runs(operator) == before
    page.close()


def num_runs(operator: Operator) -> int:
    url = f"http://127.0.0.1:{operator.ports['prefect']}/api/flow_runs/count"
    answered = httpx.post(url, headers=authorization({AUTH: operator.secret}), timeout=20)
    return int(answered.raise_for_status().json())


def start_a_build(operator: Operator, strength: str) -> None:
    page = operator.page
    operator.open("page")
    expect(page.get_by_role("heading", name="adult")).to_be_visible()
    operator.look("1-overview")
    page.get_by_role("link", name="start a build", exact=True).first.click()  # adult comes first
    page.locator("input[type=password]").fill(operator.secret)
    page.get_by_role("button", name="Login").click()
    page.get_by_role("link", name="adult", exact=True).first.click()
    page.wait_for_url("**/deployment/**")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()
    expect(page.get_by_text("mitigation_strength")).to_be_visible()
    page.locator("input[type=number]").first.fill(strength)
    operator.look("2-form")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/deployment/[^/]+\?tab=Runs"))


def watch_it_to_its_end(operator: Operator) -> None:
    page = operator.page
    operator.open("prefect", "/runs")
    page.locator("a[href*='/flow-run/']").first.click()
    # A log line says it, and so does the state when the build has ended.
    change = page.get_by_text("train.mitigation.strength 0.6 → 0.9").first
    expect(change).to_be_visible(timeout=BUILD_WITHIN_MS)
    operator.look("3-running")
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible(timeout=BUILD_WITHIN_MS)
    operator.look("4-completed")
    page.get_by_text("Task Runs", exact=True).last.click()
    expect(page.get_by_text("Cached", exact=True).first).to_be_visible()
    operator.look("5-tasks")


def open_its_artifacts(operator: Operator) -> None:
    page = operator.page
    page.get_by_text("Artifacts", exact=True).last.click()
    page.get_by_text("adult-gate").last.click()
    expect(page.get_by_text("demographic_parity_difference").first).to_be_visible()
    operator.look("6-verdict")


def look_at_mlflow(operator: Operator) -> None:
    page = operator.page
    operator.open("mlflow", "/#/models/adult")
    expect(page.get_by_text("candidate").first).to_be_visible()
    operator.look("7-mlflow")


def use_the_service(operator: Operator) -> None:
    page = operator.page
    operator.open("service")
    page.get_by_role("button", name=re.compile("predict", re.IGNORECASE)).click()
    expect(page.get_by_text(re.compile(r"[<>]=?50K")).first).to_be_visible()
    operator.look("8-service")


def see_the_candidate(operator: Operator) -> None:
    page = operator.page
    operator.open("page")
    expect(page.get_by_text(re.compile("version 1")).first).to_be_visible()
    operator.look("9-overview")
