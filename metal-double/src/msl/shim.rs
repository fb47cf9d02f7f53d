//! The headers that stand for `<metal_stdlib>`.

/// For clang's C++ for OpenCL.
pub const CHECK: [(&str, &str); 1] = [("metal.h", include_str!("../../shim/check/metal.h"))];

/// For execution.
pub const RUN: [(&str, &str); 15] = [
    ("metal.h", include_str!("../../shim/run/metal.h")),
    ("types.h", include_str!("../../shim/run/types.h")),
    ("vector.h", include_str!("../../shim/run/vector.h")),
    ("swizzle.h", include_str!("../../shim/run/swizzle.h")),
    ("matrix.h", include_str!("../../shim/run/matrix.h")),
    ("math.h", include_str!("../../shim/run/math.h")),
    ("integer.h", include_str!("../../shim/run/integer.h")),
    ("pack.h", include_str!("../../shim/run/pack.h")),
    ("thread.h", include_str!("../../shim/run/thread.h")),
    ("atomic.h", include_str!("../../shim/run/atomic.h")),
    ("simd.h", include_str!("../../shim/run/simd.h")),
    (
        "simdgroup_matrix.h",
        include_str!("../../shim/run/simdgroup_matrix.h"),
    ),
    ("entry.h", include_str!("../../shim/run/entry.h")),
    ("usual.h", include_str!("../../shim/run/usual.h")),
    ("watch.h", include_str!("../../shim/run/watch.h")),
];
