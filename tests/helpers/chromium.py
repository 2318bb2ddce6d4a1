"""A headless Chromium that a test drives by the DevTools protocol over a pipe: no driver, no port, no package."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

from patience import PATIENCE

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--no-first-run", "--window-size=1400,1000",
    # What asks for another machine is recorded all the same, and never gets there.
    "--host-resolver-rules=MAP * ~NOTFOUND",
]  # fmt: skip
# What stays on the machine: contents of a page, files, and what the browser is made of.
LOCAL = ("data:", "blob:", "about:", "file:", "chrome:")


def executable():
    """Path of Chromium; None where it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """One browser with one page.

    Attributes
    ----------
    requests : addresses of all that the page and the frames in it asked for
    errors : what their scripts threw, and what the browser complained of

    Parameters
    ----------
    profile : path of a folder for the browser's own files
    """

    def __init__(self, profile):
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()

        def place_pipes():
            # Chromium reads commands from descriptor 3 and writes answers to 4; copied first, for these may be 3 or 4.
            copies = os.dup(commands), os.dup(answers)
            os.dup2(copies[0], 3)
            os.dup2(copies[1], 4)

        self.process = subprocess.Popen(
            [executable(), *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=place_pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands)
        os.close(answers)
        self.number, self.buffer = 0, b""
        self.requests, self.errors, self.loaded = [], [], 0
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(each["targetId"] for each in targets if each["type"] == "page")
        self.page = self.send("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        self.watch(self.page)
        self.run("0")  # when this is answered, all is being watched

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.commands)  # a browser that nobody can command ends
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.answers)

    def watch(self, session):
        """Record what a page or a frame in a process of its own asks for, from its very start."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.post(f"{domain}.enable", session)
        self.post("Target.setAutoAttach", session, autoAttach=True, waitForDebuggerOnStart=True, flatten=True)
        self.post("Runtime.runIfWaitingForDebugger", session)

    def post(self, method, session=None, **parameters):
        """Send one command and go on; returns its number."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        data = json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0"
        while data:
            data = data[os.write(self.commands, data) :]
        return self.number

    def send(self, method, session=None, **parameters):
        """Send one command and return its result."""
        number, end = self.post(method, session, **parameters), time.monotonic() + PATIENCE
        while (message := self.receive(end, method)).get("id") != number:
            pass
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']['message']}")
        return message["result"]

    def receive(self, end, what):
        """The next message, an event or an answer; events are taken note of."""
        while b"\0" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                raise TimeoutError(f"Chromium: no answer within {PATIENCE} s to {what}")
            data = os.read(self.answers, 1 << 20)
            if not data:
                raise RuntimeError(f"Chromium ended while it was asked for {what}")
            self.buffer += data
        raw, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(raw)
        self.note(message.get("method"), message.get("params", {}), message.get("sessionId"))
        return message

    def note(self, event, said, session):
        """Take note of an event."""
        if event == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
        elif event == "Network.webSocketCreated":
            self.requests.append(said["url"])
        elif event == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif event == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.errors.append(said["entry"]["text"])
            # What a page asks for while its process starts may be told of only here, when it fails.
            self.requests.append(said["entry"].get("url", "about:unknown"))
        elif event == "Target.attachedToTarget":
            self.watch(said["sessionId"])
        elif event == "Page.loadEventFired" and session == self.page:
            self.loaded += 1

    def open(self, address):
        """Load a page, a path or an address, and wait until all that belongs to it is there."""
        address = Path(address).resolve().as_uri() if "://" not in str(address) else address
        before, end = self.loaded, time.monotonic() + PATIENCE
        self.send("Page.navigate", self.page, url=address)
        while self.loaded == before:
            self.receive(end, f"loading {address}")

    def run(self, script):
        """Value of a JavaScript expression in the page; a promise is waited for."""
        answer = self.send("Runtime.evaluate", self.page, expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']['exception']['description']}")
        return answer["result"].get("value")

    def wait(self, script):
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(script):
            if time.monotonic() > end:
                raise TimeoutError(f"after {PATIENCE} s this is still not so: {script}")
            time.sleep(0.05)

    def settle(self, quiet=0.3):
        """Wait until nothing has happened for so many seconds: frames and timers may ask for something late."""
        end = time.monotonic() + PATIENCE
        while b"\0" in self.buffer or select.select([self.answers], [], [], quiet)[0]:
            self.receive(end, "an end of events")

    def outside(self):
        """Addresses asked for that are not on this machine."""
        self.settle()
        return [address for address in self.requests if not address.startswith(LOCAL)]

    def screenshot(self, path):
        """Save what the window shows as a PNG."""
        image = self.send("Page.captureScreenshot", self.page, format="png")["data"]
        Path(path).write_bytes(base64.b64decode(image))
