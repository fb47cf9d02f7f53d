// From a thread and its dispatch to the arguments of a kernel.
#pragma once
#include "thread.h"

namespace msl {

// One entry of the table that the host reads; ends with a null name.
struct Kernel {
    const char* name;
    const void* function;
    void (*entry)(const Thread*);
    const uint* argument_sizes; // of what a reference refers to, 0 for anything else
    uint arguments;
};

template <class... P> struct ArgumentSizes {
    static constexpr uint values[sizeof...(P) + 1] = {
        uint(is_reference<P> ? sizeof(typename without_reference<P>::type) : 0)...};
};
template <class... P> constexpr const uint* argument_sizes(void (*)(P...)) { return ArgumentSizes<P...>::values; }
template <class... P> constexpr uint argument_count(void (*)(P...)) { return sizeof...(P); }

template <class P> MSL_UNWATCHED inline P pointed(uchar* address) {
    if constexpr (is_pointer<P>)
        return (P)address;
    else
        return *(typename without_reference<P>::type*)address;
}
template <class P> MSL_UNWATCHED inline P place(const uint* three) {
    typedef typename without_const<P>::type V;
    if constexpr (components<V> == 1)
        return V(three[0]);
    else {
        V result;
        for (int i = 0; i < components<V>; i++) result.data[i] = typename V::element(three[i]);
        return result;
    }
}

template <uint index> struct buffer {
    template <class P> MSL_UNWATCHED static P get(const Thread* t) { return pointed<P>(t->dispatch->buffers[index]); }
};
template <uint index> struct threadgroup_argument {
    template <class P> MSL_UNWATCHED static P get(const Thread* t) { return pointed<P>(t->dispatch->threadgroup[index]); }
};
#define MSL_PLACE(name, ...)                                                                                           \
    struct name {                                                                                                      \
        template <class P> MSL_UNWATCHED static P get(const Thread* t) {                                               \
            const Dispatch* d = t->dispatch;                                                                           \
            (void)d;                                                                                                   \
            const uint three[3] = {__VA_ARGS__};                                                                       \
            return place<P>(three);                                                                                    \
        }                                                                                                              \
    };
MSL_PLACE(thread_position_in_grid,
          d->threadgroup_position[0] * d->dispatch_threads_per_threadgroup[0] + t->position[0],
          d->threadgroup_position[1] * d->dispatch_threads_per_threadgroup[1] + t->position[1],
          d->threadgroup_position[2] * d->dispatch_threads_per_threadgroup[2] + t->position[2])
MSL_PLACE(threadgroup_position_in_grid, d->threadgroup_position[0], d->threadgroup_position[1], d->threadgroup_position[2])
MSL_PLACE(thread_position_in_threadgroup, t->position[0], t->position[1], t->position[2])
MSL_PLACE(threads_per_threadgroup, d->threads_per_threadgroup[0], d->threads_per_threadgroup[1], d->threads_per_threadgroup[2])
MSL_PLACE(dispatch_threads_per_threadgroup, d->dispatch_threads_per_threadgroup[0], d->dispatch_threads_per_threadgroup[1],
          d->dispatch_threads_per_threadgroup[2])
MSL_PLACE(threadgroups_per_grid, d->threadgroups_per_grid[0], d->threadgroups_per_grid[1], d->threadgroups_per_grid[2])
MSL_PLACE(threads_per_grid, d->threads_per_grid[0], d->threads_per_grid[1], d->threads_per_grid[2])
MSL_PLACE(grid_size, d->threads_per_grid[0], d->threads_per_grid[1], d->threads_per_grid[2])
MSL_PLACE(thread_index_in_threadgroup, t->index)
MSL_PLACE(thread_index_in_simdgroup, t->lane)
MSL_PLACE(simdgroup_index_in_threadgroup, t->simdgroup)
MSL_PLACE(thread_index_in_quadgroup, t->lane % 4)
MSL_PLACE(quadgroup_index_in_threadgroup, t->index / 4)
MSL_PLACE(threads_per_simdgroup, 32)
MSL_PLACE(thread_execution_width, 32)
MSL_PLACE(simdgroups_per_threadgroup, d->simdgroups)
MSL_PLACE(dispatch_simdgroups_per_threadgroup,
          (d->dispatch_threads_per_threadgroup[0] * d->dispatch_threads_per_threadgroup[1] * d->dispatch_threads_per_threadgroup[2] + 31) / 32)
MSL_PLACE(quadgroups_per_threadgroup,
          (d->threads_per_threadgroup[0] * d->threads_per_threadgroup[1] * d->threads_per_threadgroup[2] + 3) / 4)
#undef MSL_PLACE

template <class... Sources, class... P>
MSL_UNWATCHED inline __attribute__((always_inline)) void call(void (*kernel)(P...), const Thread* thread) {
    kernel(Sources::template get<P>(thread)...);
}

} // namespace msl
