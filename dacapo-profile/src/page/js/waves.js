// One submission, wave by wave: what runs together, and what the device waits for in between.

// So wide are waves shown at first, about.
const WAVE_WIDTH = 56;

// The waves of a submission, with the wait in front of each during which nothing ran.
function wavesOf(submission) {
  const waves = [];
  let done = submission.start;
  for (let id = submission.first; id < submission.first + submission.count; id += 1) {
    let wave = waves.at(-1);
    if (wave === undefined || wave.number !== dispatches.wave[id]) {
      wave = { number: dispatches.wave[id], start: Infinity, end: -Infinity, cause: null, ids: [], done };
      waves.push(wave);
    }
    wave.ids.push(id);
    wave.start = Math.min(wave.start, startOf(id));
    wave.end = Math.max(wave.end, endOf(id));
    wave.cause ??= causeOf(id) ?? null;
    done = Math.max(done, wave.end);
  }
  return waves;
}

function waveView(submission, room) {
  const waves = wavesOf(submission);
  const shown = Math.min(waves.length, Math.max(5, Math.floor(room / WAVE_WIDTH)));
  const waits = waves.map((_, at) => at).filter((at) => at > 0 && waves[at].start > waves[at].done);
  const from = (at) => waves[at].start;
  const until = (at) => waves[at].end;
  const everything = waves.flatMap((wave) => wave.ids);
  const rows = rowsByLane(0, (id) => dispatches.lane[id], startOf, endOf, everything);
  const wavesGroup = {
    title: "Waves",
    rows: [new Row(waves.keys(), from, (at) => Math.min(until(at), waves[at + 1]?.start ?? Infinity))],
    height: 17,
    look: (at) => ({ fill: colours.host, edge: colours.strong, ink: colours.text, text: `wave ${waves[at].number}`, short: String(waves[at].number) }),
    describe: (at) => [`Wave ${waves[at].number}`, [
      ["Took", time(until(at) - from(at))],
      ["Dispatches", whole(waves[at].ids.length)],
      ["Kernels", [...new Set(waves[at].ids.slice(0, 200).map(kernelName))].slice(0, 8).join(", ")],
      ["Waited before", at > 0 ? time(Math.max(0, from(at) - waves[at].done)) : null],
      ["Barrier before", waves[at].cause ? `${words(waves[at].cause.kind)}: ${waves[at].cause.text}` : null],
    ]],
  };
  const waitGroup = {
    title: "Waits at barriers, nothing running",
    rows: waits.length > 0 ? [new Row(waits, (at) => waves[at].done, from)] : [],
    height: 17,
    look: (at) => ({
      fill: causeColour(waves[at].cause?.kind),
      hatched: true,
    }),
    describe: (at) => [`Wait in front of wave ${waves[at].number}`, [
      ["Took", time(from(at) - waves[at].done)],
      ["Why", words(waves[at].cause?.kind ?? "no cause was noted")],
      ["In words", waves[at].cause?.text],
    ]],
  };
  const group = { title: "Dispatches", rows: rows.filter((row) => row.ids.length > 0), height: laneHeight(rows.length) + 4,
    look: dispatchLook, describe: describeDispatch };
  const boxes = new Boxes(submission.start, submission.end, [wavesGroup, waitGroup, group]);
  boxes.zero = submission.start;
  const columns = wavesGroup.rows[0];
  boxes.under = (context, view) => {
    for (let at = columns.firstAfter(view.from); at < columns.ids.length && columns.start[at] < view.to; at += 1) {
      const left = view.x(columns.start[at]);
      const right = view.x(columns.end[at]);
      if (right - left < 3) {
        at = Math.max(at, columns.firstFrom(view.time(left + 3), at) - 1);
        continue;
      }
      context.fillStyle = colours.band;
      context.fillRect(left, AXIS, right - left, boxes.total - AXIS);
    }
  };
  const last = waves[shown - 1];
  const view = new View(boxes, `Waves of submission ${submission.number}, ${submission.label}`,
    [submission.start, Math.max(last.end, submission.start + 20)]);
  view.waits = waits.reduce((sum, at) => sum + waves[at].start - waves[at].done, 0);
  view.waves = waves;
  view.shown = shown;
  return view;
}

function waveSection(section) {
  const parent = document.getElementById("waves");
  parent.querySelectorAll(".content").forEach((old) => old.remove());
  const path = section.path ?? sections.find((it) => it.path)?.path;
  if (!path) {
    const why = data.submissions.length === 0 ? "No submission was recorded." : NO_DISPATCHES;
    parent.append(element("div", { class: "content" }, note(why)));
    return null;
  }
  const submission = data.submissions[path.submission];
  const view = waveView(submission, parent.clientWidth);
  const kinds = new Map();
  for (const wave of view.waves) if (wave.cause) kinds.set(wave.cause.kind, (kinds.get(wave.cause.kind) ?? 0) + 1);
  const keys = [...kinds].map(([kind, count]) =>
    element("li", {}, swatch(causeVariable(kind), "hatched"), `${words(kind)}: ${whole(count)}`));
  parent.append(element("div", { class: "content" },
    note(`Submission ${submission.number}, ${submission.label}: the one in the middle by its time on the device. `
      + `${whole(view.waves.length)} waves in ${time(submission.end - submission.start)}, of which `
      + `${time(view.waits)} pass between waves with nothing running. `
      + (view.shown < view.waves.length ? `The first ${view.shown} waves are shown; zoom out for all.` : "")),
    keys.length > 0 ? element("ul", { class: "keys", "aria-label": "Causes of barriers" }, ...keys) : null,
    view.tools, view.canvas, view.details));
  parent.dataset.waits = view.waits;
  return view;
}
