// Numbers for people.

function digits(value, significant = 3) {
  if (!Number.isFinite(value)) return "?";
  const size = Math.abs(value);
  const decimals = size === 0 ? 0 : Math.max(0, Math.min(6, significant - 1 - Math.floor(Math.log10(size))));
  return value.toLocaleString("en-GB", { maximumFractionDigits: decimals });
}

function time(nanos) {
  if (nanos === null || nanos === undefined) return "–";
  const size = Math.abs(nanos);
  if (size < 1e3) return `${digits(nanos)} ns`;
  if (size < 1e6) return `${digits(nanos / 1e3)} µs`;
  if (size < 1e9) return `${digits(nanos / 1e6)} ms`;
  return `${digits(nanos / 1e9)} s`;
}

function scaled(value, units, step) {
  let at = 0;
  while (Math.abs(value) >= step && at + 1 < units.length) {
    value /= step;
    at += 1;
  }
  return `${digits(value)} ${units[at]}`;
}

const bytes = (value) => scaled(value, ["B", "kB", "MB", "GB", "TB"], 1000);
const operations = (value) => scaled(value, ["", "k", "M", "G", "T"], 1000).trim();
const whole = (value) => value.toLocaleString("en-GB");
const percent = (share) => (share === null || share === undefined ? "–" : `${digits(share * 100)} %`);
const rate = (value) => (value === null || value === undefined ? "–" : digits(value));
const words = (name) => name.replaceAll("_", " ");
const named = (name) => (name === "" ? "(none)" : name);
