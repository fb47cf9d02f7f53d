// Elements. Text from the profile is only ever set as text.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(made.style, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const note = (...text) => element("p", { class: "note" }, ...text);
const swatch = (colour, more = "") => element("span", { class: `swatch ${more}`, style: { backgroundColor: colour } });

// A list of [what, value] pairs; values that are missing are left out.
function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return element("dl", {}, ...shown.map(([what, value]) =>
    element("div", {}, element("dt", {}, what), element("dd", {}, String(value)))));
}

const tip = document.getElementById("tip");

function showTip(x, y, title, pairs) {
  tip.replaceChildren(element("b", {}, title), facts(pairs));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(x + 14, document.documentElement.clientWidth - box.width - 8);
  const below = y + 16 + box.height < window.innerHeight;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, below ? y + 16 : y - box.height - 10)}px`;
}

const hideTip = () => { tip.hidden = true; };
