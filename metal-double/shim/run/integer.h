// min, max, clamp, select, any and all; integer functions.
#pragma once
#include "math.h"

namespace metal {

// As IEEE minNum and maxNum: a NaN loses against a number.
#define MSL_EXTREME(name, op)                                                                                          \
    template <msl::Scalar T> constexpr T name(T a, T b) {                                                              \
        if constexpr (msl::Floating<T>)                                                                                \
            if (a != a) return b;                                                                                      \
        return b op a ? b : a;                                                                                         \
    }                                                                                                                  \
    template <class T, int N> constexpr vec<T, N> name(vec<T, N> a, vec<T, N> b) {                                     \
        return msl::each(a, b, [](T x, T y) { return name(x, y); });                                                   \
    }                                                                                                                  \
    template <class T, int N> constexpr vec<T, N> name(vec<T, N> a, typename vec<T, N>::element b) {                   \
        return name(a, vec<T, N>(b));                                                                                  \
    }                                                                                                                  \
    template <class T, int N> constexpr vec<T, N> name(typename vec<T, N>::element a, vec<T, N> b) {                   \
        return name(vec<T, N>(a), b);                                                                                  \
    }                                                                                                                  \
    template <class T> constexpr T name##3(T a, T b, T c) { return name(a, name(b, c)); }
MSL_EXTREME(min, <)
MSL_EXTREME(max, >)
#undef MSL_EXTREME

template <msl::Scalar T> constexpr T clamp(T x, T low, T high) { return min(max(x, low), high); }
template <class T, int N> constexpr vec<T, N> clamp(vec<T, N> x, vec<T, N> low, vec<T, N> high) {
    return min(max(x, low), high);
}
template <class T, int N>
constexpr vec<T, N> clamp(vec<T, N> x, typename vec<T, N>::element low, typename vec<T, N>::element high) {
    return min(max(x, low), high);
}

template <msl::Scalar T> constexpr T select(T a, T b, bool pick_b) { return pick_b ? b : a; }
template <class T, int N> constexpr vec<T, N> select(vec<T, N> a, vec<T, N> b, vec<bool, N> pick_b) {
    return msl::each(a, b, pick_b, [](T x, T y, bool pick) { return pick ? y : x; });
}
template <class T, int N> constexpr vec<T, N> select(vec<T, N> a, vec<T, N> b, bool pick_b) { return pick_b ? b : a; }
template <class T, int N>
constexpr vec<T, N> select(vec<T, N> a, typename vec<T, N>::element b, vec<bool, N> pick_b) {
    return select(a, vec<T, N>(b), pick_b);
}
template <class T, int N>
constexpr vec<T, N> select(typename vec<T, N>::element a, vec<T, N> b, vec<bool, N> pick_b) {
    return select(vec<T, N>(a), b, pick_b);
}

template <class T, int N> constexpr bool all(vec<T, N> v) {
    bool result = true;
    for (int i = 0; i < N; i++) result = result && bool(v.data[i]);
    return result;
}
template <class T, int N> constexpr bool any(vec<T, N> v) {
    bool result = false;
    for (int i = 0; i < N; i++) result = result || bool(v.data[i]);
    return result;
}
constexpr bool all(bool v) { return v; }
constexpr bool any(bool v) { return v; }

inline float abs(float x) { return __builtin_fabsf(x); }
inline half abs(half x) { return half(__builtin_fabsf(float(x))); }
inline bfloat abs(bfloat x) { return bfloat(__builtin_fabsf(float(x))); }
template <msl::Integer T> constexpr T abs(T x) { return x < T(0) ? T(typename msl::unsigned_of<T>::type(0) - typename msl::unsigned_of<T>::type(x)) : x; }
template <class T, int N> vec<T, N> abs(vec<T, N> a) {
    return msl::each(a, [](T x) { return abs(x); });
}

#define MSL_BITS(name, expression)                                                                                     \
    template <msl::Integer T> constexpr T name(T x) {                                                                  \
        typedef typename msl::unsigned_of<T>::type U;                                                                  \
        constexpr int width = sizeof(T) * 8;                                                                           \
        const U u = U(x);                                                                                              \
        (void)width;                                                                                                   \
        return T(expression);                                                                                          \
    }                                                                                                                  \
    template <msl::Integer T, int N> constexpr vec<T, N> name(vec<T, N> a) {                                           \
        return msl::each(a, [](T x) { return name(x); });                                                              \
    }
MSL_BITS(popcount, __builtin_popcountl(ulong(u)))
MSL_BITS(clz, u == 0 ? width : __builtin_clzl(ulong(u)) - (64 - width))
MSL_BITS(ctz, u == 0 ? width : __builtin_ctzl(ulong(u)))
MSL_BITS(reverse_bits, __builtin_bitreverse64(ulong(u)) >> (64 - width))
#undef MSL_BITS

template <msl::Integer T> constexpr T extract_bits(T x, uint offset, uint bits) {
    constexpr uint width = sizeof(T) * 8;
    typedef typename msl::unsigned_of<T>::type U;
    if (bits == 0) return T(0);
    if (offset >= width) offset = width - 1;
    if (bits > width - offset) bits = width - offset;
    return T(T(U(U(x) << (width - bits - offset))) >> (width - bits));
}
template <msl::Integer T, int N> constexpr vec<T, N> extract_bits(vec<T, N> x, uint offset, uint bits) {
    return msl::each(x, [=](T a) { return extract_bits(a, offset, bits); });
}
template <msl::Integer T> constexpr T insert_bits(T base, T insert, uint offset, uint bits) {
    constexpr uint width = sizeof(T) * 8;
    typedef typename msl::unsigned_of<T>::type U;
    if (bits == 0 || offset >= width) return base;
    const U ones = bits >= width ? U(~U(0)) : U((U(1) << bits) - 1);
    const U mask = U(ones << offset);
    return T((U(base) & U(~mask)) | (U(U(insert) << offset) & mask));
}
template <msl::Integer T, int N>
constexpr vec<T, N> insert_bits(vec<T, N> base, vec<T, N> insert, uint offset, uint bits) {
    return msl::each(base, insert, [=](T a, T b) { return insert_bits(a, b, offset, bits); });
}
template <msl::Integer T> constexpr T rotate(T x, T by) {
    constexpr uint width = sizeof(T) * 8;
    typedef typename msl::unsigned_of<T>::type U;
    const uint n = uint(by) & (width - 1);
    return n == 0 ? x : T(U(U(x) << n) | U(U(x) >> (width - n)));
}
template <msl::Integer T, int N> constexpr vec<T, N> rotate(vec<T, N> x, vec<T, N> by) {
    return msl::each(x, by, [](T a, T b) { return rotate(a, b); });
}

template <msl::Integer T> constexpr T mulhi(T a, T b) { return T((__int128(a) * __int128(b)) >> (sizeof(T) * 8)); }
template <> constexpr ulong mulhi(ulong a, ulong b) { return ulong(((unsigned __int128)(a) * b) >> 64); }
template <msl::Integer T> constexpr T madhi(T a, T b, T c) { return T(mulhi(a, b) + c); }
template <msl::Integer T> constexpr T mul24(T a, T b) { return T(a * b); }
template <msl::Integer T> constexpr T mad24(T a, T b, T c) { return T(a * b + c); }
template <msl::Integer T> constexpr typename msl::unsigned_of<T>::type absdiff(T a, T b) {
    typedef typename msl::unsigned_of<T>::type U;
    return a > b ? U(U(a) - U(b)) : U(U(b) - U(a));
}
template <msl::Integer T> constexpr T hadd(T a, T b) { return T((__int128(a) + __int128(b)) >> 1); }
template <msl::Integer T> constexpr T rhadd(T a, T b) { return T((__int128(a) + __int128(b) + 1) >> 1); }
template <msl::Integer T> constexpr T addsat(T a, T b) {
    T result;
    if (!__builtin_add_overflow(a, b, &result)) return result;
    constexpr T top = T(typename msl::unsigned_of<T>::type(~0ull) >> (T(-1) < T(0) ? 1 : 0));
    return T(-1) < T(0) && a < T(0) ? T(-top - 1) : top;
}
template <msl::Integer T> constexpr T subsat(T a, T b) {
    T result;
    if (!__builtin_sub_overflow(a, b, &result)) return result;
    constexpr T top = T(typename msl::unsigned_of<T>::type(~0ull) >> (T(-1) < T(0) ? 1 : 0));
    return T(-1) < T(0) ? (a < T(0) ? T(-top - 1) : top) : T(0);
}
#define MSL_ELEMENTWISE(name)                                                                                          \
    template <msl::Integer T, int N> constexpr vec<T, N> name(vec<T, N> a, vec<T, N> b) {                              \
        return msl::each(a, b, [](T x, T y) { return name(x, y); });                                                   \
    }
MSL_ELEMENTWISE(mulhi)
MSL_ELEMENTWISE(hadd)
MSL_ELEMENTWISE(rhadd)
MSL_ELEMENTWISE(addsat)
MSL_ELEMENTWISE(subsat)
#undef MSL_ELEMENTWISE
} // namespace metal
