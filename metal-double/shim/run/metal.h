// The part of Metal's standard library that compute kernels use, for execution on the processor.
// One address space: what the kernel calls device, constant and threadgroup memory is memory.
#include "vector.h"
#include "matrix.h"
#include "math.h"
#include "integer.h"
#include "pack.h"
#include "thread.h"
#include "atomic.h"
#include "watch.h"
#include "simd.h"
#include "simdgroup_matrix.h"
#include "entry.h"
#include "usual.h"


#define kernel
#define device
#define constant const
#define threadgroup
#define thread
#define threadgroup_imageblock
#define ray_data
#define object_data
