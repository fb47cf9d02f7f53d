//! What probably helps.

pub(super) const OUTSIDE: &str = "compare the index with arrayLength or the size of the data first; the last workgroup \
                                  is often only partly filled";
pub(super) const UNWRITTEN_BUFFER: &str =
    "write the bytes from the host or by an earlier dispatch, or clear them with a fill";
pub(super) const UNWRITTEN_SHARED: &str = "let every element that is read be stored first; WGSL makes it zero, but trusted \
                                           kernels start with whatever was there (`zeroed` accepts it)";
pub(super) const UNWRITTEN_VARIABLE: &str = "give the variable a value where it is declared; WGSL makes it zero, which is \
                                             rarely meant (`zeroed` accepts it)";
pub(super) const RACE_IN_SHARED: &str = "put a workgroupBarrier() between the two accesses";
pub(super) const RACE_IN_WORKGROUP: &str = "put a storageBarrier() between the two accesses (workgroupBarrier() orders \
                                            workgroup memory only), or use atomics";
pub(super) const RACE_BETWEEN_WORKGROUPS: &str = "nothing orders workgroups of one dispatch: let each write its own part, \
                                                  use atomics, or split the dispatch in two";
pub(super) const RACE_BETWEEN_DISPATCHES: &str =
    "put a barrier between the two dispatches, or let the hazard tracker do it";
pub(super) const UNDECLARED: &str = "declare the access: barriers are placed by what is declared";
pub(super) const DIVERGENT_BARRIER: &str = "move the barrier to where all invocations of the workgroup come by: out of the \
                                            `if`, or let the whole workgroup return or loop together";
pub(super) const DIVERGENT_SUBGROUP: &str = "call it where all invocations of a subgroup come by, with a neutral operand for \
                                             those that have nothing to say";
pub(super) const DIVISION: &str = "test the divisor first; drivers may give anything";
pub(super) const SHIFT: &str = "mask the shift with `& 31u`, or test it; drivers may give anything";
pub(super) const CONVERSION: &str =
    "clamp the number before it is converted; drivers may give anything";
pub(super) const NOT_FINITE: &str = "the operands were finite: look for 0 / 0, the root or logarithm of a negative number, or \
                                     a result beyond the type's range";
pub(super) const RUNAWAY: &str = "let the loop end for every input; a kernel that waits for another workgroup may wait for \
                                  ever (or allow more steps)";
