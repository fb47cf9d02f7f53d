// What is said of a dispatch, and how it looks.

let highlighted = null;

function dispatchLook(id) {
  const op = opOf(id);
  const away = highlighted !== null && op !== highlighted;
  return { fill: away ? colours.host : opColour(op), text: kernelName(id) };
}

function describeDispatch(id) {
  const took = dispatches.length[id];
  const moved = dispatches.read[id] + dispatches.written[id];
  const done = dispatches.operations[id];
  const cause = causeOf(id);
  const fused = data.fused[dispatches.fused[id]];
  const per = (amount) => (took > 0 && amount > 0 ? amount / took : null);
  const share = peaks && moved > 0 && took > 0 ? per(moved) * 1e9 / peaks.read_bytes_per_second : null;
  const node = dispatches.node[id];
  return [kernelName(id), [
    ["Operation", opName(id)],
    ["Scope", scopePath(id)],
    ["Took", time(took)],
    ["Began", `${time(startOf(id))} after recording began`],
    ["Wave", `${dispatches.wave[id]} of submission ${data.submissions[submissionOf(id)]?.number ?? "?"}`],
    ["Node", node < 0 ? null : node],
    ["Fused", fused ? `${fused.rule}: ${fused.ops.join(", ")}` : null],
    ["Memory", moved > 0 ? `${bytes(dispatches.read[id])} read, ${bytes(dispatches.written[id])} written` : null],
    ["Bandwidth", per(moved) === null ? null
      : `${rate(per(moved))} GB/s${share === null ? "" : `, ${percent(share)} of peak`}`],
    ["Arithmetic", per(done) === null ? null : `${operations(done)} operations, ${rate(per(done))} GFLOP/s`],
    ["Barrier before", cause ? `${words(cause.kind)}: ${cause.text}` : null],
  ]];
}

// Buttons that tell the colours of kinds of operation, and show one of them alone.
function opKeys(rows, changed) {
  const list = element("ul", { class: "keys", "aria-label": "Kinds of operation" });
  const buttons = rows.slice(0, 24).map((row) => {
    const op = opIndex.get(row.name) ?? -1;
    return element("button", {
      type: "button",
      "aria-pressed": "false",
      onclick: (event) => {
        highlighted = highlighted === op ? null : op;
        for (const button of buttons) button.setAttribute("aria-pressed", "false");
        event.currentTarget.setAttribute("aria-pressed", String(highlighted === op));
        changed();
      },
    }, swatch(opVariable(op)), `${named(row.name)} ${percent(row.share)}`);
  });
  list.append(...buttons.map((button) => element("li", {}, button)));
  return list;
}
