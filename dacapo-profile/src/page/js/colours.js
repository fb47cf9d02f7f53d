// Colours of the scheme that the reader prefers. They tell apart what colour-blind readers see, by lightness too; what
// they mean is also said in words.

const scheme = window.matchMedia("(prefers-color-scheme: dark)");
const OP_COLOURS = 8;
let colours = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["back", "panel", "text", "dim", "line", "strong", "accent", "mark", "host", "band", "hatch", "other"];
  colours = Object.fromEntries(names.map((name) => [name, of(name)]));
  colours.ops = Array.from({ length: OP_COLOURS }, (_, index) => of(`op${index}`));
}

// Kinds of operation have colours in the order of what they took; the rest share one.
const opColour = (op) => colours.ops[op] ?? colours.other;

const opVariable = (op) => (op >= 0 && op < OP_COLOURS ? `var(--op${op})` : "var(--other)");

// Black or white, whichever can be read better on `colour`.
function textOn(colour) {
  const channels = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const [red, green, blue] = channels.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return light > 0.179 ? "#000000" : "#ffffff";
}

const causeColours = {
  read_after_write: 0, write_after_read: 4, write_after_write: 3, unknown_access: 6, serial: 7, explicit: 2,
};
const causeColour = (kind) => opColour(causeColours[kind] ?? -1);
const causeVariable = (kind) => opVariable(causeColours[kind] ?? -1);
