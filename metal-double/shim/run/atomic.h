// Atomics. All are relaxed; the host is told of each as one atomic access.
#pragma once
#include "thread.h"
#include "integer.h"

namespace msl {
#ifdef MSL_WATCH
MSL_UNWATCHED inline void watch(const volatile void* address, ulong length, bool write, bool atomic);
#else
inline void watch(const volatile void*, ulong, bool, bool) {}
#endif
} // namespace msl

namespace metal {

template <class T> struct atomic {
    T value;
};
typedef atomic<int> atomic_int;
typedef atomic<uint> atomic_uint;
typedef atomic<bool> atomic_bool;
typedef atomic<float> atomic_float;
typedef atomic<ulong> atomic_ulong;
typedef atomic<long> atomic_long;

// The argument's type does not take part in deduction, so that a literal fits any atomic.
template <class T> MSL_UNWATCHED inline T atomic_load_explicit(const volatile atomic<T>* a, memory_order) {
    msl::watch(a, sizeof(T), false, true);
    T value;
    __atomic_load(&a->value, &value, __ATOMIC_RELAXED);
    return value;
}
template <class T>
MSL_UNWATCHED inline void atomic_store_explicit(volatile atomic<T>* a, msl::type<typename msl::without_const<T>::type> value, memory_order) {
    msl::watch(a, sizeof(T), true, true);
    __atomic_store(&a->value, &value, __ATOMIC_RELAXED);
}
template <class T>
MSL_UNWATCHED inline T atomic_exchange_explicit(volatile atomic<T>* a, typename msl::without_const<T>::type value, memory_order) {
    msl::watch(a, sizeof(T), true, true);
    T before;
    __atomic_exchange(&a->value, &value, &before, __ATOMIC_RELAXED);
    return before;
}
template <class T>
MSL_UNWATCHED inline bool atomic_compare_exchange_weak_explicit(volatile atomic<T>* a, T* expected,
                                                                typename msl::without_const<T>::type desired, memory_order, memory_order) {
    msl::watch(a, sizeof(T), true, true);
    return __atomic_compare_exchange(&a->value, expected, &desired, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

#define MSL_FETCH(name, expression)                                                                                    \
    template <class T>                                                                                                 \
    MSL_UNWATCHED inline T atomic_fetch_##name##_explicit(volatile atomic<T>* a, typename msl::without_const<T>::type value, memory_order) { \
        msl::watch(a, sizeof(T), true, true);                                                                          \
        T before;                                                                                                      \
        __atomic_load(&a->value, &before, __ATOMIC_RELAXED);                                                           \
        for (;;) {                                                                                                     \
            T after = T(expression);                                                                                   \
            if (__atomic_compare_exchange(&a->value, &before, &after, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))       \
                return before;                                                                                         \
        }                                                                                                              \
    }                                                                                                                  \
    template <class T>                                                                                                 \
    MSL_UNWATCHED inline void atomic_##name##_explicit(volatile atomic<T>* a, typename msl::without_const<T>::type value, memory_order order) { \
        atomic_fetch_##name##_explicit(a, value, order);                                                               \
    }
MSL_FETCH(add, before + value)
MSL_FETCH(sub, before - value)
MSL_FETCH(and, before& value)
MSL_FETCH(or, before | value)
MSL_FETCH(xor, before ^ value)
MSL_FETCH(min, value < before ? value : before)
MSL_FETCH(max, value > before ? value : before)
#undef MSL_FETCH

} // namespace metal
