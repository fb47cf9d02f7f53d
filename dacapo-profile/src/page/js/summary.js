// One screen: what was profiled, how long a step takes, and where that goes.

const BOUNDS = [
  ["bandwidth_ns", "bandwidth", "Dispatches bound by memory bandwidth", "var(--op0)"],
  ["compute_ns", "compute", "Dispatches bound by arithmetic", "var(--op2)"],
  ["latency_ns", "latency", "Dispatches far from both peaks, waiting for their own loads", "var(--op3)"],
  ["launch_ns", "launch", "Dispatches too short to matter but for starting them", "var(--op4)"],
  ["barrier_wait_ns", "barrier wait", "Waiting at barriers, nothing running", "var(--op1)"],
  ["host_ns", "host", "Device idle, waiting for the host", "var(--op6)"],
  ["unknown_ns", "unknown", "Not known", "var(--other)"],
];

const boundName = (bound) => (bound ? words(bound) : "not known");

function header() {
  document.getElementById("title").textContent = data.title || "A profile";
  const { name, backend, kind, compute_units: units } = data.device;
  const parts = [name, backend, kind, units > 0 ? `${whole(units)} compute units` : ""];
  document.getElementById("device").textContent = parts.filter((part) => part !== "").join(" · ");
}

// The choice of submissions, which everything but the timeline follows.
function sectionChoice(changed) {
  if (sections.length < 2) return null;
  const shown = sections.slice(0, 200);
  const options = [...shown.map((section, at) => element("option", { value: at }, named(section.label))),
    element("option", { value: "all" }, "all submissions")];
  const select = element("select", {
    id: "label",
    onchange: () => changed(select.value === "all" ? analysis.all : shown[Number(select.value)]),
  }, ...options);
  return element("div", { class: "tools" }, element("label", {}, "Submissions of label", select));
}

function summary(section) {
  const parent = document.getElementById("summary");
  parent.querySelectorAll(".content").forEach((old) => old.remove());
  const content = element("div", { class: "content" });
  parent.append(content);
  if (data.submissions.length === 0) {
    content.append(note("No submission was recorded, so there is nothing to tell."));
    return;
  }
  content.append(tiles(section), ...bounds(section));
  if (!peaks) {
    content.append(note("The peaks of this device are not known, so no shares of them are shown. ",
      "Measure them with: dacapo devices --measure"));
  }
  if (!hasDispatches) content.append(note(NO_DISPATCHES));
}

function tiles(section) {
  const list = element("dl", { class: "tiles" });
  const tile = (id, what, value, more) => list.append(element("div", { id: `tile-${id}` },
    element("dt", {}, what), element("dd", {}, value, more ? element("small", {}, more) : null)));
  const step = section.interval_ns.count > 0 ? section.interval_ns : section.device_ns;
  const name = section.label === null ? "all submissions" : named(section.label);
  tile("step", "Time per step", time(step.median),
    section.interval_ns.count > 0 ? `median of ${whole(step.count)}, end to end; p95 ${time(step.p95)}` : `of ${name}, on the device`);
  tile("device", "On the device", time(section.device_ns.median), `median of ${whole(section.device_ns.count)}, ${name}`);
  if (section.rate.peak_share !== null) {
    const memory = section.rate.peak_share === section.rate.bandwidth_share;
    tile("share", "Share of peak", percent(section.rate.peak_share),
      memory ? `${rate(section.rate.gb_s)} GB/s of memory` : `${rate(section.rate.gflop_s)} GFLOP/s`);
  } else if (section.rate.gb_s !== null) {
    tile("share", "Bandwidth", `${rate(section.rate.gb_s)} GB/s`, "peaks not measured");
  }
  tile("bound", "Bound by", boundName(section.bound), section.rate.least_ns > 0
    ? `at the peaks: ${time(section.rate.least_ns / Math.max(section.device_ns.count, 1))}` : "");
  if (section.dispatches.total > 0) {
    tile("waves", "Waves", whole(section.waves.median), `${whole(section.dispatches.median)} dispatches, median`);
  }
  tile("distortion", "Distortion", ...distortion());
  tile("clock", "Clock error", data.clock_error_ns === null ? "not known" : `± ${time(data.clock_error_ns)}`,
    data.clock_error_ns === null ? "device times are set by when the host saw them" : "device against host");
  if (section.failed > 0) tile("failed", "Failed", whole(section.failed), "submissions");
  return list;
}

function distortion() {
  if (data.level === "submissions") return ["none", "dispatches were not noted"];
  const passes = data.timed === "one_pass_each" ? "; each noted dispatch is in a pass of its own, so none overlap" : "";
  if (!data.distortion) return ["not measured", `noting dispatches slows them down${passes}`];
  const { profiled_ns: noted, unprofiled_ns: plain, label } = data.distortion;
  if (plain === 0) return ["not known"];
  const more = noted / plain - 1;
  return [`${more < 0 ? "−" : "+"}${percent(Math.abs(more))}`, `${named(label)}: ${time(noted)} noted, ${time(plain)} not${passes}`];
}

function bounds(section) {
  const parts = BOUNDS.map(([key, name, text, colour]) => ({ name, text, colour, nanos: section.bounds[key] }));
  const sum = parts.reduce((total, part) => total + part.nanos, 0);
  const shown = parts.filter((part) => part.nanos > 0);
  if (sum === 0) return [];
  const bar = element("div", { class: "bar", role: "img",
    "aria-label": shown.map((part) => `${part.name} ${percent(part.nanos / sum)}`).join(", ") },
  ...shown.map((part) => element("span", { style: { flex: `${part.nanos / sum} 0 0`, background: part.colour } })));
  const keys = element("ul", { class: "keys", id: "bounds" }, ...shown.map((part) =>
    element("li", {}, swatch(part.colour), element("strong", {}, percent(part.nanos / sum)),
      `${part.text} (${time(part.nanos / Math.max(section.device_ns.count, 1))} a submission)`)));
  return [bar, keys];
}
