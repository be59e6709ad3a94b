"""Shows a page in headless Chromium and tells what is to be seen, over the browser's own debugging pipe.

Standard input: {"page": HTML, "views": [{"width", "height", "dark", "phone"}]}, a view with "clip" shows so many pixels
of the page's height.
Standard output: {"views": [{"png": base64, "scroll_width", "client_width", "height", "pictures", "broken"}],
"console": [text], "requests": [URL]}, the requests without the page itself and what is inside it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 100
FLAGS = (
    "--headless",
    "--no-sandbox",  # it is root in a container of its own, without a network
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)
LOOK = """({
    scroll_width: document.documentElement.scrollWidth,
    client_width: document.documentElement.clientWidth,
    height: Math.ceil(document.documentElement.getBoundingClientRect().height),
    pictures: document.images.length,
    broken: [...document.images].filter(image => !image.complete || !image.naturalWidth).length,
})"""


class Browser:
    """Commands to one page, and the events that it sends meanwhile."""

    def __init__(self, program: str, directory: str) -> None:
        command = [program, *FLAGS, f"--user-data-dir={directory}", "about:blank"]
        # It reads commands from descriptor 3 and answers on 4.
        shell = ["sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null', "sh", *command]
        self._process = subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._unread = b""
        self._last = 0
        self._session: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        assert self._process.stdin
        message = {"id": self._last, "method": method, "params": params, **self._session}
        self._process.stdin.write(json.dumps(message).encode() + b"\0")
        self._process.stdin.flush()
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def wait_for(self, event: str) -> None:
        while not any(seen["method"] == event for seen in self.events):
            self._next()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _next(self) -> dict[str, Any]:
        assert self._process.stdout
        while b"\0" not in self._unread:
            data = os.read(self._process.stdout.fileno(), 1 << 16)
            if not data:
                sys.exit("the browser has ended")
            self._unread += data
        told, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(told)
        if "method" in message:
            self.events.append(message)
        return message


def look(browser: Browser, view: dict[str, Any]) -> dict[str, Any]:
    width, height = view["width"], view["height"]
    browser.ask(
        "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=view["phone"]
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if view["dark"] else "light"}
    browser.ask("Emulation.setEmulatedMedia", media="screen", features=[scheme])
    seen: dict[str, Any] = browser.ask("Runtime.evaluate", expression=LOOK, returnByValue=True)["result"]["value"]
    clip = {"x": 0, "y": 0, "width": width, "height": view.get("clip", seen["height"]), "scale": 1}
    shot = browser.ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
    return {**seen, "png": shot["data"]}


def console(events: list[dict[str, Any]]) -> list[str]:
    """Everything that the browser has to say of the page."""
    told = []
    for event in events:
        match event["method"]:
            case "Log.entryAdded":
                told.append(event["params"]["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                told.append(json.dumps(event["params"]))
    return told


def main() -> None:
    asked = json.load(sys.stdin)
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(f"the browser does not answer within {PATIENCE_SECONDS} s"))
    signal.alarm(PATIENCE_SECONDS)
    with tempfile.TemporaryDirectory() as directory:
        page = Path(directory, "page.html")
        page.write_text(asked["page"], encoding="utf-8")
        browser = Browser(os.environ.get("BROWSER", "chromium-headless-shell"), f"{directory}/profile")
        browser.ask("Page.navigate", url=page.as_uri())
        browser.wait_for("Page.loadEventFired")
        views = [look(browser, view) for view in asked["views"]]
        urls = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
        browser.close()
    requests = [url for url in urls if url != page.as_uri() and not url.startswith("data:")]
    json.dump({"views": views, "console": console(browser.events), "requests": requests}, sys.stdout)


if __name__ == "__main__":
    main()
