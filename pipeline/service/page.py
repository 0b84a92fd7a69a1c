"""The page at `/`: one file, `page.html` beside this module, that needs nothing from elsewhere.

Its policy names the digests of its one script and one style, so a browser runs nothing else.
"""

import base64
import hashlib
import html
import re
from pathlib import Path


class Page:
    """The page's bytes and the headers that go with them.

    Args:
        project: The project's name, for the title.
    """

    def __init__(self, project: str) -> None:
        text = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
        script, style = (digest_of(text, tag) for tag in ("script", "style"))
        policy = (
            f"default-src 'none'; script-src '{script}'; style-src '{style}'; "
            "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        self.html = text.replace("{{project}}", html.escape(project)).encode()
        self.headers = (
            (b"content-security-policy", policy.encode()),
            (b"referrer-policy", b"no-referrer"),
        )


def digest_of(text: str, tag: str) -> str:
    """The digest of the page's one element of this tag, as a content security policy names it."""
    found = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    content = found.group(1) if found else ""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
