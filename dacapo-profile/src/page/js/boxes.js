// Groups of rows under each other, each with a title: what a view shows.

const TITLE = 18;

class Boxes {
  // Each group: title, rows, height of a row, look(id), describe(id).
  constructor(begin, end, groups) {
    this.begin = begin;
    this.end = end;
    this.groups = groups.filter((group) => group.rows.length > 0);
    let y = AXIS;
    for (const group of this.groups) {
      group.top = y + TITLE;
      y = group.top + group.rows.length * (group.height + 1) + 5;
    }
    this.total = y + 2;
  }

  height() { return this.total; }

  draw(context, view) {
    this.under?.(context, view);
    for (const group of this.groups) {
      const chosen = view.chosen?.group === group ? view.chosen.id : null;
      const look = (id) => {
        const plain = group.look(id);
        return id === chosen ? { ...plain, chosen: true } : plain;
      };
      context.font = "600 12px system-ui, sans-serif";
      const title = fitted(context, group.title, view.width - 16);
      context.fillStyle = colours.back;
      context.fillRect(0, group.top - TITLE + 1, context.measureText(title).width + 12, TITLE - 2);
      context.fillStyle = colours.text;
      context.fillText(title, 6, group.top - TITLE / 2);
      context.font = FONT;
      group.rows.forEach((row, lane) => {
        row.draw(context, view, group.top + lane * (group.height + 1), group.height, look);
      });
    }
  }

  find(x, y, view) {
    for (const group of this.groups) {
      const lane = Math.floor((y - group.top) / (group.height + 1));
      const row = group.rows[lane];
      if (y < group.top || row === undefined) continue;
      const id = row.find(view.time(x), (3 * view.span) / view.width);
      return id === null ? null : { group, row, id };
    }
    return null;
  }

  describe({ group, id }) { return group.describe(id); }

  times({ row, id }) {
    const at = row.ids.indexOf(id);
    return [row.start[at], row.end[at]];
  }

  step(thing, by, view) {
    if (thing === null) {
      const group = this.groups.at(-1);
      const row = group?.rows[0];
      if (row === undefined) return null;
      const at = Math.min(row.firstAfter(view.from), row.ids.length - 1);
      return { group, row, id: row.ids[at] };
    }
    const at = thing.row.ids.indexOf(thing.id) + by;
    return at < 0 || at >= thing.row.ids.length ? null : { ...thing, id: thing.row.ids[at] };
  }
}

// Rows by lane, of things that have one; those of lanes that are not drawn are left out.
function rowsByLane(count, laneOf, start, end, ids = Array.from({ length: count }, (_, id) => id)) {
  const lanes = [];
  for (const id of ids) {
    const lane = laneOf(id);
    if (lane !== null && lane < data.most_lanes) (lanes[lane] ??= []).push(id);
  }
  return Array.from(lanes, (lane) => new Row(lane ?? [], start, end));
}

// The less there are, the higher.
const laneHeight = (lanes) => Math.max(6, Math.min(22, Math.floor(260 / Math.max(lanes, 1))));
