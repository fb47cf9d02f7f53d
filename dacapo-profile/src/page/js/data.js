// The embedded data. Times are nanoseconds since recording began.

const data = JSON.parse(document.getElementById("data").textContent);
const analysis = data.analysis;
const dispatches = data.dispatches;
const peaks = data.peaks;

// What the section on top of the page has chosen: the submissions of one label, or all.
const sections = [...analysis.labels].sort((a, b) => b.sums.device_ns - a.sums.device_ns);
const hasDispatches = dispatches.start.length > 0;

const opNames = [...new Set([...analysis.all.ops.map((row) => row.name), ...data.kernels.map((kernel) => kernel.op)])];
const opIndex = new Map(opNames.map((name, index) => [name, index]));
const kernelOps = data.kernels.map((kernel) => opIndex.get(kernel.op));

const opOf = (dispatch) => kernelOps[dispatches.kernel[dispatch]] ?? -1;
const kernelName = (dispatch) => data.kernels[dispatches.kernel[dispatch]]?.name ?? "?";
const opName = (dispatch) => data.kernels[dispatches.kernel[dispatch]]?.op ?? "?";
const scopePath = (dispatch) => (data.scopes[dispatches.scope[dispatch]] ?? []).join(" / ");
const causeOf = (dispatch) => data.causes[dispatches.barrier[dispatch]];
const startOf = (dispatch) => dispatches.start[dispatch];
const endOf = (dispatch) => dispatches.start[dispatch] + dispatches.length[dispatch];

// The submission that a dispatch belongs to, as an index: they hold ranges of dispatches in order.
function submissionOf(dispatch) {
  let low = 0;
  let high = data.submissions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (data.submissions[middle].first + data.submissions[middle].count <= dispatch) low = middle + 1;
    else high = middle;
  }
  return low;
}
