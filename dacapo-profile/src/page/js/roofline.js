// What was achieved beside what the device can do: operations per second over operations per byte, both logarithmic.

const ROOF_POINTS = 24;
let roofBy = "ops";

function roofline(section) {
  const parent = document.getElementById("roofline");
  parent.querySelectorAll(".content").forEach((old) => old.remove());
  const content = element("div", { class: "content" });
  parent.append(content);
  if (!hasDispatches) {
    content.append(note(data.submissions.length === 0 ? "No submission was recorded." : NO_DISPATCHES));
    return;
  }
  const rows = section[roofBy];
  const points = rows.filter((row) => row.rate.gflop_s !== null && row.rate.gb_s !== null).slice(0, ROOF_POINTS);
  const switches = element("div", { class: "tools", role: "group", "aria-label": "What a point stands for" },
    ...[["ops", "By operation"], ["kernels", "By kernel"]].map(([by, text]) => element("button", {
      type: "button", id: `roof-${by}`, "aria-pressed": String(roofBy === by),
      onclick: () => { roofBy = by; roofline(section); document.getElementById(`roof-${by}`).focus(); },
    }, text)));
  content.append(switches);
  if (points.length === 0) {
    content.append(note("No dispatch says how much it moves and computes, so there is nothing to plot."));
    return;
  }
  const figure = element("figure");
  const key = roofKey(points);
  content.append(element("div", { class: "plot" }, figure, key));
  const left = rows.length - points.length;
  content.append(note("The area of a point is its share of the time. "
    + (peaks ? "" : "The peaks of this device are not known: measure them with dacapo devices --measure. ")
    + (left > 0 ? `${whole(left)} more ${left === 1 ? "row does" : "rows do"} no arithmetic, say nothing of their work, or took less.` : "")));
  const draw = () => figure.replaceChildren(roofPlot(points, figure.clientWidth));
  let width = 0;
  new ResizeObserver(() => {
    if (figure.clientWidth !== width) {
      width = figure.clientWidth;
      draw();
    }
  }).observe(figure);
}

function roofs() {
  if (!peaks) return [];
  const half = peaks.f16_matrix_operations_per_second;
  return [["f32", peaks.f32_operations_per_second], ["f16 matrix", half]]
    .filter(([, most]) => most > 0).map(([name, most]) => ({ name, most: most / 1e9 }));
}

const intensity = (row) => row.rate.operations / (row.rate.read + row.rate.written);
const roofColour = (row) => {
  const op = roofBy === "ops" ? row.name : data.kernels.find((kernel) => kernel.name === row.name)?.op;
  return opVariable(opIndex.get(op) ?? -1);
};
const roofInk = (row) => {
  const op = roofBy === "ops" ? row.name : data.kernels.find((kernel) => kernel.name === row.name)?.op;
  return textOn(opColour(opIndex.get(op) ?? -1));
};

function describeRow(row) {
  return [named(row.name), [
    ["Share of time", percent(row.share)],
    ["Bandwidth", `${rate(row.rate.gb_s)} GB/s`],
    ["Arithmetic", `${rate(row.rate.gflop_s)} GFLOP/s`],
    ["Intensity", `${digits(intensity(row))} operations per byte`],
    ["Share of peak", row.rate.peak_share === null ? null : percent(row.rate.peak_share)],
    ["Bound by", row.bound ? boundName(row.bound) : null],
  ]];
}

function roofKey(points) {
  const body = points.map((row, at) => element("tr", {},
    element("td", {}, swatch(roofColour(row)), ` ${at + 1}`),
    element("th", { class: "text", scope: "row" }, named(row.name)),
    element("td", {}, rate(row.rate.gflop_s)),
    element("td", {}, rate(row.rate.gb_s)),
    element("td", {}, percent(row.rate.peak_share))));
  const head = [["", ""], ["Name", "text"], ["GFLOP/s", ""], ["GB/s", ""], ["Of peak", ""]].map(([text, name]) =>
    element("th", { class: name, scope: "col", style: { padding: "5px 9px" } }, text || element("span", { "aria-label": "Number" }, "#")));
  return element("div", { class: "key" }, element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Points of the roofline" },
    element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body))));
}

// Powers of ten around `values`, at most 24 of them.
function decades(values) {
  const logs = values.filter((value) => value > 0 && Number.isFinite(value)).map(Math.log10);
  const low = Math.floor(Math.min(...logs));
  const high = Math.max(low + 1, Math.ceil(Math.max(...logs)));
  return [Math.max(low, high - 24), high];
}

function roofPlot(points, wide) {
  const width = Math.max(wide, 280);
  const height = Math.round(Math.min(470, Math.max(300, width * 0.62)));
  const margin = { left: 62, right: 22, top: 14, bottom: 46 };
  const tops = roofs();
  const bandwidth = peaks ? peaks.read_bytes_per_second / 1e9 : 0;
  const ridges = bandwidth > 0 ? tops.map((roof) => roof.most / bandwidth) : [];
  const [xLow, xHigh] = decades([...points.map(intensity), ...ridges.map((ridge) => ridge * 1.5)]);
  const [yLow, yHigh] = decades([...points.map((row) => row.rate.gflop_s), ...tops.map((roof) => roof.most * 1.3)]);
  const x = (value) => margin.left + ((Math.log10(value) - xLow) / (xHigh - xLow)) * (width - margin.left - margin.right);
  const y = (value) => height - margin.bottom - ((Math.log10(value) - yLow) / (yHigh - yLow)) * (height - margin.top - margin.bottom);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Roofline" });
  axes(svg, { width, height, margin, x, y, xLow, xHigh, yLow, yHigh });
  const clip = drawn("clipPath", { id: "roof-clip" });
  clip.append(drawn("rect", { x: margin.left, y: margin.top, width: width - margin.left - margin.right, height: height - margin.top - margin.bottom }));
  svg.append(clip);
  if (bandwidth > 0) roofLines(svg, { tops, bandwidth, x, y, xLow, xHigh, yLow, width, margin });
  const biggest = Math.max(...points.map((row) => row.share), 1e-9);
  const order = points.map((row, at) => [row, at]).sort((a, b) => b[0].share - a[0].share);
  for (const [row, at] of order) {
    const [title, pairs] = describeRow(row);
    const radius = Math.max(9, Math.min(24, width * 0.045) * Math.sqrt(row.share / biggest));
    const place = { cx: x(intensity(row)), cy: y(row.rate.gflop_s) };
    const circle = drawn("circle", { ...place, r: radius, fill: roofColour(row), tabindex: "0", role: "img",
      "aria-label": `${at + 1}: ${title}. ${pairs.filter((pair) => pair[1]).map((pair) => pair.join(" ")).join(", ")}` });
    circle.style.fill = roofColour(row);
    circle.addEventListener("pointermove", (event) => showTip(event.clientX, event.clientY, title, pairs));
    circle.addEventListener("pointerleave", hideTip);
    circle.addEventListener("focus", () => {
      const box = circle.getBoundingClientRect();
      showTip(box.right, box.bottom - 12, title, pairs);
    });
    circle.addEventListener("blur", hideTip);
    const number = drawn("text", { x: place.cx, y: place.cy + 4, class: "number", "aria-hidden": "true" }, String(at + 1));
    number.style.fill = roofInk(row);
    svg.append(circle, number);
  }
  return svg;
}

function axes(svg, { width, height, margin, x, y, xLow, xHigh, yLow, yHigh }) {
  const line = (x1, y1, x2, y2) => svg.append(drawn("line", { x1, y1, x2, y2, class: "grid" }));
  const text = (at, content, more) => svg.append(drawn("text", { ...at, ...more }, content));
  const every = (low, high, room) => Math.max(1, Math.ceil((high - low) / room));
  const xStep = every(xLow, xHigh, (width - margin.left) / 56);
  for (let power = xLow; power <= xHigh; power += 1) {
    line(x(10 ** power), margin.top, x(10 ** power), height - margin.bottom);
    if ((power - xLow) % xStep === 0) {
      text({ x: x(10 ** power), y: height - margin.bottom + 16 }, powerText(power), { class: "dim", "text-anchor": "middle" });
    }
  }
  for (let power = yLow; power <= yHigh; power += 1) {
    line(margin.left, y(10 ** power), width - margin.right, y(10 ** power));
    text({ x: margin.left - 6, y: y(10 ** power) + 4 }, powerText(power), { class: "dim", "text-anchor": "end" });
  }
  text({ x: margin.left + (width - margin.left - margin.right) / 2, y: height - 8 }, "operations per byte", { "text-anchor": "middle" });
  const middle = margin.top + (height - margin.top - margin.bottom) / 2;
  text({ x: 14, y: middle }, "GFLOP/s", { "text-anchor": "middle", transform: `rotate(-90 14 ${middle})` });
}

const powerText = (power) => (power >= -3 && power <= 3 ? String(Number((10 ** power).toPrecision(1)))
  : power === 4 || power === 5 ? `${10 ** (power - 3)}k` : power >= 6 && power <= 8 ? `${10 ** (power - 6)}M` : `1e${power}`);

function roofLines(svg, { tops, bandwidth, x, y, xLow, xHigh, yLow, width, margin }) {
  const group = drawn("g", { "clip-path": "url(#roof-clip)" });
  const highest = Math.max(...tops.map((roof) => roof.most));
  const ridge = highest / bandwidth;
  const from = 10 ** Math.min(xLow, yLow - 6 - Math.log10(bandwidth));
  const points = (list) => list.map(([a, b]) => `${x(a)},${y(b)}`).join(" ");
  const until = 10 ** xHigh;
  group.append(drawn("polyline", { class: "roof", points: points([[from, from * bandwidth], [ridge, highest]]) }));
  svg.append(group);
  const label = (at, text, more) => {
    const made = drawn("text", { ...at, ...more }, text);
    made.style.paintOrder = "stroke";
    made.style.stroke = "var(--back)";
    made.style.strokeWidth = "4px";
    svg.append(made);
  };
  tops.forEach((roof, at) => {
    const start = roof.most / bandwidth;
    group.append(drawn("polyline", { class: `roof ${roof.most < highest ? "second" : ""}`, points: points([[start, roof.most], [until, roof.most]]) }));
    const [value, unit] = roof.most >= 1e3 ? [roof.most / 1e3, "TFLOP/s"] : [roof.most, "GFLOP/s"];
    label({ x: width - margin.right - 4, y: y(roof.most) - 6 }, `${roof.name} ${digits(value)} ${unit}`, { "text-anchor": "end" });
  });
  // Along the slope, at its upper end, where points are rarest, but left of the names of roofs.
  const px = Math.min(x(ridge * 0.8), width - margin.right - 170);
  const slope = (x(10) - x(1)) / (y(1) - y(10));
  const py = y(highest) + (x(ridge) - px) / slope;
  const angle = -Math.atan2(1, slope) * (180 / Math.PI);
  label({ x: px, y: py - 8 }, `memory ${digits(bandwidth)} GB/s`, { "text-anchor": "end", transform: `rotate(${angle} ${px} ${py})` });
}
