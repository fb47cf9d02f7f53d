// Rows of boxes on which nothing overlaps, drawn in time that depends on how wide they are and not on how much they hold.

class Row {
  // `ids` in any order; `start` and `end` tell when each lasts.
  constructor(ids, start, end) {
    const order = Uint32Array.from(ids).sort((a, b) => start(a) - start(b) || end(a) - end(b));
    this.ids = order;
    this.start = Float64Array.from(order, start);
    this.end = Float64Array.from(order, end);
    this.before = new Float64Array(order.length + 1);
    for (let at = 0; at < order.length; at += 1) {
      this.before[at + 1] = this.before[at] + this.end[at] - this.start[at];
    }
  }

  // The first that ends after `when`.
  firstAfter(when, from = 0) {
    let low = from;
    let high = this.ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.end[middle] > when) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  // The first that starts at or after `when`.
  firstFrom(when, from = 0) {
    let low = from;
    let high = this.ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.start[middle] >= when) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  // What lasts nearest to `when`, at most `slack` away; null if nothing does.
  find(when, slack) {
    const at = this.firstAfter(when);
    const near = [at - 1, at].filter((index) => index >= 0 && index < this.ids.length);
    const away = (index) => Math.max(this.start[index] - when, when - this.end[index], 0);
    near.sort((a, b) => away(a) - away(b));
    return near.length > 0 && away(near[0]) <= slack ? this.ids[near[0]] : null;
  }

  // `look(id)` gives fill, edge, text, a short text for where that does not fit, and whether it is hatched.
  draw(context, view, y, height, look) {
    const perPixel = view.span / view.width;
    let at = this.firstAfter(view.from);
    while (at < this.ids.length && this.start[at] < view.to) {
      const left = view.x(this.start[at]);
      const right = view.x(this.end[at]);
      if (right - left >= 1.5) {
        this.box(context, view, left, right, y, height, look(this.ids[at]));
        at += 1;
        continue;
      }
      // All that begins in this pixel is one mark, the stronger the more of the pixel it covers.
      const pixel = Math.floor(left);
      let next = Math.max(at + 1, this.firstFrom(view.time(pixel + 1), at));
      // Only the last of them can reach beyond the pixel, and then it is a box.
      if (next - 1 > at && view.x(this.end[next - 1]) - view.x(this.start[next - 1]) >= 1.5) next -= 1;
      const covered = Math.min(1, (this.before[next] - this.before[at]) / perPixel);
      context.globalAlpha = 0.3 + 0.7 * covered;
      context.fillStyle = look(this.ids[(at + next) >> 1] ?? this.ids[at]).fill;
      context.fillRect(pixel, y, 1, height);
      context.globalAlpha = 1;
      at = next;
    }
  }

  box(context, view, left, right, y, height, look) {
    const from = Math.max(left, -2);
    const width = Math.min(right, view.width + 2) - from;
    context.fillStyle = look.fill;
    context.fillRect(from, y, width, height);
    if (look.hatched) hatch(context, from, y, width, height);
    if (width >= 4) {
      context.strokeStyle = look.edge ?? colours.back;
      context.lineWidth = 1;
      context.strokeRect(from + 0.5, y + 0.5, width - 1, height - 1);
    }
    if (look.chosen) {
      context.strokeStyle = colours.text;
      context.lineWidth = 2;
      context.strokeRect(from + 1, y + 1, Math.max(width - 2, 1), height - 2);
    }
    const seen = Math.max(from, 0);
    const room = Math.min(from + width, view.width) - seen - 4;
    if (look.text && room > 6 && height >= 12) {
      const long = fitted(context, look.text, room - 4);
      const text = long === look.text ? long : look.short ?? long;
      const wide = context.measureText(text).width;
      if (text !== "" && wide <= room) {
        context.fillStyle = look.ink ?? textOn(look.fill);
        context.fillText(text, seen + (room - wide < 8 ? (room + 4 - wide) / 2 : 4), y + height / 2);
      }
    }
  }
}

function hatch(context, x, y, width, height) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colours.back;
  context.lineWidth = 1.5;
  context.beginPath();
  for (let at = x - height; at < x + width; at += 6) {
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
  }
  context.stroke();
  context.restore();
}

// As much of `text` as fits, with an ellipsis; nothing if that would be less than two letters.
function fitted(context, text, room) {
  const long = text.length > 200 ? text.slice(0, 200) : text;
  if (context.measureText(long).width <= room) return long;
  let low = 0;
  let high = long.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(`${long.slice(0, middle)}…`).width <= room) low = middle;
    else high = middle - 1;
  }
  return low >= 2 ? `${long.slice(0, low)}…` : "";
}
