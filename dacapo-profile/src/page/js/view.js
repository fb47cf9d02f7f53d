// A canvas over time that can be zoomed and panned with mouse, fingers and keys.

const AXIS = 22;
const FONT = "12px system-ui, sans-serif";

class View {
  // `content` has: begin, end; height(); draw(context, view); find(x, y, view) -> thing or null; describe(thing) ->
  // [title, pairs]; step(thing, by) -> thing. `label` says what the canvas shows.
  constructor(content, label, initial) {
    this.content = content;
    this.initial = initial ?? [content.begin, content.end];
    [this.from, this.to] = this.initial;
    this.chosen = null;
    this.pointers = new Map();
    this.canvas = element("canvas", { tabindex: "0", role: "img", "aria-label": label });
    this.details = element("div", { class: "details", "aria-live": "polite" });
    const button = (text, name, action) =>
      element("button", { type: "button", "aria-label": name, title: name, onclick: action }, text);
    this.tools = element("div", { class: "tools" },
      button("+", "Zoom in", () => this.zoom(0.5)),
      button("−", "Zoom out", () => this.zoom(2)),
      button("◀", "Earlier", () => this.pan(-0.25)),
      button("▶", "Later", () => this.pan(0.25)),
      button("All", "Show all", () => this.show(content.begin, content.end)));
    this.listen();
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
    this.plain();
  }

  get span() { return this.to - this.from; }
  get width() { return this.canvas.clientWidth; }
  x(when) { return ((when - this.from) / this.span) * this.width; }
  time(x) { return this.from + (x / this.width) * this.span; }

  show(from, to) {
    const { begin, end } = this.content;
    const span = Math.min(Math.max(to - from, 20), Math.max(end - begin, 20));
    this.from = Math.min(Math.max(from, begin), Math.max(begin, end - span));
    this.to = this.from + span;
    this.redraw();
  }

  // Makes the visible time `factor` times as long, with what is at `x` staying there.
  zoom(factor, x = this.width / 2) {
    const fixed = this.time(x);
    const span = this.span * factor;
    const from = fixed - (x / this.width) * span;
    this.show(from, from + span);
  }

  pan(share) { this.show(this.from + share * this.span, this.to + share * this.span); }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  paint() {
    const width = this.width;
    const height = this.content.height();
    if (width === 0) return;
    const ratio = window.devicePixelRatio || 1;
    const canvas = this.canvas;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = `${height}px`;
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = colours.back;
    context.fillRect(0, 0, width, height);
    context.font = FONT;
    context.textBaseline = "middle";
    this.axis(context, width, height);
    this.content.draw(context, this);
    canvas.dataset.from = this.from;
    canvas.dataset.to = this.to;
  }

  axis(context, width, height) {
    const most = Math.max(2, Math.floor(width / 110));
    const step = niceStep(this.span / most);
    const zero = this.content.zero ?? 0;
    context.lineWidth = 1;
    const first = Math.ceil((this.from - zero) / step) * step + zero;
    for (let tick = 0; tick <= most + 1; tick += 1) {
      const when = first + tick * step;
      if (when > this.to) break;
      const x = Math.round(this.x(when)) + 0.5;
      context.strokeStyle = colours.line;
      context.beginPath();
      context.moveTo(x, AXIS - 4);
      context.lineTo(x, height);
      context.stroke();
      const text = axisTime(when - zero, step);
      const wide = context.measureText(text).width;
      context.fillStyle = colours.dim;
      context.fillText(text, Math.min(Math.max(x - wide / 2, 2), width - wide - 2), AXIS / 2 - 1);
    }
  }

  choose(thing) {
    this.chosen = thing;
    if (thing === null) this.plain();
    else {
      const [title, pairs] = this.content.describe(thing);
      this.details.replaceChildren(element("strong", {}, title), facts(pairs));
    }
    this.redraw();
  }

  plain() {
    this.details.replaceChildren(
      "Drag to pan, Ctrl and wheel or pinch to zoom, click for details. Keys: + and − zoom, ← and → pan, Home shows " +
      "all, full stop and comma choose the next box and the one before.");
  }

  // The one before or after what is chosen, brought into view.
  step(by) {
    const thing = this.content.step(this.chosen, by, this);
    if (thing === null) return;
    const [start, end] = this.content.times(thing);
    if (end < this.from || start > this.to) {
      const middle = (start + end) / 2;
      this.show(middle - this.span / 2, middle + this.span / 2);
    }
    this.choose(thing);
  }

  listen() {
    const canvas = this.canvas;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left - 1, event.clientY - box.top - 1];
    };
    canvas.addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        this.zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 200))), place(event)[0]);
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        this.pan((event.deltaX || event.deltaY) / this.width);
      }
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, place(event));
      this.moved = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.pointers.has(event.pointerId)) this.drag(event.pointerId, place(event));
      else this.hover(event, place(event));
    });
    const lift = (event) => {
      this.pointers.delete(event.pointerId);
      if (this.pointers.size === 0) canvas.classList.remove("dragging");
    };
    canvas.addEventListener("pointerup", (event) => {
      const click = this.pointers.size === 1 && this.moved < 4;
      lift(event);
      if (click) this.choose(this.content.find(...place(event), this));
    });
    canvas.addEventListener("pointercancel", lift);
    canvas.addEventListener("pointerleave", hideTip);
    canvas.addEventListener("dblclick", (event) => this.zoom(0.25, place(event)[0]));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  drag(id, now) {
    hideTip();
    const before = this.pointers.get(id);
    const others = [...this.pointers].filter(([other]) => other !== id);
    this.pointers.set(id, now);
    this.moved += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
    if (others.length === 0) {
      this.canvas.classList.add("dragging");
      this.pan((before[0] - now[0]) / this.width);
    } else {
      const still = others[0][1][0];
      const apart = (place) => Math.max(10, Math.abs(place[0] - still));
      this.zoom(apart(before) / apart(now), still);
    }
  }

  hover(event, [x, y]) {
    const thing = this.content.find(x, y, this);
    if (thing === null) hideTip();
    else showTip(event.clientX, event.clientY, ...this.content.describe(thing));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      "+": () => this.zoom(0.5),
      "=": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      ArrowLeft: () => this.pan(-0.2),
      ArrowRight: () => this.pan(0.2),
      Home: () => this.show(this.content.begin, this.content.end),
      ".": () => this.step(1),
      ",": () => this.step(-1),
      Escape: () => this.choose(null),
    };
    const action = actions[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  }
}

// 1, 2 or 5 times a power of ten, at least `least`.
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= least) ?? 10 * power;
}

// A time on an axis with marks every `step`, in one unit.
function axisTime(nanos, step) {
  const [size, unit] = step >= 1e9 ? [1e9, "s"] : step >= 1e6 ? [1e6, "ms"] : step >= 1e3 ? [1e3, "µs"] : [1, "ns"];
  return `${(nanos / size).toLocaleString("en-GB", { maximumFractionDigits: 0 })} ${unit}`;
}
