//! Where everything lies: waves are columns, wrapped into rows.

use core::ops::Range;

use crate::graph::draw::Picture;
use crate::graph::draw::svg::boxes;

/// Space between two columns, and at the ends of rows, in which lines run.
pub(super) const GAP: i64 = 44;
pub(super) const MARGIN: i64 = 36;
/// Space between two boxes of a column.
const BETWEEN: i64 = 10;
/// Height of the numbers of waves.
const HEADER: i64 = 18;
/// Between two tracks of lines, and of brackets.
pub(super) const TRACK: i64 = 7;
pub(super) const BRACKET: i64 = 16;
/// Space below the brackets of one row and above those of the next.
const ROW_SPACE: i64 = 22;

/// Waves of a row at most.
const ROW_WAVES: usize = 16;
/// Waves that may stand in a row besides those of its scope.
const MORE_WAVES: usize = 2;
/// Boxes of a column at most.
const COLUMN_BOXES: usize = 40;

/// A picture's measures. Rows get their places last, once it is known which tracks of lines run between them.
pub(super) struct Layout {
    pub(super) box_width: i64,
    pub(super) rows: Vec<Row>,
    /// By node; none where a column is too long to show it.
    boxes: Vec<Option<Placed>>,
    /// By wave: its row, and its place in it.
    columns: Vec<(usize, usize)>,
    /// By wave: nodes that are not shown.
    hidden: Vec<usize>,
    top: i64,
    /// Tracks of lines left of all rows.
    pub(super) left_tracks: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) waves: Range<usize>,
    /// Of its highest column.
    height: i64,
    pub(super) bracket_tracks: usize,
    /// Of lines below it.
    pub(super) tracks: usize,
    y: i64,
}

/// A node's box: the row, the column in it, and where it lies below the row's first box.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) offset: i64,
    pub(super) height: i64,
}

pub(super) struct Column {
    pub(super) x: i64,
    pub(super) top: i64,
    pub(super) bottom: i64,
    /// Whether it is the first of its row.
    pub(super) first: bool,
}

impl Layout {
    pub(super) fn new(picture: &Picture<'_>) -> Layout {
        let mut layout = Layout {
            box_width: boxes::width(picture),
            rows: Vec::new(),
            boxes: vec![None; picture.drawn()],
            columns: Vec::new(),
            hidden: Vec::new(),
            top: 0,
            left_tracks: 0,
        };
        let mut before: Vec<Vec<usize>> = vec![Vec::new(); picture.drawn()];
        for edge in &picture.edges {
            before[edge.to].push(edge.from);
        }
        for waves in wrapped(picture) {
            layout.add_row(picture, waves, &before);
        }
        layout
    }

    fn add_row(&mut self, picture: &Picture<'_>, waves: Range<usize>, before: &[Vec<usize>]) {
        let row = self.rows.len();
        let mut height = 0;
        for (column, wave) in waves.clone().enumerate() {
            self.columns.push((row, column));
            let stacked = self.add_column(picture, [row, column], wave, before);
            height = height.max(stacked);
        }
        for wave in waves.clone() {
            self.centre(picture.waves[wave].clone(), height);
        }
        self.rows.push(Row {
            waves,
            height,
            bracket_tracks: 0,
            tracks: 0,
            y: 0,
        });
    }

    /// Stacks the boxes of a wave, each near those that it waits for; gives the height.
    fn add_column(
        &mut self,
        picture: &Picture<'_>,
        [row, column]: [usize; 2],
        wave: usize,
        before: &[Vec<usize>],
    ) -> i64 {
        let nodes = picture.waves[wave].clone();
        let shown = nodes.len().min(COLUMN_BOXES);
        self.hidden.push(nodes.len() - shown);
        let middle = |layout: &Layout, node: usize| {
            let mut sum = (0, 0);
            for it in before[node].iter().filter_map(|&it| layout.boxes[it]) {
                if it.row == row {
                    sum = (sum.0 + it.offset + it.height / 2, sum.1 + 1);
                }
            }
            (sum.1 > 0).then(|| sum.0 / sum.1)
        };
        let mut order: Vec<(i64, usize)> = Vec::new();
        let mut last = 0;
        for node in nodes.take(shown) {
            last = middle(self, node).unwrap_or(last);
            order.push((last, node));
        }
        order.sort_by_key(|(at, _)| *at);
        let mut offset = 0;
        for (_, node) in order {
            let height = boxes::height(&picture.graph.nodes[node]);
            self.boxes[node] = Some(Placed {
                row,
                column,
                offset,
                height,
            });
            offset += height + BETWEEN;
        }
        if self.hidden[wave] > 0 {
            offset += BETWEEN * 2;
        }
        offset - BETWEEN
    }

    /// Moves a wave's boxes to the middle of a row of this height.
    fn centre(&mut self, nodes: Range<usize>, height: i64) {
        let boxes = || self.boxes[nodes.clone()].iter().flatten();
        let stacked = boxes().map(|it| it.offset + it.height).max().unwrap_or(0);
        let down = (height - stacked) / 2;
        for placed in self.boxes[nodes].iter_mut().flatten() {
            placed.offset += down;
        }
    }

    /// Gives the rows their places below `top`.
    pub(super) fn place(&mut self, top: i64) {
        self.top = top;
        let mut y = top;
        for row in &mut self.rows {
            y += BRACKET * row.bracket_tracks as i64 + HEADER;
            row.y = y;
            y += row.height + TRACK * row.tracks as i64 + ROW_SPACE;
        }
    }

    pub(super) fn width(&self) -> i64 {
        let columns = self.rows.iter().map(|row| row.waves.len()).max();
        self.column_x(columns.unwrap_or(0)) - GAP + MARGIN
    }

    pub(super) fn height(&self) -> i64 {
        let bottom = |row: &Row| row.y + row.height + TRACK * row.tracks as i64 + ROW_SPACE;
        self.rows.last().map_or(self.top, bottom)
    }

    pub(super) fn column_x(&self, column: usize) -> i64 {
        let left = MARGIN + TRACK * self.left_tracks as i64;
        left + column as i64 * (self.box_width + GAP)
    }

    pub(super) fn column(&self, wave: usize) -> Column {
        let (row, column) = self.columns[wave];
        let Row { y, height, .. } = self.rows[row];
        Column {
            x: self.column_x(column),
            top: y,
            bottom: y + height,
            first: column == 0,
        }
    }

    /// The row of a wave, and its place in it.
    pub(super) fn row_and_column(&self, wave: usize) -> (usize, usize) {
        self.columns[wave]
    }

    pub(super) fn placed(&self, node: usize) -> Option<Placed> {
        self.boxes[node]
    }

    /// The boxes of a column of a row.
    pub(super) fn boxes_in(&self, nodes: Range<usize>) -> impl Iterator<Item = Placed> + '_ {
        self.boxes[nodes].iter().flatten().copied()
    }

    /// The left upper corner of a box.
    pub(super) fn corner(&self, placed: Placed) -> (i64, i64) {
        let y = self.rows[placed.row].y + placed.offset;
        (self.column_x(placed.column), y)
    }

    /// The middle of a track of lines below a row.
    pub(super) fn track_y(&self, row: usize, track: usize) -> i64 {
        let Row { y, height, .. } = self.rows[row];
        y + height + TRACK * (track as i64 + 1)
    }

    /// The base of a track of brackets above a row, counted from the row upwards.
    pub(super) fn bracket_y(&self, row: usize, track: usize) -> i64 {
        self.rows[row].y - HEADER - BRACKET * track as i64
    }

    pub(super) fn row_bottom(&self, row: usize) -> i64 {
        self.rows[row].y + self.rows[row].height
    }

    /// Places and numbers of nodes that are not shown.
    pub(super) fn hidden(&self) -> impl Iterator<Item = (i64, i64, usize)> + '_ {
        let hidden = self.hidden.iter().enumerate();
        hidden.filter(|(_, more)| **more > 0).map(|(wave, more)| {
            let column = self.column(wave);
            (column.x + 8, column.bottom - 4, *more)
        })
    }
}

/// Cuts the waves into rows: at the ends of outermost scopes where that leaves no row too long.
fn wrapped(picture: &Picture<'_>) -> Vec<Range<usize>> {
    if picture.waves.len() <= ROW_WAVES {
        return core::iter::once(0..picture.waves.len()).collect();
    }
    let scope_of = |wave: &Range<usize>| {
        let node = &picture.graph.nodes[wave.start];
        let mut scope = node.scope;
        while let Some(parent) = scope.and_then(|it| picture.graph.scopes[it.index()].parent) {
            scope = Some(parent);
        }
        scope
    };
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut last = None;
    for (number, wave) in picture.waves.iter().enumerate() {
        let scope = Some(scope_of(wave));
        match runs.last_mut() {
            Some(run) if scope == last => run.end = number + 1,
            _ => runs.push(number..number + 1),
        }
        last = scope;
    }
    let longest = runs.iter().map(Range::len).max().unwrap_or(0);
    let most = (longest + MORE_WAVES).clamp(ROW_WAVES / 2, ROW_WAVES);
    let mut rows: Vec<Range<usize>> = Vec::new();
    for run in runs {
        let mut rest = run.clone();
        match rows.last_mut() {
            Some(row) if row.len() + run.len() <= most => row.end = run.end,
            _ => {
                let pieces = run.len().div_ceil(most);
                let each = run.len().div_ceil(pieces);
                while !rest.is_empty() {
                    let end = rest.end.min(rest.start + each);
                    rows.push(rest.start..end);
                    rest.start = end;
                }
            }
        }
    }
    rows
}
