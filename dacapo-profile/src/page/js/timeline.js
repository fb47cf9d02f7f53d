// Everything that ran, on the host and on the device, over time.

function timeline(redraw) {
  const begin = Math.min(0, ...data.submissions.map((it) => it.opened).filter((it) => it < 0).slice(0, 1000));
  const groups = [...hostGroups(), inFlightGroup(), submissionGroup(), dispatchGroup()];
  const boxes = new Boxes(begin, data.end, groups);
  const parent = document.getElementById("timeline");
  if (boxes.groups.length === 0) {
    parent.append(note("Nothing was recorded: no submission, and no work of the host."));
    return null;
  }
  const view = new View(boxes, "Timeline of host threads, submissions and dispatches");
  if (analysis.all.dispatches.total > 0) parent.append(opKeys(analysis.all.ops, redraw));
  parent.append(view.tools, view.canvas, view.details);
  const hidden = hiddenLanes();
  if (hidden > 0) parent.append(note(`${whole(hidden)} dispatches overlap with so many others that they are not drawn.`));
  if (!hasDispatches && data.submissions.length > 0) parent.append(note(NO_DISPATCHES));
  return view;
}

const NO_DISPATCHES = "Only submissions were noted in this profile. Record at the level of dispatches to see what ran in them.";

function hiddenLanes() {
  let hidden = 0;
  for (const lane of dispatches.lane) if (lane >= data.most_lanes) hidden += 1;
  return hidden;
}

function hostGroups() {
  const threads = new Map();
  data.spans.forEach((span, id) => {
    if (!threads.has(span.thread)) threads.set(span.thread, []);
    threads.get(span.thread).push(id);
  });
  const shown = [...threads].slice(0, 24);
  return shown.map(([thread, ids]) => ({
    title: `Host thread ${data.threads[thread]}`,
    rows: rowsByLane(0, (id) => data.spans[id].lane, (id) => data.spans[id].start, (id) => data.spans[id].end, ids),
    height: 17,
    look: (id) => ({
      fill: colours.host, edge: colours.strong,
      ink: colours.text,
      hatched: data.spans[id].name === "wait",
      text: `${data.spans[id].name} ${data.spans[id].label}`,
    }),
    describe: (id) => {
      const span = data.spans[id];
      return [span.name, [
        ["About", span.label],
        ["Thread", data.threads[span.thread]],
        ["Took", time(span.end - span.start)],
        ["Began", `${time(span.start)} after recording began`],
      ]];
    },
  }));
}

function describeSubmission(id) {
  const it = data.submissions[id];
  return [`Submission ${it.number}: ${it.label}`, [
    ["On the device", time(it.end - it.start)],
    ["Recorded for", time(it.committed - it.opened)],
    ["Queued for", time(it.start - it.committed)],
    ["Seen complete after", time(it.completed - it.end)],
    ["Dispatches", it.count > 0 ? whole(it.count) : null],
    ["Failed", it.failed ? "yes" : null],
    ...Object.entries(it.counters).slice(0, 12).map(([name, count]) => [words(name), whole(count)]),
  ]];
}

function submissionRows(title, start, end, lane, look) {
  const of = (get) => (id) => get(data.submissions[id]);
  return {
    title,
    rows: rowsByLane(data.submissions.length, of(lane), of(start), of(end)),
    height: 17,
    look: of(look),
    describe: describeSubmission,
  };
}

const inFlightGroup = () => submissionRows(
  "Host: submissions from open to seen complete",
  (it) => it.opened, (it) => Math.max(it.completed, it.opened), (it) => it.flight_lane,
  (it) => ({ fill: colours.host, edge: colours.strong, ink: colours.text, text: `${it.number} ${it.label}` }));

const submissionGroup = () => submissionRows(
  "Device: submissions",
  (it) => it.start, (it) => Math.max(it.end, it.start), (it) => it.lane,
  (it) => ({ fill: it.failed ? colours.mark : colours.accent, text: `${it.number} ${it.label}` }));

function dispatchGroup() {
  const rows = rowsByLane(dispatches.start.length, (id) => dispatches.lane[id], startOf, endOf);
  return { title: "Device: dispatches", rows, height: laneHeight(rows.length), look: dispatchLook, describe: describeDispatch };
}
