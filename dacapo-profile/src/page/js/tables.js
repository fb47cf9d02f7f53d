// Tables that can be sorted, with one of them shown at a time.

const MOST_ROWS = 500;

const number = (title, get, show, more = {}) => ({ title, get, show, ...more });
const shareCell = (share) => element("span", {},
  element("span", { class: "meter", "aria-hidden": "true" },
    element("i", { style: { width: `${Math.max(0, Math.min(1, share)) * 100}%` } })), percent(share));

const rowColumns = (name) => [
  { title: name, get: (row) => row.name, show: named, text: true },
  number("Count", (row) => row.duration_ns.count, whole),
  number("Time", (row) => row.attributed_ns, time),
  number("Share", (row) => row.share, shareCell),
  number("Total", (row) => row.duration_ns.total, time),
  number("Min", (row) => row.duration_ns.min, time),
  number("Median", (row) => row.duration_ns.median, time),
  number("p95", (row) => row.duration_ns.p95, time),
  number("Max", (row) => row.duration_ns.max, time),
  number("GB/s", (row) => row.rate.gb_s, rate),
  number("GFLOP/s", (row) => row.rate.gflop_s, rate),
  number("Of peak", (row) => row.rate.peak_share, percent),
  { title: "Bound", get: (row) => row.bound ?? "", show: (bound) => (bound ? words(bound) : "–"), text: true },
  { title: "Stands for", get: (row) => row.stands_for.slice(0, 3).map((it) => `${whole(it.count)} × ${it.ops.join(", ")}`).join("; "),
    show: (text) => text || "–", text: true, words: true },
];

const spreadColumns = (get) => [
  number("Total", (row) => get(row).total, time),
  number("Min", (row) => get(row).min, time),
  number("Median", (row) => get(row).median, time),
  number("p95", (row) => get(row).p95, time),
  number("Max", (row) => get(row).max, time),
];

const TABLES = [
  { id: "ops", name: "Operations", rows: (section) => section.ops, columns: rowColumns("Operation"), dispatches: true,
    about: "Dispatches by kind of operation. Time is what passed, each moment divided among the dispatches that ran then; total adds up their durations." },
  { id: "kernels", name: "Kernels", rows: (section) => section.kernels, columns: rowColumns("Kernel"), dispatches: true },
  { id: "layers", name: "Layers", rows: (section) => section.layers, columns: rowColumns("Layer"), dispatches: true,
    about: "Dispatches by the outermost scope, in the order in which they ran." },
  { id: "scopes", name: "Scopes", rows: (section) => section.scopes, columns: rowColumns("Scope"), dispatches: true,
    about: "Dispatches by all scopes around them, in the order in which they ran." },
  { id: "parts", name: "Parts", rows: (section) => section.parts, columns: rowColumns("Part"), dispatches: true,
    about: "Dispatches by the scopes around them, numbers left out: the same part of all layers." },
  { id: "labels", name: "Labels", rows: () => analysis.labels,
    about: "Submissions by label.",
    columns: [
      { title: "Label", get: (row) => row.label, show: named, text: true },
      number("Count", (row) => row.device_ns.count, whole),
      number("Share", (row) => row.sums.device_ns / Math.max(analysis.all.sums.device_ns, 1), shareCell),
      ...spreadColumns((row) => row.device_ns),
      number("Encode", (row) => row.encode_ns.median, time),
      number("Queued", (row) => row.commit_to_start_ns.median, time),
      number("Seen after", (row) => row.end_to_seen_ns.median, time),
      number("GB/s", (row) => row.rate.gb_s, rate),
      number("Of peak", (row) => row.rate.peak_share, percent),
      { title: "Bound", get: (row) => row.bound ?? "", show: (bound) => (bound ? words(bound) : "–"), text: true },
    ] },
  { id: "critical", name: "Critical path", rows: (section) => section.critical, dispatches: true,
    about: "Waves by the operation that ended last in them: only making these faster, or the waits before them shorter, makes a submission faster.",
    columns: [
      { title: "Operation", get: (row) => row.op, show: named, text: true },
      number("Waves", (row) => row.waves, whole),
      number("Share", (row) => row.share, shareCell),
      number("Waiting", (row) => row.wait_ns.total, time),
      number("Median wait", (row) => row.wait_ns.median, time),
      number("Running", (row) => row.run_ns.total, time),
      number("Median run", (row) => row.run_ns.median, time),
    ] },
  { id: "barriers", name: "Barrier waits", rows: (section) => section.barriers, dispatches: true,
    about: "Times between waves in which nothing ran, by why there is a barrier and what lies on its sides.",
    columns: [
      { title: "Cause", get: (row) => row.cause, show: (cause) => (cause === "" ? "not noted" : words(cause)), text: true },
      { title: "Ended before", get: (row) => row.before, show: named, text: true },
      { title: "Began after", get: (row) => row.after, show: named, text: true },
      number("Count", (row) => row.wait_ns.count, whole),
      number("Share", (row) => row.share, shareCell),
      ...spreadColumns((row) => row.wait_ns),
      { title: "For example", get: (row) => row.example, show: (text) => text || "–", text: true, words: true },
    ] },
  { id: "gaps", name: "Gaps", rows: () => analysis.gap_rows,
    about: "Times between submissions in which the device had nothing to do.",
    columns: [
      { title: "After", get: (row) => row.after, show: named, text: true },
      { title: "Before", get: (row) => row.before, show: named, text: true },
      number("Count", (row) => row.length_ns.count, whole),
      ...spreadColumns((row) => row.length_ns),
      number("Not committed", (row) => row.uncommitted_ns, time),
      number("Committed", (row) => row.committed_ns, time),
      { title: "What the host did", get: (row) => row.doing.slice(0, 6).map((it) => `${it.name} ${time(it.time_ns)}`).join(", "),
        show: (text) => text || "nothing noted", text: true, words: true },
    ] },
];

let shownTable = hasDispatches ? "ops" : "labels";

function tables(section) {
  const parent = document.getElementById("tables");
  parent.querySelectorAll(".content").forEach((old) => old.remove());
  const panel = element("div", { id: "table", role: "tabpanel" });
  const tabs = TABLES.map((table) => element("button", {
    type: "button", role: "tab", id: `tab-${table.id}`, "aria-controls": "table",
    onclick: () => select(table.id, false),
  }, table.name));
  const select = (id, focus) => {
    shownTable = id;
    tabs.forEach((tab, at) => {
      const chosen = TABLES[at].id === id;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      if (chosen && focus) tab.focus();
    });
    panel.setAttribute("aria-labelledby", `tab-${id}`);
    panel.replaceChildren(...tableOf(TABLES.find((table) => table.id === id), section));
  };
  const list = element("div", {
    class: "tools", role: "tablist", "aria-label": "Tables",
    onkeydown: (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const at = TABLES.findIndex((table) => table.id === shownTable);
      select(TABLES[(at + by + TABLES.length) % TABLES.length].id, true);
    },
  }, ...tabs);
  parent.append(element("div", { class: "content" }, list, panel));
  select(shownTable, false);
}

function tableOf(table, section) {
  const rows = [...table.rows(section)];
  if (rows.length === 0) {
    if (data.submissions.length === 0) return [note("No submission was recorded.")];
    return [note(table.dispatches && !hasDispatches ? NO_DISPATCHES : "There are none.")];
  }
  let sorted = { column: null, falling: true };
  const body = element("tbody");
  const fill = () => body.replaceChildren(...rows.slice(0, MOST_ROWS).map((row) => tableRow(table.columns, row)));
  const heads = table.columns.map((column) => element("th", { scope: "col", class: column.text ? "text" : "", "aria-sort": "none" },
    element("button", { type: "button", onclick: () => sort(column) }, column.title)));
  const sort = (column) => {
    // Numbers from the largest, names from the first; again turns that around.
    const falling = sorted.column === column ? !sorted.falling : !column.text;
    sorted = { column, falling };
    rows.sort((a, b) => compare(column.get(a), column.get(b), falling));
    heads.forEach((head, at) => {
      const state = table.columns[at] !== column ? "none" : falling ? "descending" : "ascending";
      head.setAttribute("aria-sort", state);
    });
    fill();
  };
  fill();
  const region = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": table.name },
    element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body));
  const more = rows.length > MOST_ROWS ? note(`The first ${MOST_ROWS} of ${whole(rows.length)} rows in this order.`) : null;
  return [table.about ? note(table.about) : null, region, more].filter((part) => part !== null);
}

// What is missing comes last either way.
function compare(a, b, falling) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
  return falling ? -order : order;
}

function tableRow(columns, row) {
  return element("tr", {}, ...columns.map((column, at) => {
    const shown = column.show(column.get(row));
    const name = `${column.text ? "text" : ""} ${column.words ? "words" : ""}`.trim();
    return at === 0 ? element("th", { class: name, scope: "row" }, shown) : element("td", { class: name }, shown);
  }));
}
