// What the host and a kernel share: a thread's place, its fiber, and how it waits for others.
// The layouts are mirrored in src/msl/abi.rs.
#pragma once
#include "math.h"

#define MSL_STACK_BYTES (256ul * 1024)
#define MSL_UNWATCHED __attribute__((no_sanitize("thread"), disable_sanitizer_instrumentation))

namespace msl {

enum class Wait : uint { Simdgroup = 1, Threadgroup = 2 };

// Values that the lanes of a simdgroup show each other. Two sets, because a lane may come to
// the next operation while others still read the last.
struct Slot {
    alignas(16) uchar bytes[32];
};
struct Exchange {
    Slot slots[2][32];
};

struct Dispatch {
    uchar* buffers[31];
    uchar* threadgroup[31];
    uint threads_per_threadgroup[3]; // of this threadgroup, which may be cut at the grid's edge
    uint dispatch_threads_per_threadgroup[3];
    uint threadgroups_per_grid[3];
    uint threads_per_grid[3];
    uint threadgroup_position[3];
    uint simdgroups;
};

struct Thread {
    const Dispatch* dispatch;
    Exchange* exchange;
    uint position[3];
    uint index;
    uint lane;
    uint simdgroup;
    uint lanes; // threads in this simdgroup
    uint parity;
};

struct Fiber;

struct Host {
    void (*wait)(Fiber*, uint kind, uint site);
    void* (*threadgroup_variable)(Fiber*, uint id, uint size, uint align);
    void (*access)(Fiber*, void* address, ulong length, uint flags);
    uchar* unwatched; // the threadgroup arena and the exchanges
    ulong unwatched_length;
};

// Lies in the lowest page of its stack, which is aligned to its size.
struct Fiber {
    Thread* thread;
    const Host* host;
};

// Not at the same place of every stack: all of them would compete for the same lines of the caches.
MSL_UNWATCHED inline __attribute__((always_inline)) Fiber* fiber() {
    const uintptr_t stack = (uintptr_t)__builtin_frame_address(0) & ~(MSL_STACK_BYTES - 1);
    return (Fiber*)(stack + (stack / MSL_STACK_BYTES % 64) * 64);
}

MSL_UNWATCHED inline void wait(Wait kind, uint site) {
    Fiber* self = fiber();
    self->host->wait(self, uint(kind), site);
}

template <class T> MSL_UNWATCHED inline T& threadgroup_variable(uint id) {
    Fiber* self = fiber();
    return *(T*)self->host->threadgroup_variable(self, id, sizeof(T), alignof(T));
}

// A threadgroup variable declared in a kernel's body, found by the host through the section.
struct ThreadgroupVariable {
    const void* kernel;
    ulong size;
};

} // namespace msl

namespace metal {
enum class mem_flags { mem_none = 0, mem_device = 1, mem_threadgroup = 2, mem_texture = 4, mem_threadgroup_imageblock = 8, mem_object_data = 16 };
constexpr mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(int(a) | int(b)); }
constexpr mem_flags operator&(mem_flags a, mem_flags b) { return mem_flags(int(a) & int(b)); }

enum memory_order { memory_order_relaxed, memory_order_acquire, memory_order_release, memory_order_acq_rel, memory_order_seq_cst };
enum thread_scope { thread_scope_thread, thread_scope_simdgroup, thread_scope_threadgroup, thread_scope_device };

MSL_UNWATCHED inline void threadgroup_barrier(mem_flags, uint site = __builtin_LINE()) { msl::wait(msl::Wait::Threadgroup, site); }
MSL_UNWATCHED inline void simdgroup_barrier(mem_flags, uint site = __builtin_LINE()) { msl::wait(msl::Wait::Simdgroup, site); }
inline void atomic_thread_fence(mem_flags, memory_order = memory_order_seq_cst, thread_scope = thread_scope_device) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
} // namespace metal
