//! Lines between boxes.

use std::collections::HashMap;

use crate::graph::draw::Picture;
use crate::graph::draw::svg::channel::Channel;
use crate::graph::draw::svg::layout::{GAP, Layout, MARGIN, Placed, TRACK};
use crate::graph::draw::svg::style::line;

/// A place where lines run downwards: left of a column of a row.
type Gap = (usize, usize);

/// The way of each edge, in tracks.
pub(super) struct Routes {
    ways: Vec<Way>,
    /// Lines in each gap.
    gaps: HashMap<Gap, usize>,
}

/// A line's place among those in a gap.
#[derive(Clone, Copy, Debug)]
struct Lane {
    gap: Gap,
    number: usize,
}

enum Way {
    /// One of its ends is not drawn.
    Hidden,
    /// To the next column, or further in the same row at a height where nothing is in between: that of its end if so.
    Straight {
        from: Placed,
        to: Placed,
        at_end: bool,
    },
    /// Below its row, and up again.
    Below {
        from: Placed,
        to: Placed,
        out: Lane,
        track: usize,
        back: Lane,
    },
    /// Into another row.
    Down {
        from: Placed,
        to: Placed,
        detour: Detour,
    },
    /// Within a column.
    Beside { from: Placed, to: Placed },
}

/// How lines get from a box into a gap of another row.
#[derive(Clone, Copy, Debug)]
struct Detour {
    out: Lane,
    track: usize,
    back: Lane,
    /// For rows that do not follow each other: the track to the left of all, and the one above the last.
    around: Option<(usize, usize)>,
}

struct Router {
    below: Vec<Channel>,
    left: Channel,
    gaps: HashMap<Gap, usize>,
    /// Lines of one sort from one box into one gap share their way: the box, the gap, and the sort.
    detours: HashMap<([i64; 3], Gap, &'static str), Detour>,
}

impl Router {
    fn detour(&mut self, layout: &Layout, sort: &'static str, from: Placed, to: Placed) -> Detour {
        let start = [from.row as i64, from.column as i64, from.offset];
        let key = (start, left_of(to), sort);
        if let Some(known) = self.detours.get(&key) {
            return *known;
        }
        let (out, back) = (right_of(from), left_of(to));
        let (out_x, back_x) = (gap_x(layout, out), gap_x(layout, back));
        let next = from.row + 1 == to.row;
        let end = if next { back_x } else { 0 };
        let detour = Detour {
            out: self.lane(out),
            track: self.below[from.row].take(end, out_x),
            back: self.lane(back),
            around: (!next).then(|| {
                let side = self.left.take(from.row as i64, to.row as i64 - 1);
                (side, self.below[to.row - 1].take(0, back_x))
            }),
        };
        self.detours.insert(key, detour);
        detour
    }

    fn lane(&mut self, gap: Gap) -> Lane {
        let lines = self.gaps.entry(gap).or_default();
        *lines += 1;
        Lane {
            gap,
            number: *lines,
        }
    }
}

fn right_of(placed: Placed) -> Gap {
    (placed.row, placed.column + 1)
}

fn left_of(placed: Placed) -> Gap {
    (placed.row, placed.column)
}

/// About where the lines in a gap are.
fn gap_x(layout: &Layout, gap: Gap) -> i64 {
    layout.column_x(gap.1) - GAP / 2
}

impl Routes {
    /// Finds ways for all edges, and tells the layout how many tracks they take.
    pub(super) fn new(picture: &Picture<'_>, layout: &mut Layout) -> Routes {
        let mut router = Router {
            below: vec![Channel::default(); layout.rows.len()],
            left: Channel::default(),
            gaps: HashMap::new(),
            detours: HashMap::new(),
        };
        let mut ways = Vec::with_capacity(picture.edges.len());
        for edge in &picture.edges {
            let ends = (layout.placed(edge.from), layout.placed(edge.to));
            let way = match ends {
                (Some(from), Some(to)) if from.row != to.row => Way::Down {
                    from,
                    to,
                    detour: router.detour(layout, line(edge.kind()), from, to),
                },
                (Some(from), Some(to)) => way(picture, layout, &mut router, from, to),
                _ => Way::Hidden,
            };
            ways.push(way);
        }
        for (row, channel) in layout.rows.iter_mut().zip(&router.below) {
            row.tracks = channel.len();
        }
        layout.left_tracks = router.left.len();
        Routes {
            ways,
            gaps: router.gaps,
        }
    }

    /// The data of each edge's path; empty where it has none.
    pub(super) fn paths<'a>(&'a self, layout: &'a Layout) -> impl Iterator<Item = String> + 'a {
        self.ways.iter().map(|way| self.path(layout, way))
    }

    fn path(&self, layout: &Layout, way: &Way) -> String {
        let left = |placed: Placed| {
            let (x, y) = layout.corner(placed);
            (x, y + placed.height / 2)
        };
        let right = |placed: Placed| {
            let (x, y) = left(placed);
            (x + layout.box_width, y)
        };
        match way {
            Way::Hidden => String::new(),
            Way::Straight { from, to, at_end } => {
                let ((x, y), (end_x, end_y)) = (right(*from), left(*to));
                match at_end {
                    true => {
                        let bend = x + GAP;
                        format!("{}H{end_x}", curve((x, y), (bend, end_y)))
                    }
                    false => {
                        let bend = end_x - GAP;
                        format!("M{x} {y}H{bend}{}", curve_on((bend, y), (end_x, end_y)))
                    }
                }
            }
            Way::Below {
                from,
                to,
                out,
                track,
                back,
            } => {
                let ((x, y), (end_x, end_y)) = (right(*from), left(*to));
                let (out, back) = (self.lane_x(layout, out), self.lane_x(layout, back));
                let track = layout.track_y(from.row, *track);
                let points = [
                    (x, y),
                    (out, y),
                    (out, track),
                    (back, track),
                    (back, end_y),
                    (end_x, end_y),
                ];
                rounded(&points)
            }
            Way::Down { from, to, detour } => {
                let ((x, y), (end_x, end_y)) = (right(*from), left(*to));
                let out = self.lane_x(layout, &detour.out);
                let back = self.lane_x(layout, &detour.back);
                let track = layout.track_y(from.row, detour.track);
                let mut points = vec![(x, y), (out, y), (out, track)];
                if let Some((side, above)) = detour.around {
                    let side = MARGIN / 2 + TRACK * side as i64;
                    let above = layout.track_y(to.row - 1, above);
                    points.extend([(side, track), (side, above), (back, above)]);
                } else {
                    points.push((back, track));
                }
                points.extend([(back, end_y), (end_x, end_y)]);
                rounded(&points)
            }
            Way::Beside { from, to } => {
                let ((x, y), (end_x, end_y)) = (left(*from), left(*to));
                let out = x - GAP / 2;
                format!("M{x} {y}C{out} {y} {out} {end_y} {end_x} {end_y}")
            }
        }
    }

    /// Lines in a gap share it evenly.
    fn lane_x(&self, layout: &Layout, lane: &Lane) -> i64 {
        let lines = self.gaps.get(&lane.gap).copied().unwrap_or(1) as i64;
        let width = if lane.gap.1 == 0 { MARGIN } else { GAP };
        let start = layout.column_x(lane.gap.1) - width;
        start + width * lane.number as i64 / (lines + 1)
    }
}

fn way(
    picture: &Picture<'_>,
    layout: &Layout,
    router: &mut Router,
    from: Placed,
    to: Placed,
) -> Way {
    if from.row == to.row && from.column == to.column {
        return Way::Beside { from, to };
    }
    let between = layout.rows[from.row].waves.start + from.column + 1
        ..layout.rows[from.row].waves.start + to.column;
    let free = |end: Placed| {
        let middle = end.offset + end.height / 2;
        between.clone().all(|wave| {
            let mut boxes = layout.boxes_in(picture.waves[wave].clone());
            boxes.all(|it| middle < it.offset - 3 || it.offset + it.height + 3 < middle)
        })
    };
    let (at_start, at_end) = (free(from), free(to));
    if at_start || at_end {
        let at_end = at_end && !between.is_empty() && !at_start;
        return Way::Straight { from, to, at_end };
    }
    let (out, back) = (right_of(from), left_of(to));
    let track = router.below[from.row].take(gap_x(layout, out), gap_x(layout, back));
    Way::Below {
        from,
        to,
        out: router.lane(out),
        track,
        back: router.lane(back),
    }
}

type Point = (i64, i64);

fn curve(from: Point, to: Point) -> String {
    format!("M{} {}{}", from.0, from.1, curve_on(from, to))
}

/// An S from where the path is to `to`; a line where both are level.
fn curve_on(from: Point, to: Point) -> String {
    if from.1 == to.1 {
        return format!("H{}", to.0);
    }
    let middle = (from.0 + to.0) / 2;
    format!("C{middle} {} {middle} {} {} {}", from.1, to.1, to.0, to.1)
}

/// Lines from point to point, with round corners.
fn rounded(points: &[Point]) -> String {
    const RADIUS: i64 = 5;
    let mut points = points.to_vec();
    points.dedup();
    let mut path = String::new();
    for (at, &(x, y)) in points.iter().enumerate() {
        let (before, after) = (at.checked_sub(1).map(|it| points[it]), points.get(at + 1));
        path += &match (before, after) {
            (None, _) => format!("M{x} {y}"),
            (Some(_), None) => format!("L{x} {y}"),
            (Some(before), Some(&after)) => {
                let (start, end) = (
                    toward((x, y), before, RADIUS),
                    toward((x, y), after, RADIUS),
                );
                format!("L{} {}Q{x} {y} {} {}", start.0, start.1, end.0, end.1)
            }
        };
    }
    path
}

/// The point `distance` away from `from` on the way to `to`, or half the way where that is less.
fn toward(from: Point, to: Point, distance: i64) -> Point {
    let step = |from: i64, to: i64| {
        let way = to - from;
        from + way.signum() * distance.min(way.abs() / 2)
    };
    (step(from.0, to.0), step(from.1, to.1))
}
