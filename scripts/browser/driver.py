"""Drives a headless Chromium with nothing but Python: WebDriver is JSON over HTTP, which Debian's chromium-driver speaks."""

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

class Browser:
    """A browser of its own, with a fresh profile; ends with the block."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.server = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.root = f"http://127.0.0.1:{port}"
        try:
            self.session = self.open()
            # The browser's own first page asks for much.
            self.go("about:blank")
            self.requested()
        except BaseException:
            self.__exit__()
            raise
        return self

    def open(self):
        options = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--force-device-scale-factor=1", "--lang=en-GB",
            f"--user-data-dir={self.folder.name}",
        ]
        capabilities = {
            "browserName": "chrome",
            # In milliseconds. Machines that run this may be busy.
            "timeouts": {"script": 240_000},
            "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": options},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.ask("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]
            except (ConnectionError, urllib.error.URLError):
                if time.monotonic() > deadline or self.server.poll() is not None:
                    raise
                time.sleep(0.1)

    def __exit__(self, *_):
        try:
            if hasattr(self, "session"):
                self.ask("DELETE", f"/session/{self.session}")
        finally:
            self.server.terminate()
            self.server.wait(timeout=20)
            self.folder.cleanup()

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise RuntimeError(f"{path}: {value['error']}: {value['message'][:2000]}") from None

    def here(self, method, path, body=None):
        return self.ask(method, f"/session/{self.session}{path}", body)

    def cdp(self, command, **arguments):
        return self.here("POST", "/goog/cdp/execute", {"cmd": command, "params": arguments})

    def go(self, url):
        self.here("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """What the script returns; it may be a promise."""
        return self.here("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script, seconds=60):
        """Until the script returns something true."""
        deadline = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"still not so after {seconds} s: {script}")
            time.sleep(0.05)
        return value

    def size(self, width, height, dark=False):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setEmulatedMedia", features=[scheme])
        # Two frames later everything has been laid out and drawn anew.
        self.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")

    def picture(self, path, whole=True):
        shot = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **self.clip(whole))
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def clip(self, whole):
        if not whole:
            return {}
        width, height = self.run("const e = document.documentElement; return [e.clientWidth, e.scrollHeight]")
        return {"clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}}

    def key(self, *keys):
        steps = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.here("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": steps}]})

    def mouse(self, *steps):
        """Steps: ("move", x, y), ("down",), ("up",)."""
        kinds = {
            "move": lambda x, y: {"type": "pointerMove", "x": int(x), "y": int(y), "duration": 0, "origin": "viewport"},
            "down": lambda: {"type": "pointerDown", "button": 0},
            "up": lambda: {"type": "pointerUp", "button": 0},
        }
        actions = [kinds[step[0]](*step[1:]) for step in steps]
        self.here("POST", "/actions", {"actions": [
            {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions}]})

    def said(self):
        """What the console has said since it was last asked."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.here("POST", "/se/log", {"type": "browser"})]

    def requested(self):
        """Addresses that were asked for since this was last asked."""
        events = [json.loads(entry["message"])["message"] for entry in self.here("POST", "/se/log", {"type": "performance"})]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
