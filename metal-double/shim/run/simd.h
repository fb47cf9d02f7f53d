// Operations of a simdgroup of 32 lanes. Every one waits for all its lanes; the call's line is
// its name, so that lanes at different operations are noticed.
#pragma once
#include "thread.h"
#include "integer.h"

#define MSL_SITE uint site = __builtin_LINE()

namespace msl {

// Shows `value` to the other lanes and returns the slots of all.
template <class V> MSL_UNWATCHED inline const Slot* show(V value, uint site) {
    static_assert(sizeof(V) <= sizeof(Slot));
    Fiber* self = fiber();
    Thread* thread = self->thread;
    Slot* slots = thread->exchange->slots[thread->parity];
    thread->parity ^= 1;
    __builtin_memcpy(slots[thread->lane].bytes, &value, sizeof(V));
    self->host->wait(self, uint(Wait::Simdgroup), site);
    return slots;
}
template <class V> MSL_UNWATCHED inline V shown(const Slot* slots, uint lane) {
    V value;
    __builtin_memcpy(&value, slots[lane].bytes, sizeof(V));
    return value;
}
// A lane that does not exist gives poison, because the device's result is undefined.
template <class V> MSL_UNWATCHED inline V shown_or_poison(const Slot* slots, uint lane, uint lanes) {
    if (lane < lanes) return shown<V>(slots, lane);
    V value;
    __builtin_memset(&value, 0x55, sizeof(V));
    return value;
}
MSL_UNWATCHED inline uint lane() { return fiber()->thread->lane; }
MSL_UNWATCHED inline uint lanes() { return fiber()->thread->lanes; }

template <class V, class F> MSL_UNWATCHED inline V fold(V value, uint site, F combine) {
    const Slot* slots = show(value, site);
    V result = shown<V>(slots, 0);
    for (uint i = 1, n = lanes(); i < n; i++) result = V(combine(result, shown<V>(slots, i)));
    return result;
}
// Over the lanes before this one; `first` where there is none.
template <class V, class F> MSL_UNWATCHED inline V scan(V value, V first, uint site, F combine) {
    const Slot* slots = show(value, site);
    V result = first;
    for (uint i = 0, n = lane(); i < n; i++) result = V(combine(result, shown<V>(slots, i)));
    return result;
}

} // namespace msl

namespace metal {

struct simd_vote {
    typedef ulong vote_t;
    vote_t bits;
    constexpr explicit simd_vote(vote_t v = 0) : bits(v) {}
    constexpr explicit operator vote_t() const { return bits; }
    constexpr bool all() const { return (bits & 0xffffffff) == 0xffffffff; }
    constexpr bool any() const { return bits != 0; }
};

#define MSL_FOLD(name, expression)                                                                                     \
    template <class V> MSL_UNWATCHED inline V simd_##name(V value, MSL_SITE) {                                         \
        return msl::fold(value, site, [](V a, V b) { return V(expression); });                                         \
    }
MSL_FOLD(sum, a + b)
MSL_FOLD(product, a* b)
MSL_FOLD(min, min(a, b))
MSL_FOLD(max, max(a, b))
MSL_FOLD(and, a& b)
MSL_FOLD(or, a | b)
MSL_FOLD(xor, a ^ b)
#undef MSL_FOLD

#define MSL_SCAN(name, first, op)                                                                                      \
    template <class V> MSL_UNWATCHED inline V simd_prefix_exclusive_##name(V value, MSL_SITE) {                        \
        return msl::scan(value, V(first), site, [](V a, V b) { return V(a op b); });                                   \
    }                                                                                                                  \
    template <class V> MSL_UNWATCHED inline V simd_prefix_inclusive_##name(V value, MSL_SITE) {                        \
        return V(msl::scan(value, V(first), site, [](V a, V b) { return V(a op b); }) op value);                       \
    }
MSL_SCAN(sum, 0, +)
MSL_SCAN(product, 1, *)
#undef MSL_SCAN

template <class V> MSL_UNWATCHED inline V simd_broadcast(V value, ushort from, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    return msl::shown_or_poison<V>(slots, from, msl::lanes());
}
template <class V> MSL_UNWATCHED inline V simd_broadcast_first(V value, MSL_SITE) {
    return msl::shown<V>(msl::show(value, site), 0);
}
template <class V> MSL_UNWATCHED inline V simd_shuffle(V value, ushort from, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    return msl::shown_or_poison<V>(slots, from, msl::lanes());
}
template <class V> MSL_UNWATCHED inline V simd_shuffle_xor(V value, ushort mask, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    return msl::shown_or_poison<V>(slots, msl::lane() ^ mask, msl::lanes());
}
// Lanes past the end keep their own value.
template <class V> MSL_UNWATCHED inline V simd_shuffle_down(V value, ushort delta, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    const uint from = msl::lane() + delta;
    return from < msl::lanes() ? msl::shown<V>(slots, from) : value;
}
template <class V> MSL_UNWATCHED inline V simd_shuffle_up(V value, ushort delta, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    return delta <= msl::lane() ? msl::shown<V>(slots, msl::lane() - delta) : value;
}
template <class V> MSL_UNWATCHED inline V simd_shuffle_rotate_down(V value, ushort delta, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    return msl::shown_or_poison<V>(slots, (msl::lane() + delta) % 32, msl::lanes());
}
template <class V> MSL_UNWATCHED inline V simd_shuffle_rotate_up(V value, ushort delta, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    return msl::shown_or_poison<V>(slots, (msl::lane() + 32 - delta % 32) % 32, msl::lanes());
}
template <class V> MSL_UNWATCHED inline V simd_shuffle_and_fill_down(V value, V fill, ushort delta, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    const msl::Slot* fills = msl::show(fill, site);
    const uint from = msl::lane() + delta;
    return msl::shown_or_poison<V>(from < 32 ? slots : fills, from % 32, msl::lanes());
}
template <class V> MSL_UNWATCHED inline V simd_shuffle_and_fill_up(V value, V fill, ushort delta, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    const msl::Slot* fills = msl::show(fill, site);
    const uint from = msl::lane() + 32 - delta;
    return msl::shown_or_poison<V>(from >= 32 ? slots : fills, from % 32, msl::lanes());
}

MSL_UNWATCHED inline simd_vote simd_ballot(bool value, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    ulong bits = 0;
    for (uint i = 0, n = msl::lanes(); i < n; i++) bits |= ulong(msl::shown<bool>(slots, i)) << i;
    return simd_vote(bits);
}
MSL_UNWATCHED inline simd_vote simd_active_threads_mask(MSL_SITE) { return simd_ballot(true, site); }
MSL_UNWATCHED inline bool simd_all(bool value, MSL_SITE) {
    return msl::fold(value, site, [](bool a, bool b) { return a && b; });
}
MSL_UNWATCHED inline bool simd_any(bool value, MSL_SITE) {
    return msl::fold(value, site, [](bool a, bool b) { return a || b; });
}
MSL_UNWATCHED inline bool simd_is_first() { return msl::lane() == 0; }
MSL_UNWATCHED inline bool simd_is_helper_thread() { return false; }

// Quads are four neighbouring lanes; they wait for the whole simdgroup, which is stricter.
template <class V> MSL_UNWATCHED inline V quad_broadcast(V value, ushort from, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    return msl::shown_or_poison<V>(slots, msl::lane() / 4 * 4 + from % 4, msl::lanes());
}
template <class V> MSL_UNWATCHED inline V quad_broadcast_first(V value, MSL_SITE) { return quad_broadcast(value, 0, site); }
template <class V> MSL_UNWATCHED inline V quad_shuffle(V value, ushort from, MSL_SITE) { return quad_broadcast(value, from, site); }
template <class V> MSL_UNWATCHED inline V quad_shuffle_xor(V value, ushort mask, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    return msl::shown_or_poison<V>(slots, msl::lane() ^ (mask & 3), msl::lanes());
}
template <class V> MSL_UNWATCHED inline V quad_shuffle_down(V value, ushort delta, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    return msl::lane() % 4 + delta < 4 ? msl::shown_or_poison<V>(slots, msl::lane() + delta, msl::lanes()) : value;
}
template <class V> MSL_UNWATCHED inline V quad_shuffle_up(V value, ushort delta, MSL_SITE) {
    const msl::Slot* slots = msl::show(value, site);
    return msl::lane() % 4 >= delta ? msl::shown_or_poison<V>(slots, msl::lane() - delta, msl::lanes()) : value;
}
#define MSL_QUAD(name, expression)                                                                                     \
    template <class V> MSL_UNWATCHED inline V quad_##name(V value, MSL_SITE) {                                         \
        const msl::Slot* slots = msl::show(value, site);                                                               \
        const uint base = msl::lane() / 4 * 4;                                                                         \
        V a = msl::shown<V>(slots, base);                                                                              \
        for (uint i = base + 1; i < base + 4 && i < msl::lanes(); i++) {                                               \
            V b = msl::shown<V>(slots, i);                                                                             \
            a = V(expression);                                                                                         \
        }                                                                                                              \
        return a;                                                                                                      \
    }
MSL_QUAD(sum, a + b)
MSL_QUAD(product, a* b)
MSL_QUAD(min, min(a, b))
MSL_QUAD(max, max(a, b))
MSL_QUAD(and, a& b)
MSL_QUAD(or, a | b)
MSL_QUAD(xor, a ^ b)
#undef MSL_QUAD

} // namespace metal
