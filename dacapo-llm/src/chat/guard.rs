//! Guarding a compiled template: no value may become large or deep unseen.
//!
//! The instructions of minijinja's compiler stay as they are; calls of the functions of
//! [`weight`](super::weight) are put between them:
//!
//! - after each that makes a list, map or other object: that it is within the limits;
//! - before each that may walk through a value as a whole (comparing, printing, filters, calls):
//!   what that costs;
//! - before each that puts a value where it outlives a step of a loop (the attribute of a
//!   namespace): that it is data, so that nothing can be chained without end.

use minijinja::machinery::{Instruction, Instructions};
use minijinja::value::ValueKind;

use super::weight::{BOUNDED, PLAIN, WEIGHED};

/// Filters that look at their value without walking through what is inside.
const SHALLOW_FILTERS: [&str; 6] = ["count", "d", "default", "first", "last", "length"];

/// Tests that do so.
const SHALLOW_TESTS: [&str; 14] = [
    "boolean",
    "defined",
    "false",
    "float",
    "integer",
    "iterable",
    "mapping",
    "none",
    "number",
    "safe",
    "sequence",
    "string",
    "true",
    "undefined",
];

/// The same program with its guards.
pub(super) fn guarded<'s>(program: &Instructions<'s>) -> Instructions<'s> {
    let mut out = Guarded {
        instructions: Instructions::new(program.name(), program.source()),
        old: program,
    };
    let mut moved = Vec::new();
    let mut added = 0;
    for index in 0.. {
        let Some(instruction) = program.get(index) else {
            break;
        };
        moved.push(added);
        added = out.add_guarded(index, instruction.clone());
    }
    // Jumps may lead to the end.
    moved.push(added);
    for index in 0.. {
        let Some(instruction) = out.instructions.get_mut(index) else {
            break;
        };
        if let Some(target) = target(instruction)
            && let Some(&place) = moved.get(*target as usize)
        {
            *target = place;
        }
    }
    out.instructions
}

struct Guarded<'a, 's> {
    instructions: Instructions<'s>,
    old: &'a Instructions<'s>,
}

impl<'s> Guarded<'_, 's> {
    /// Adds the instruction that was at `index` with its guards, and gives the place after them.
    fn add_guarded(&mut self, index: u32, instruction: Instruction<'s>) -> u32 {
        use Instruction as I;
        match instruction {
            I::Eq
            | I::Ne
            | I::Gt
            | I::Gte
            | I::Lt
            | I::Lte
            | I::In
            | I::CompareAndPreserve(_)
            | I::StringConcat => {
                self.weigh(index, Some(2));
                self.add(index, I::DiscardTop);
                self.add(index, instruction)
            }
            I::Emit => {
                self.call(index, WEIGHED);
                self.add(index, instruction)
            }
            I::SetAttr(_) => {
                self.add(index, I::Swap);
                self.call(index, PLAIN);
                self.add(index, I::Swap);
                self.add(index, instruction)
            }
            I::Add | I::Mul | I::Slice | I::BuildList(_) | I::BuildTuple(_) | I::BuildMap(_) => {
                self.add(index, instruction);
                self.call(index, BOUNDED)
            }
            // Constant named arguments are a value too, which no function takes as its argument.
            I::LoadConst(ref value) if value.kind() == ValueKind::Seq => {
                self.add(index, instruction);
                self.call(index, BOUNDED)
            }
            I::ApplyFilter(name, ..) if SHALLOW_FILTERS.contains(&name) => {
                self.add(index, instruction)
            }
            I::PerformTest(name, ..) if SHALLOW_TESTS.contains(&name) => {
                self.add(index, instruction)
            }
            I::ApplyFilter(name, count, local) => {
                self.weigh(index, count);
                self.add(index, I::ApplyFilter(name, None, local));
                self.call(index, BOUNDED)
            }
            I::PerformTest(name, count, local) => {
                self.weigh(index, count);
                self.add(index, I::PerformTest(name, None, local))
            }
            I::CallFunction(name, count) => {
                self.weigh(index, count);
                self.add(index, I::CallFunction(name, None));
                self.call(index, BOUNDED)
            }
            I::CallMethod(name, count) => {
                self.weigh(index, count);
                self.add(index, I::CallMethod(name, None));
                self.call(index, BOUNDED)
            }
            I::CallObject(count) => {
                self.weigh(index, count);
                self.add(index, I::CallObject(None));
                self.call(index, BOUNDED)
            }
            other => self.add(index, other),
        }
    }

    /// Charges for the topmost values, `None` for as many as the number on top says. Leaves them,
    /// and their number on top.
    fn weigh(&mut self, index: u32, count: Option<u16>) {
        self.add(index, Instruction::BuildList(count.map(usize::from)));
        self.call(index, WEIGHED);
        self.add(index, Instruction::UnpackLists(1));
    }

    fn call(&mut self, index: u32, function: &'static str) -> u32 {
        self.add(index, Instruction::CallFunction(function, Some(1)))
    }

    /// Adds an instruction with the place in the source that the one at `index` has, and gives the
    /// place after it.
    fn add(&mut self, index: u32, instruction: Instruction<'s>) -> u32 {
        let added = match (self.old.get_span(index), self.old.get_line(index)) {
            (Some(span), _) => self.instructions.add_with_span(instruction, span),
            (None, Some(line)) => self
                .instructions
                .add_with_line(instruction, u16::try_from(line).unwrap_or(u16::MAX)),
            (None, None) => self.instructions.add(instruction),
        };
        added + 1
    }
}

/// Where an instruction may continue other than with the next.
fn target<'a>(instruction: &'a mut Instruction<'_>) -> Option<&'a mut u32> {
    match instruction {
        Instruction::Iterate(target)
        | Instruction::Jump(target)
        | Instruction::JumpIfFalse(target)
        | Instruction::JumpIfFalseOrPop(target)
        | Instruction::JumpIfTrueOrPop(target)
        | Instruction::BuildMacro(_, target, _) => Some(target),
        _ => None,
    }
}
