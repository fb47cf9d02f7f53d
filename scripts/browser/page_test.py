#!/usr/bin/env python3
"""Opens pages that dacapo-profile made from made-up profiles in a headless Chromium, and uses them as a reader would.

    cargo run -p dacapo-profile --example synthetic -- OUT_DIR
    scripts/browser/page_test.py OUT_DIR [PICTURES]

With PICTURES, pictures of every page, width and scheme are put there.
"""

import decimal
import json
import math
import pathlib
import re
import sys
import time
import unittest

from driver import Browser

FOLDER, PICTURES = pathlib.Path("."), None
WIDTHS = [400, 800, 1200, 1600]
NAMES = ["decoder", "hostile", "no-peaks", "submissions", "empty", "large"]

# As it stands in the pages, read without their scripts.
EMBEDDED = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def embedded(name):
    return json.loads(EMBEDDED.search((FOLDER / f"{name}.html").read_text()).group(1))


def digits(value):
    """As the page shows numbers: three digits, or all of those before the point."""
    decimals = 0 if value == 0 else max(0, 2 - math.floor(math.log10(abs(value))))
    step = decimal.Decimal(1).scaleb(-decimals)
    text = f"{decimal.Decimal(repr(value)).quantize(step, decimal.ROUND_HALF_UP):,}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser().__enter__()
        cls.addClassCleanup(cls.browser.__exit__)

    def open(self, name, width=1200, dark=False):
        browser = self.browser
        browser.said(), browser.requested()
        browser.size(width, 900, dark)
        self.address = (FOLDER / f"{name}.html").resolve().as_uri()
        browser.go(self.address)
        browser.size(width, 900, dark)

    def tearDown(self):
        self.assertEqual(self.browser.said(), [], "the console says something")
        asked = [url for url in self.browser.requested() if not url.startswith("file:") and url != "data:,"]
        self.assertEqual(asked, [], "the page asks for something")

    def text(self, selector):
        return self.browser.run("return document.querySelector(arguments[0]).innerText", selector)

    def click(self, selector):
        self.browser.run("document.querySelector(arguments[0]).click()", selector)
        self.frames()

    def frames(self):
        self.browser.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def canvas(self, section):
        """Where a canvas lies in the window, and the time it shows."""
        return self.browser.run("""
            const canvas = document.querySelector(`#${arguments[0]} canvas`);
            canvas.scrollIntoView({ block: "start", behavior: "instant" });
            const { left, top, width, height } = canvas.getBoundingClientRect();
            return { left, top, width, height, from: Number(canvas.dataset.from), to: Number(canvas.dataset.to) };""", section)

    def test_every_width_and_scheme(self):
        for name in NAMES:
            for width in WIDTHS:
                for dark in [False, True]:
                    with self.subTest(name=name, width=width, dark=dark):
                        self.open(name, width, dark)
                        wide = self.browser.run("return document.documentElement.scrollWidth")
                        self.assertLessEqual(wide, width, "the page scrolls sideways")
                        self.assertEqual(self.cut(), [])
                        self.assertEqual(self.faint(), [])
                        self.assertEqual(self.browser.said(), [])
                        if PICTURES:
                            self.browser.picture(PICTURES / f"{name}-{width}-{'dark' if dark else 'light'}.png")

    def cut(self):
        """Elements that reach out of the window, other than within what scrolls."""
        return self.browser.run("""
            const wide = document.documentElement.clientWidth + 0.5;
            return [...document.querySelectorAll("body *:not(.skip)")].filter((it) => !it.closest(".scroll")
                && !it.closest("svg") && it.getBoundingClientRect().right > wide).map((it) => it.outerHTML.slice(0, 200));""")

    def faint(self):
        """Text whose contrast with what it stands on is below what WCAG AA asks, 4.5."""
        return self.browser.run("""
            const numbers = (colour) => (colour.match(/[0-9.]+/g) ?? []).map(Number);
            const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
            const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
            const behind = (it) => {
                for (; it; it = it.parentElement) {
                    const back = numbers(getComputedStyle(it).backgroundColor);
                    if (back.length === 3 || back[3] === 1) return back;
                }
                return [255, 255, 255];
            };
            const found = new Set();
            for (const it of document.querySelectorAll("body *")) {
                const says = [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
                if (!says || ["SCRIPT", "NOSCRIPT"].includes(it.tagName) || it.classList.contains("number")) continue;
                const style = getComputedStyle(it);
                const [a, b] = [light(numbers(it.closest("svg") ? style.fill : style.color)), light(behind(it))];
                const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                if (contrast < 4.5) found.add(`${it.tagName}.${it.className} ${contrast.toFixed(2)}: ${it.textContent.slice(0, 40)}`);
            }
            return [...found];""")

    def test_numbers_are_those_of_the_analysis(self):
        self.open("decoder")
        section = embedded("decoder")["analysis"]["labels"][0]
        self.assertIn(f"{digits(section['interval_ns']['median'] / 1e6)} ms", self.text("#tile-step"))
        self.assertIn(f"{digits(section['device_ns']['median'] / 1e6)} ms", self.text("#tile-device"))
        self.assertIn(f"{digits(section['rate']['peak_share'] * 100)} %", self.text("#tile-share"))
        self.assertIn(section["bound"].replace("_", " "), self.text("#tile-bound"))
        bounds = section["bounds"]
        for part in bounds.values():
            if part > 0:
                self.assertIn(f"{digits(part / sum(bounds.values()) * 100)} %", self.text("#bounds"))
        for table in ["ops", "kernels", "layers", "parts"]:
            self.click(f"#tab-{table}")
            rows = self.browser.run("return [...document.querySelectorAll('#table tbody tr')].map((tr) => [...tr.cells].map((td) => td.innerText))")
            self.assertEqual(len(rows), len(section[table]))
            for shown, row in zip(rows, section[table]):
                self.assertEqual(shown[0], row["name"])
                self.assertEqual(shown[1], f"{row['duration_ns']['count']:,}")
                self.assertEqual(shown[3].strip(), f"{digits(row['share'] * 100)} %")
                self.assertEqual(shown[9:12], [digits(row["rate"]["gb_s"]), digits(row["rate"]["gflop_s"]),
                                               f"{digits(row['rate']['peak_share'] * 100)} %"])
        # The diagram of waves adds up what it draws by itself.
        waits = self.browser.run("return Number(document.getElementById('waves').dataset.waits)")
        self.assertAlmostEqual(waits * 6, section["sums"]["barrier_wait_ns"], delta=0.03 * waits * 6)

    def test_passes_of_their_own_are_told(self):
        for name, told in [("decoder", False), ("no-peaks", True), ("submissions", False)]:
            self.open(name)
            self.assertEqual("in a pass of its own" in self.text("#tile-distortion"), told, name)

    def test_tables_sort(self):
        self.open("decoder")
        column = lambda at: self.browser.run(
            "return [...document.querySelectorAll('#table tbody tr')].map((tr) => tr.cells[arguments[0]].innerText)", at)
        counts = lambda: [int(text.replace(",", "")) for text in column(1)]
        self.click("#table thead th:nth-child(2) button")
        self.assertEqual(counts(), sorted(counts(), reverse=True))
        self.assertEqual(self.browser.run("return document.querySelector('#table th:nth-child(2)').ariaSort"), "descending")
        self.click("#table thead th:nth-child(2) button")
        self.assertEqual(counts(), sorted(counts()))
        self.click("#table thead th:nth-child(1) button")
        self.assertEqual(column(0), sorted(column(0)))
        self.assertGreater(len(column(0)), 5)

    def test_every_table_says_something(self):
        self.open("decoder")
        for table in ["ops", "kernels", "layers", "scopes", "parts", "labels", "critical", "barriers", "gaps"]:
            self.click(f"#tab-{table}")
            rows = self.browser.run("return document.querySelectorAll('#table tbody tr').length")
            self.assertGreater(rows, 0, table)
            self.assertEqual(self.browser.run("return document.querySelector('[aria-selected=true]').id"), f"tab-{table}")

    def test_keys_move_between_tables(self):
        self.open("decoder")
        self.browser.run("document.getElementById('tab-ops').focus()")
        self.browser.key("\ue014")
        self.assertEqual(self.browser.run("return document.activeElement.id"), "tab-kernels")
        self.browser.key("\ue012", "\ue012")
        self.assertEqual(self.browser.run("return document.activeElement.id"), "tab-gaps")

    def test_everything_can_be_reached_with_tab(self):
        self.open("decoder")
        self.browser.run("document.activeElement.blur()")
        reached = set()
        for _ in range(90):
            self.browser.key("\ue004")
            reached.add(self.browser.run("""
                const it = document.activeElement;
                return it.id || it.getAttribute("aria-label") || it.tagName;"""))
        for wanted in ["Zoom in", "Timeline of host threads, submissions and dispatches", "roof-kernels", "tab-ops", "Operations"]:
            self.assertIn(wanted, reached)
        self.assertTrue(any(name.startswith("1: matvec_q4_1") for name in reached), "points of the roofline")
        self.assertTrue(any(name.startswith("Waves of submission") for name in reached), "the diagram of waves")

    def test_timeline_zooms_and_pans(self):
        self.open("decoder")
        before = self.canvas("timeline")
        self.click("#timeline [aria-label='Zoom in']")
        closer = self.canvas("timeline")
        self.assertAlmostEqual(closer["to"] - closer["from"], (before["to"] - before["from"]) / 2, delta=1)
        x, y = before["left"] + before["width"] / 2, closer["top"] + 60
        self.browser.mouse(("move", x, y), ("down",), ("move", x + 100, y), ("up",))
        self.frames()
        moved = self.canvas("timeline")
        shift = (closer["to"] - closer["from"]) * 100 / before["width"]
        self.assertAlmostEqual(closer["from"] - moved["from"], shift, delta=shift / 50)
        self.browser.run("document.querySelector('#timeline canvas').focus()")
        self.browser.key("+", "\ue014")
        self.frames()
        keyed = self.canvas("timeline")
        self.assertLess(keyed["to"] - keyed["from"], 0.6 * (moved["to"] - moved["from"]))
        self.browser.key("\ue011")
        self.frames()
        self.assertEqual(self.canvas("timeline")["to"], before["to"])

    def find_dispatch(self, name, number):
        """Zooms the timeline to a dispatch, and gives where it is drawn."""
        data = embedded(name)
        columns = data["dispatches"]
        start, length = columns["start"][number], columns["length"][number]
        return data, self.browser.run("""
            const [start, length, lane] = arguments;
            whenLine.show(start - length, start + 2 * length);
            const group = whenLine.content.groups.at(-1);
            const canvas = whenLine.canvas;
            canvas.scrollIntoView({ block: "end", behavior: "instant" });
            const box = canvas.getBoundingClientRect();
            return [box.left + box.width / 2, box.top + group.top + (lane + 0.5) * (group.height + 1)];
        """, start, length, columns["lane"][number])

    def test_hover_and_click_tell_of_a_dispatch(self):
        self.open("decoder")
        for number in [3, 700, 2_000]:
            data, (x, y) = self.find_dispatch("decoder", number)
            self.frames()
            columns = data["dispatches"]
            self.browser.mouse(("move", x, y))
            tip = self.text("#tip")
            kernel = data["kernels"][columns["kernel"][number]]
            self.assertIn(kernel["name"], tip)
            self.assertIn(f"{digits(columns['length'][number] / 1e3)} µs", tip)
            self.assertIn(data["scopes"][columns["scope"][number]][0], tip)
            moved = columns["read"][number] + columns["written"][number]
            self.assertIn(f"{digits(moved / columns['length'][number])} GB/s", tip)
            self.browser.mouse(("move", x, y), ("down",), ("up",))
            self.assertIn(kernel["name"], self.text("#timeline .details"))
            self.browser.key(".")
            following = self.text("#timeline .details")
            self.browser.key(",")
            self.assertNotEqual(following, self.text("#timeline .details"))
        if PICTURES:
            self.browser.picture(PICTURES / "hover.png", whole=False)

    def test_points_of_the_roofline_tell_of_themselves(self):
        self.open("decoder")
        rows = embedded("decoder")["analysis"]["labels"][0]["ops"]
        for row in rows:
            shown = self.browser.run("""
                const circle = [...document.querySelectorAll("circle")].find((it) => it.ariaLabel.includes(`: ${arguments[0]}.`));
                circle.focus();
                return document.getElementById("tip").innerText;""", row["name"])
            self.assertIn(f"{digits(row['rate']['gflop_s'])} GFLOP/s", shown)

    def test_hostile_names_stay_text(self):
        self.open("hostile")
        for table in ["ops", "kernels", "layers", "scopes", "parts", "labels", "critical", "barriers", "gaps"]:
            self.click(f"#tab-{table}")
        _, (x, y) = self.find_dispatch("hostile", 3)
        self.frames()
        self.browser.mouse(("move", x, y), ("down",), ("up",))
        name = embedded("hostile")["title"]
        self.assertIn("</script><!--", name)
        shown = self.browser.run("return [document.title, document.getElementById('title').textContent, window.owned ?? null, document.images.length]")
        self.assertEqual(shown, [name, name, None, 0])
        self.assertIn("onerror", self.text("#tip"))

    def test_what_is_missing_is_said(self):
        self.open("empty")
        for section in ["summary", "timeline", "waves", "roofline", "tables"]:
            self.assertRegex(self.text(f"#{section}"), "(No submission was|Nothing was) recorded")
        self.open("submissions")
        for section in ["summary", "timeline", "waves", "roofline"]:
            self.assertIn("Only submissions were noted", self.text(f"#{section}"))
        self.assertIn("decode", self.text("#table"))
        self.open("no-peaks")
        self.assertIn("peaks of this device are not known", self.text("#summary"))
        self.assertIn("peaks of this device are not known", self.text("#roofline"))
        self.assertEqual(self.browser.run("return document.querySelectorAll('.roof').length"), 0)

    def test_a_hundred_thousand_dispatches(self):
        self.assertGreater(len(embedded("large")["dispatches"]["start"]), 100_000)
        began = time.monotonic()
        self.open("large")
        opened = time.monotonic() - began
        frame = self.browser.run("""
            const times = [];
            const at = [[0, 1], [0.2, 0.7], [0.5, 0.51], [0.9, 0.9001], [0.3, 0.300001]];
            for (const [from, to] of at) {
                whenLine.from = from * data.end;
                whenLine.to = to * data.end;
                // The best of a few: others use this machine, too.
                let best = Infinity;
                for (let time = 0; time < 7; time += 1) {
                    const before = performance.now();
                    whenLine.paint();
                    best = Math.min(best, performance.now() - before);
                }
                times.push(best);
            }
            return Math.max(...times);""")
        print(f"100,000 dispatches: opened in {opened:.1f} s, slowest frame {frame:.1f} ms", file=sys.stderr)
        self.assertLess(opened, 30)
        # A page that freezes takes seconds.
        self.assertLess(frame, 500)


if __name__ == "__main__":
    FOLDER = pathlib.Path(sys.argv[1])
    if len(sys.argv) > 2:
        PICTURES = pathlib.Path(sys.argv[2])
        PICTURES.mkdir(parents=True, exist_ok=True)
    unittest.main(argv=sys.argv[:1], verbosity=2)
