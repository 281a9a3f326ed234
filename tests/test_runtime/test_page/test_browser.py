"""The page in a real browser: what is shown, turned, clicked, and how it fits a phone."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from runtime.outputs import read_poses

CHROMIUM = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no browser: Debian's package chromium is not installed")


class Browser:
    """A headless Chromium, driven by its DevTools protocol."""

    def __init__(self, folder: Path) -> None:
        words = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        words += [f"--user-data-dir={folder}", "--no-first-run", "about:blank"]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        place = next((line.split()[-1] for line in self._process.stderr if "DevTools listening on" in line), None)
        assert place is not None, "the browser did not start"
        self._reading = threading.Thread(target=self._process.stderr.read, daemon=True)
        self._reading.start()
        self._opened = contextlib.ExitStack()
        self._socket = self._opened.enter_context(connect(place, max_size=2**26, compression=None))
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        self._socket.send(json.dumps(message if self._session is None else message | {"sessionId": self._session}))
        while True:
            told = json.loads(self._socket.recv(60))
            if told.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(told["params"]))
            if told.get("id") == number:
                assert "error" not in told, told
                return dict(told["result"])

    def evaluate(self, script: str) -> Any:
        told = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def open(self, url: str, width: int = 1280, height: int = 800, scale: float = 1.0) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url=url)
        wanted = f"location.href === {json.dumps(url)} && document.readyState === 'complete'"
        for _ in range(600):
            if self.evaluate(wanted):
                return
            time.sleep(0.05)
        pytest.fail(f"{url} was not loaded")

    def screenshot(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        self._opened.close()
        self._process.kill()
        self._process.wait()
        self._reading.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    made = Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


@pytest.fixture
def running(serve, seen, clock):
    """A page over frames that go on and on, two people in each."""
    page, stop = serve(), threading.Event()

    def go_on() -> None:
        for i in itertools.count():
            if stop.wait(0.03):
                return
            clock.now_s += 0.03
            page.write(*seen(i, 1, 2))

    thread = threading.Thread(target=go_on)
    thread.start()
    yield page
    stop.set()
    thread.join()


SPACE = "document.getElementById('space').toDataURL()"


def text(browser: Browser, name: str) -> str:
    return str(browser.evaluate(f"document.getElementById('{name}').textContent"))


def test_people_speed_and_state_are_shown_and_nothing_is_complained_about(running, browser, until) -> None:
    browser.complaints.clear()
    browser.open(running.url)
    until(lambda: browser.evaluate("document.querySelectorAll('#people tr').length") == 2)
    assert text(browser, "people").startswith("180 %60 mmnot calibrated2")
    assert text(browser, "state") == "live"
    until(lambda: float(text(browser, "fps")) > 5)
    assert text(browser, "model").startswith("hall abababababab")
    assert text(browser, "adaptation") == "no adaptation here yet"
    drawn = browser.evaluate(
        "(() => { const c = document.getElementById('video'); return [c.width, c.height]; })()"
    )  # fmt: skip
    assert drawn == [64, 48]
    assert browser.complaints == []


def test_the_skeleton_is_turned_by_buttons_keys_and_drag(serve, seen, browser, until) -> None:
    page = serve()
    page.write(*seen(0, 1))
    browser.open(page.url)
    until(lambda: browser.evaluate("document.querySelectorAll('#people .dot').length") == 1)
    views = [browser.evaluate(SPACE)]
    browser.evaluate("document.getElementById('side').click()")
    views.append(browser.evaluate(SPACE))
    browser.evaluate("document.getElementById('space').focus()")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowLeft", code="ArrowLeft")
    views.append(browser.evaluate(SPACE))
    x, y = browser.evaluate(
        "(() => { const r = document.getElementById('space').getBoundingClientRect(); return [r.x + 50, r.y + 50]; })()"
    )
    for kind, dx in (("mousePressed", 0), ("mouseMoved", 60), ("mouseReleased", 60)):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x + dx, y=y, button="left", buttons=1, clickCount=1)
    views.append(browser.evaluate(SPACE))
    assert len(set(views)) == 4


def test_a_click_records_and_another_ends_it(running, recorder, browser, until) -> None:
    browser.open(running.url)
    until(lambda: browser.evaluate("!document.getElementById('record').disabled"))
    browser.evaluate("document.getElementById('record').click()")
    until(lambda: recorder.now.frames >= 5)
    until(lambda: text(browser, "record") == "stop recording")
    browser.evaluate("document.getElementById('record').click()")
    until(lambda: not recorder.now.active and text(browser, "record") == "start recording")
    records = read_poses(recorder.now.path)
    assert len(records) == 1 + 2 * recorder.now.frames


def test_trouble_is_said(serve, seen, monitor, browser, until) -> None:
    page = serve()
    page.write(*seen(0, 1))
    browser.open(page.url)
    monitor.heard("reopening", "a read failed")
    until(lambda: text(browser, "state") == "the source is reopening: a read failed")
    monitor.heard("live", "")
    until(lambda: text(browser, "state") == "live")
    assert "good" in str(browser.evaluate("document.getElementById('state').className"))


@pytest.mark.parametrize("width", [360, 390, 768, 1280, 1920])
def test_it_fits(running, browser, until, width) -> None:
    browser.open(running.url, width, 844)
    until(lambda: browser.evaluate("document.querySelectorAll('#people .dot').length") == 2)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    small = browser.evaluate(
        "[...document.querySelectorAll('button')].filter((b) => b.getBoundingClientRect().height < 31).length"
    )
    assert small == 0
