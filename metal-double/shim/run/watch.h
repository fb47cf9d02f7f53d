// With MSL_WATCH the compiler calls these before every load and store (-fsanitize=thread).
#pragma once
#include "atomic.h"

#ifdef MSL_WATCH
// The ends of this object, from the linker.
extern "C" __attribute__((visibility("hidden"))) const char __ehdr_start[], _end[];

namespace msl {
MSL_UNWATCHED inline void watch(const volatile void* address, ulong length, bool write, bool atomic) {
    Fiber* self = fiber();
    if (((uintptr_t)address ^ (uintptr_t)__builtin_frame_address(0)) < MSL_STACK_BYTES) return;
    if ((uintptr_t)address - (uintptr_t)self->host->unwatched < self->host->unwatched_length) return;
    // Constants of the program's own.
    if (!write && (uintptr_t)address - (uintptr_t)__ehdr_start < (uintptr_t)_end - (uintptr_t)__ehdr_start) return;
    self->host->access(self, (void*)address, length, uint(write) | uint(atomic) << 1);
}
} // namespace msl

#define MSL_HOOK extern "C" __attribute__((used, visibility("hidden"))) MSL_UNWATCHED
#define MSL_HOOKS(bytes)                                                                                               \
    MSL_HOOK inline void __tsan_read##bytes(void* at) { msl::watch(at, bytes, false, false); }                         \
    MSL_HOOK inline void __tsan_write##bytes(void* at) { msl::watch(at, bytes, true, false); }                         \
    MSL_HOOK inline void __tsan_unaligned_read##bytes(void* at) { msl::watch(at, bytes, false, false); }               \
    MSL_HOOK inline void __tsan_unaligned_write##bytes(void* at) { msl::watch(at, bytes, true, false); }               \
    MSL_HOOK inline void __tsan_volatile_read##bytes(void* at) { msl::watch(at, bytes, false, false); }                \
    MSL_HOOK inline void __tsan_volatile_write##bytes(void* at) { msl::watch(at, bytes, true, false); }
MSL_HOOKS(1)
MSL_HOOKS(2)
MSL_HOOKS(4)
MSL_HOOKS(8)
MSL_HOOKS(16)
#undef MSL_HOOKS
MSL_HOOK inline void __tsan_init() {}
MSL_HOOK inline void __tsan_func_entry(void*) {}
MSL_HOOK inline void __tsan_func_exit() {}
MSL_HOOK inline void* __tsan_memcpy(void* to, const void* from, ulong length) {
    msl::watch(from, length, false, false);
    msl::watch(to, length, true, false);
    for (ulong i = 0; i < length; i++) ((volatile uchar*)to)[i] = ((const uchar*)from)[i];
    return to;
}
MSL_HOOK inline void* __tsan_memmove(void* to, const void* from, ulong length) {
    msl::watch(from, length, false, false);
    msl::watch(to, length, true, false);
    if (to <= from)
        for (ulong i = 0; i < length; i++) ((volatile uchar*)to)[i] = ((const uchar*)from)[i];
    else
        for (ulong i = length; i-- > 0;) ((volatile uchar*)to)[i] = ((const uchar*)from)[i];
    return to;
}
MSL_HOOK inline void* __tsan_memset(void* to, int value, ulong length) {
    msl::watch(to, length, true, false);
    for (ulong i = 0; i < length; i++) ((volatile uchar*)to)[i] = uchar(value);
    return to;
}
#endif
