//! What a program consists of.

use crate::lanes::atomic::AtomicOperation;
use crate::lanes::collective::{Gather, Reduction, Scan};
use crate::lanes::{Binary, Ternary, Trap, Unary};

/// A row of the frame: one element for each invocation.
pub(crate) type Row = u32;

/// A place in the text that is not an access of memory: an index of `Program::sites`.
pub(crate) type SiteId = u32;

/// An access of memory in the text: an index of `Program::touches`.
pub(crate) type TouchId = u32;

/// In a row of offsets, that of an index that was out of bounds and has been reported.
pub(crate) const OUTSIDE: u32 = u32::MAX;

/// Statements that run one after the other.
pub(crate) type Block = Box<[Node]>;

/// A statement.
#[derive(Debug)]
pub(crate) enum Node {
    Op(Op),
    If {
        condition: Row,
        accept: Block,
        reject: Block,
    },
    Switch {
        selector: Row,
        cases: Box<[Case]>,
    },
    Loop {
        body: Block,
        continuing: Block,
        break_if: Option<Row>,
        site: SiteId,
    },
    Break,
    Continue,
    Return,
    Call(u32),
    Barrier {
        storage: bool,
        workgroup: bool,
        subgroup: bool,
        site: SiteId,
    },
}

/// A case of a switch.
#[derive(Debug)]
pub(crate) struct Case {
    /// Empty for the default.
    pub(crate) values: Box<[u32]>,
    pub(crate) is_default: bool,
    pub(crate) body: Block,
}

/// How an element lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Element {
    /// 32 bits.
    Word,
    /// An `f16`, whose row holds the `f32` of the same value.
    Half,
}

impl Element {
    pub(crate) fn bytes(self) -> u32 {
        match self {
            Element::Word => 4,
            Element::Half => 2,
        }
    }
}

/// Where memory is accessed: `offset` units beyond what the row `at` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) at: Option<Row>,
    pub(crate) offset: u32,
}

/// Rows that need not follow each other: a range of `Program::lists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) first: u32,
    pub(crate) len: u32,
}

/// Memory that all invocations of a workgroup see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Root {
    /// A storage buffer: an index of `Program::slots`. Units are bytes.
    Storage(u32),
    /// A variable in workgroup memory that begins at this word. Units are words, one for each scalar.
    Workgroup(u32),
}

/// An operation for all invocations that take part.
#[derive(Debug)]
pub(crate) enum Op {
    Unary {
        op: Unary,
        dst: Row,
        a: Row,
    },
    Binary {
        op: Binary,
        dst: Row,
        a: Row,
        b: Row,
    },
    Ternary {
        op: Ternary,
        dst: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    InsertBits {
        dst: Row,
        value: Row,
        bits: Row,
        offset: Row,
        count: Row,
    },
    Copy {
        dst: Row,
        src: Row,
    },
    /// A copy for those who take part alone: what a variable or a result is set by.
    Set {
        dst: Row,
        src: Row,
    },
    Trap {
        trap: Trap,
        a: Row,
        b: Row,
        site: SiteId,
    },
    /// Reports NaN or infinity in `row` where none of `inputs` has any.
    Finite {
        row: Row,
        inputs: List,
        site: SiteId,
    },
    /// `dst = base + index * stride`, or [`OUTSIDE`].
    Index {
        dst: Row,
        index: Row,
        base: Option<Row>,
        stride: u32,
        /// Elements; `None` where only the binding's length says.
        len: Option<u32>,
        site: SiteId,
    },
    /// The rows `dst..dst + count` become elements that follow each other in memory.
    Load {
        root: Root,
        address: Address,
        dst: Row,
        count: u32,
        element: Element,
        touch: TouchId,
    },
    Store {
        root: Root,
        address: Address,
        src: List,
        element: Element,
        touch: TouchId,
    },
    /// From the inline constants; units are bytes.
    LoadInline {
        address: Address,
        dst: Row,
        count: u32,
        element: Element,
    },
    /// From the rows `first + at..`, of a variable of each invocation.
    LoadPrivate {
        first: Row,
        at: Row,
        dst: Row,
        count: u32,
        tracked: Option<u32>,
        site: SiteId,
    },
    StorePrivate {
        first: Row,
        at: Row,
        src: List,
        tracked: Option<u32>,
    },
    /// Notes that those who take part have written some scalars of a tracked variable.
    Mark {
        first: u32,
        count: u32,
    },
    /// Notes that they have not.
    Unmark {
        first: u32,
        count: u32,
    },
    CheckWritten {
        first: u32,
        count: u32,
        site: SiteId,
    },
    Atomic {
        root: Root,
        address: Address,
        op: AtomicOperation,
        value: Row,
        /// Exchanges only what equals this.
        compare: Option<Row>,
        /// The old value, and after a comparison whether it was exchanged.
        old: Row,
        exchanged: Row,
        touch: TouchId,
    },
    ArrayLength {
        dst: Row,
        binding: u32,
        offset: u32,
        stride: u32,
    },
    /// `count` rows of `src`, from `index * count` on.
    Pick {
        dst: Row,
        src: List,
        count: u32,
        index: Row,
        site: SiteId,
    },
    Reduce {
        op: Reduction,
        scan: Scan,
        dst: Row,
        a: Row,
        site: SiteId,
    },
    Ballot {
        dst: Row,
        predicate: Row,
        site: SiteId,
    },
    Gather {
        kind: Gather,
        dst: Row,
        a: Row,
        index: Option<Row>,
        site: SiteId,
    },
    LoadMatrix {
        root: Root,
        address: Address,
        matrix: Matrix,
        dst: Row,
        stride: Row,
        touch: TouchId,
        site: SiteId,
    },
    StoreMatrix {
        root: Root,
        address: Address,
        matrix: Matrix,
        src: List,
        stride: Row,
        touch: TouchId,
        site: SiteId,
    },
    MultiplyAdd {
        matrix: Matrix,
        dst: Row,
        a: List,
        b: List,
        c: List,
        site: SiteId,
    },
}

/// A cooperative matrix, square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matrix {
    pub(crate) size: u32,
    pub(crate) element: Element,
    /// Whether rows, and not columns, follow each other in memory.
    pub(crate) row_major: bool,
}

/// A function, for one set of pointers that it is called with.
#[derive(Debug, Default)]
pub(crate) struct Function {
    pub(crate) body: Block,
}
