#!/usr/bin/env python3
"""Looks at traces that dacapo-profile made from made-up profiles: by itself, and through Perfetto's trace processor.

    cargo run -p dacapo-profile --example synthetic -- OUT_DIR
    scripts/browser/trace_test.py OUT_DIR [PICTURES]
"""

import collections
import json
import pathlib
import sys
import time
import unittest

from driver import Browser
from perfetto import Viewer

FOLDER, PICTURES = pathlib.Path("."), None
NAMES = ["decoder", "hostile", "no-peaks", "submissions", "empty", "large"]
SPAN_KEYS = {"ph", "pid", "tid", "ts", "dur", "cat", "name", "args"}
FLOW_KEYS = {"ph", "pid", "tid", "ts", "cat", "name", "id"}


def read(name):
    trace = json.loads((FOLDER / f"{name}.trace.json").read_text())
    profile = json.loads((FOLDER / f"{name}.profile.json").read_text())
    by_phase = collections.defaultdict(list)
    for event in trace["traceEvents"]:
        by_phase[event["ph"]].append(event)
    return trace, profile, by_phase


def nanos(micros):
    return round(micros * 1000)


def of_dispatches(profile):
    return [(d["start_ns"], max(d["end_ns"] - d["start_ns"], 0), profile["kernels"][d["kernel"]]["name"])
            for s in profile["submissions"] for d in s["dispatches"]]


class Format(unittest.TestCase):
    """What the format's description asks for."""

    def each(self, names=NAMES[:-1]):
        for name in names:
            with self.subTest(name=name):
                yield name, *read(name)

    def test_events_have_what_their_phase_needs(self):
        for _, trace, _, phases in self.each():
            self.assertEqual(trace["displayTimeUnit"], "ns")
            self.assertLessEqual(set(phases), set("MXsfC"))
            for event in phases["X"]:
                self.assertEqual(set(event), SPAN_KEYS)
                self.assertGreaterEqual(event["dur"], 0)
            for event in phases["s"]:
                self.assertEqual(set(event), FLOW_KEYS)
            for event in phases["f"]:
                self.assertEqual(set(event), FLOW_KEYS | {"bp"})
            for event in phases["C"]:
                self.assertEqual(set(event), {"ph", "pid", "ts", "name", "args"})
                [value] = event["args"].values()
                self.assertIsInstance(value, (int, float))

    def test_tracks_have_names_and_unique_numbers(self):
        for _, _, _, phases in self.each():
            names = {}
            for event in phases["M"]:
                key = (event["name"], event["pid"], event.get("tid"))
                self.assertNotIn(key, names)
                names[key] = event["args"]
            threads = [key for key in names if key[0] == "thread_name"]
            self.assertEqual(len({tid for _, _, tid in threads}), len(threads), "a thread's number twice")
            for event in phases["X"] + phases["s"] + phases["f"]:
                for kind in ["thread_name", "thread_sort_index"]:
                    self.assertIn((kind, event["pid"], event["tid"]), names)
                for kind in ["process_name", "process_sort_index"]:
                    self.assertIn((kind, event["pid"], None), names)

    def test_events_of_a_track_nest(self):
        for _, _, _, phases in self.each():
            tracks = collections.defaultdict(list)
            for event in phases["X"]:
                start = nanos(event["ts"])
                tracks[event["pid"], event["tid"]].append((start, start + nanos(event["dur"])))
            for events in tracks.values():
                events.sort(key=lambda it: (it[0], -it[1]))
                open_ends = []
                for start, end in events:
                    while open_ends and open_ends[-1] <= start:
                        open_ends.pop()
                    self.assertTrue(not open_ends or end <= open_ends[-1], "half inside another")
                    open_ends.append(end)

    def test_each_submission_has_an_arrow_that_binds(self):
        for _, _, profile, phases in self.each():
            numbers = sorted(it["number"] for it in profile["submissions"])
            tracks = collections.defaultdict(list)
            for event in phases["X"]:
                if event["cat"] in ("host", "submission"):
                    tracks[event["tid"]].append(event)
            for phase in "sf":
                self.assertEqual(sorted(it["id"] for it in phases[phase]), numbers)
                for flow in phases[phase]:
                    around = [it for it in tracks[flow["tid"]] if it["ts"] <= flow["ts"] <= it["ts"] + it["dur"]]
                    self.assertNotEqual(around, [], f"nothing lasts at an end of the arrow of {flow['id']}")

    def test_every_dispatch_is_there(self):
        for name, _, profile, phases in self.each(NAMES):
            if name == "hostile":
                continue
            expected = sorted(of_dispatches(profile))
            names = {kernel["op"] for kernel in profile["kernels"]}
            found = sorted((nanos(it["ts"]), nanos(it["dur"]), it["name"]) for it in phases["X"] if it["cat"] in names)
            self.assertEqual(found, expected)


class Perfetto(unittest.TestCase):
    """What Perfetto's trace processor makes of it."""

    @classmethod
    def setUpClass(cls):
        cls.browser = Browser().__enter__()
        cls.addClassCleanup(cls.browser.__exit__)
        cls.browser.size(1400, 900)
        cls.viewer = Viewer(cls.browser, FOLDER)
        cls.addClassCleanup(cls.viewer.close)

    def open(self, name):
        self.viewer.open(f"{name}.trace.json")
        wrong = self.viewer.ask("select name, severity, value from stats where severity != 'info' and value > 0")
        self.assertEqual(wrong, [])

    def test_it_finds_nothing_wrong(self):
        for name in NAMES:
            with self.subTest(name=name):
                if name == "empty":
                    # Nothing happens in it, so that the viewer has nothing to show and says so.
                    continue
                began = time.monotonic()
                self.open(name)
                print(f"{name}: loaded in {time.monotonic() - began:.1f} s", file=sys.stderr)
                expected = sum(1 for event in read(name)[0]["traceEvents"] if event["ph"] == "X")
                self.assertEqual(self.viewer.ask("select count(*) n from slice"), [{"n": expected}])

    def test_dispatches_are_those_of_the_profile(self):
        self.open("decoder")
        _, profile, _ = read("decoder")
        rows = self.viewer.ask("""
            select s.ts, s.dur, s.name, s.depth, extract_arg(s.arg_set_id, 'args.scope') scope,
                   extract_arg(s.arg_set_id, 'args.bytes_read') bytes, extract_arg(s.arg_set_id, 'args.gigabytes_per_second') rate
            from slice s join thread_track t on s.track_id = t.id join thread using (utid)
            where thread.name glob 'dispatches*' order by s.ts, s.dur, s.name""")
        self.assertEqual([(it["ts"], it["dur"], it["name"]) for it in rows], sorted(of_dispatches(profile)))
        self.assertEqual({it["depth"] for it in rows}, {0})
        scopes = collections.Counter(" / ".join(profile["scopes"][d["scope"]])
                                     for s in profile["submissions"] for d in s["dispatches"])
        self.assertEqual(collections.Counter(it["scope"] for it in rows), scopes)
        self.assertEqual(sum(it["bytes"] for it in rows),
                         sum(d["read"] for s in profile["submissions"] for d in s["dispatches"]))
        for row in rows:
            self.assertGreater(row["rate"] * row["dur"], row["bytes"] * 0.999)

    def test_arrows_lead_from_threads_to_the_device(self):
        self.open("decoder")
        rows = self.viewer.ask("""
            select a.name source, thread.name thread, b.name target, b.ts, extract_arg(b.arg_set_id, 'args.submission') number
            from flow join slice a on flow.slice_out = a.id join slice b on flow.slice_in = b.id
            join thread_track t on a.track_id = t.id join thread using (utid) order by b.ts""")
        submissions = read("decoder")[1]["submissions"]
        self.assertEqual([(it["number"], it["ts"]) for it in rows], [(it["number"], it["start_ns"]) for it in submissions])
        self.assertEqual({it["thread"] for it in rows}, {"main"})
        self.assertEqual([it["source"] for it in rows], ["encode"] + ["launch"] * (len(submissions) - 1))

    def test_counters_follow_the_dispatches(self):
        self.open("decoder")
        profile = read("decoder")[1]
        rows = self.viewer.ask("""
            select c.ts, c.value from counter c join counter_track t on c.track_id = t.id
            where t.name = 'dispatches running' order by c.ts""")
        changes = collections.Counter()
        for start, took, _ in of_dispatches(profile):
            changes[start] += 1
            changes[start + took] -= 1
        running, expected = 0, []
        for when in sorted(changes):
            if changes[when] != 0:
                running += changes[when]
                expected.append((when, running))
        self.assertEqual([(it["ts"], it["value"]) for it in rows], expected)
        self.assertEqual(max(value for _, value in expected), 3)

    def test_processes_and_threads_have_their_names(self):
        self.open("decoder")
        names = self.viewer.ask("select name from process where name is not null order by name")
        self.assertEqual([it["name"] for it in names], ["Example GPU 80GB (vulkan)", "host"])
        threads = self.viewer.ask("select distinct name from thread where name is not null")
        self.assertLessEqual({"main", "output", "submissions in flight", "submissions", "waves", "dispatches",
                              "dispatches (2)"}, {it["name"] for it in threads})
        if PICTURES:
            self.browser.run("window.app.trace.workspace?.flatTracks?.forEach((track) => track.expand?.())")
            time.sleep(2)
            self.browser.picture(PICTURES / "perfetto.png", whole=False)

    def test_hostile_names_arrive_as_they_are(self):
        self.open("hostile")
        profile = read("hostile")[1]
        threads = {it["name"] for it in self.viewer.ask("select name from thread where name is not null")}
        self.assertLessEqual({span["thread"] for span in profile["spans"]}, threads)
        kernels = {it["name"] for it in self.viewer.ask("select distinct name from slice")}
        self.assertIn(profile["kernels"][1]["name"], kernels)


if __name__ == "__main__":
    FOLDER = pathlib.Path(sys.argv[1])
    if len(sys.argv) > 2:
        PICTURES = pathlib.Path(sys.argv[2])
        PICTURES.mkdir(parents=True, exist_ok=True)
    unittest.main(argv=sys.argv[:1], verbosity=2)
