// vec<T, N>, packed vectors and what operators give on them.
#pragma once
#include "types.h"

template <class T, int N> struct vec;
template <class T, int N> struct packed_vec;

namespace msl {

// How many components a constructor's argument brings.
template <class T> inline constexpr int components = Scalar<T> ? 1 : 0;
template <class T, int N> inline constexpr int components<vec<T, N>> = N;
template <class T, int N> inline constexpr int components<packed_vec<T, N>> = N;

template <class T, int N> struct named;
template <class T> struct named<T, 2> {
    union {
        T data[2];
        struct { T x, y; };
        struct { T r, g; };
    };
};
template <class T> struct named<T, 3> {
    union {
        T data[3];
        struct { T x, y, z; };
        struct { T r, g, b; };
    };
};
template <class T> struct named<T, 4> {
    union {
        T data[4];
        struct { T x, y, z, w; };
        struct { T r, g, b, a; };
    };
};

template <class V, class T, int N> struct swizzles;

} // namespace msl

#include "swizzle.h"

template <class T, int N>
struct alignas(sizeof(T) * (N == 3 ? 4 : N)) vec : msl::named<T, N>, msl::swizzles<vec<T, N>, T, N> {
    using msl::named<T, N>::data;
    typedef T element;

    vec() = default;
    constexpr vec(T value) {
        for (int i = 0; i < N; i++) data[i] = value;
    }
    template <class U>
        requires(!__is_same(U, T))
    explicit constexpr vec(vec<U, N> other) {
        for (int i = 0; i < N; i++) data[i] = T(other.data[i]);
    }
    template <class U>
        requires(!__is_same(U, T))
    explicit constexpr vec(packed_vec<U, N> other) {
        for (int i = 0; i < N; i++) data[i] = T(other.data[i]);
    }
    constexpr vec(packed_vec<T, N> other) {
        for (int i = 0; i < N; i++) data[i] = other.data[i];
    }
    template <class... A>
        requires(sizeof...(A) > 1 && (msl::components<A> + ...) == N && ((msl::components<A> > 0) && ...))
    constexpr vec(A... parts) {
        int at = 0;
        (append(at, parts), ...);
    }

    constexpr T& operator[](uint i) { return data[i]; }
    constexpr const T& operator[](uint i) const { return data[i]; }

private:
    template <class U> constexpr void append(int& at, U value) {
        if constexpr (msl::components<U> == 1)
            data[at++] = T(value);
        else
            for (int i = 0; i < msl::components<U>; i++) data[at++] = T(value.data[i]);
    }
};

template <class T, int N> struct packed_vec : msl::named<T, N>, msl::swizzles<packed_vec<T, N>, T, N> {
    using msl::named<T, N>::data;
    typedef T element;

    packed_vec() = default;
    constexpr packed_vec(vec<T, N> other) {
        for (int i = 0; i < N; i++) data[i] = other.data[i];
    }
    template <class U>
        requires(!__is_same(U, T))
    explicit constexpr packed_vec(vec<U, N> other) : packed_vec(vec<T, N>(other)) {}
    constexpr packed_vec(T value) : packed_vec(vec<T, N>(value)) {}
    template <class... A>
        requires(sizeof...(A) > 1)
    constexpr packed_vec(A... parts) : packed_vec(vec<T, N>(parts...)) {}

    constexpr T& operator[](uint i) { return data[i]; }
    constexpr const T& operator[](uint i) const { return data[i]; }
};

// Operators work component by component; a scalar stands for a vector of it.
#define MSL_BINARY(op)                                                                                                 \
    template <class T, int N> constexpr vec<T, N> operator op(vec<T, N> a, vec<T, N> b) {                              \
        vec<T, N> result;                                                                                              \
        for (int i = 0; i < N; i++) result.data[i] = T(a.data[i] op b.data[i]);                                        \
        return result;                                                                                                 \
    }                                                                                                                  \
    template <class T, int N> constexpr vec<T, N> operator op(vec<T, N> a, typename vec<T, N>::element b) {            \
        return a op vec<T, N>(b);                                                                                      \
    }                                                                                                                  \
    template <class T, int N> constexpr vec<T, N> operator op(typename vec<T, N>::element a, vec<T, N> b) {            \
        return vec<T, N>(a) op b;                                                                                      \
    }                                                                                                                  \
    template <class T, int N> constexpr vec<T, N>& operator op##=(vec<T, N>& a, vec<T, N> b) { return a = a op b; }     \
    template <class T, int N> constexpr vec<T, N>& operator op##=(vec<T, N>& a, typename vec<T, N>::element b) {        \
        return a = a op vec<T, N>(b);                                                                                  \
    }                                                                                                                  \
    template <class T, int N> constexpr vec<T, N> operator op(packed_vec<T, N> a, packed_vec<T, N> b) {                \
        return vec<T, N>(a) op vec<T, N>(b);                                                                           \
    }                                                                                                                  \
    template <class T, int N> constexpr vec<T, N> operator op(packed_vec<T, N> a, vec<T, N> b) { return vec<T, N>(a) op b; } \
    template <class T, int N> constexpr vec<T, N> operator op(vec<T, N> a, packed_vec<T, N> b) { return a op vec<T, N>(b); } \
    template <class T, int N> constexpr vec<T, N> operator op(packed_vec<T, N> a, typename vec<T, N>::element b) {     \
        return vec<T, N>(a) op vec<T, N>(b);                                                                           \
    }                                                                                                                  \
    template <class T, int N> constexpr vec<T, N> operator op(typename vec<T, N>::element a, packed_vec<T, N> b) {     \
        return vec<T, N>(a) op vec<T, N>(b);                                                                           \
    }                                                                                                                  \
    template <class T, int N> constexpr packed_vec<T, N>& operator op##=(packed_vec<T, N>& a, vec<T, N> b) {            \
        return a = packed_vec<T, N>(vec<T, N>(a) op b);                                                                \
    }                                                                                                                  \
    template <class T, int N> constexpr packed_vec<T, N>& operator op##=(packed_vec<T, N>& a, typename vec<T, N>::element b) { \
        return a = packed_vec<T, N>(vec<T, N>(a) op vec<T, N>(b));                                                     \
    }
MSL_BINARY(+)
MSL_BINARY(-)
MSL_BINARY(*)
MSL_BINARY(/)
MSL_BINARY(%)
MSL_BINARY(&)
MSL_BINARY(|)
MSL_BINARY(^)
#undef MSL_BINARY

// The count of a shift may have another element type.
#define MSL_SHIFT(op)                                                                                                  \
    template <class T, class U, int N> constexpr vec<T, N> operator op(vec<T, N> a, vec<U, N> b) {                     \
        vec<T, N> result;                                                                                              \
        for (int i = 0; i < N; i++) result.data[i] = T(a.data[i] op (b.data[i] & (sizeof(T) * 8 - 1)));                \
        return result;                                                                                                 \
    }                                                                                                                  \
    template <class T, msl::Integer U, int N> constexpr vec<T, N> operator op(vec<T, N> a, U b) {                      \
        return a op vec<U, N>(b);                                                                                      \
    }                                                                                                                  \
    template <class T, int N> constexpr vec<T, N> operator op(typename vec<T, N>::element a, vec<T, N> b) {            \
        return vec<T, N>(a) op b;                                                                                      \
    }                                                                                                                  \
    template <class T, class U, int N> constexpr vec<T, N>& operator op##=(vec<T, N>& a, vec<U, N> b) {                 \
        return a = a op b;                                                                                             \
    }                                                                                                                  \
    template <class T, msl::Integer U, int N> constexpr vec<T, N>& operator op##=(vec<T, N>& a, U b) {                  \
        return a = a op b;                                                                                             \
    }
MSL_SHIFT(<<)
MSL_SHIFT(>>)
#undef MSL_SHIFT

#define MSL_COMPARE(op)                                                                                                \
    template <class T, int N> constexpr vec<bool, N> operator op(vec<T, N> a, vec<T, N> b) {                           \
        vec<bool, N> result;                                                                                           \
        for (int i = 0; i < N; i++) result.data[i] = a.data[i] op b.data[i];                                           \
        return result;                                                                                                 \
    }                                                                                                                  \
    template <class T, int N> constexpr vec<bool, N> operator op(vec<T, N> a, typename vec<T, N>::element b) {         \
        return a op vec<T, N>(b);                                                                                      \
    }                                                                                                                  \
    template <class T, int N> constexpr vec<bool, N> operator op(typename vec<T, N>::element a, vec<T, N> b) {         \
        return vec<T, N>(a) op b;                                                                                      \
    }
MSL_COMPARE(==)
MSL_COMPARE(!=)
MSL_COMPARE(<)
MSL_COMPARE(>)
MSL_COMPARE(<=)
MSL_COMPARE(>=)
MSL_COMPARE(&&)
MSL_COMPARE(||)
#undef MSL_COMPARE

template <class T, int N> constexpr vec<T, N> operator+(vec<T, N> a) { return a; }
template <class T, int N> constexpr vec<T, N> operator-(vec<T, N> a) {
    vec<T, N> result;
    for (int i = 0; i < N; i++) result.data[i] = T(-a.data[i]);
    return result;
}
template <class T, int N> constexpr vec<T, N> operator-(packed_vec<T, N> a) { return -vec<T, N>(a); }
template <class T, int N> constexpr vec<T, N> operator~(vec<T, N> a) {
    vec<T, N> result;
    for (int i = 0; i < N; i++) result.data[i] = T(~a.data[i]);
    return result;
}
template <class T, int N> constexpr vec<bool, N> operator!(vec<T, N> a) {
    vec<bool, N> result;
    for (int i = 0; i < N; i++) result.data[i] = !a.data[i];
    return result;
}
template <class T, int N> vec<T, N>& operator++(vec<T, N>& a) { return a = a + vec<T, N>(T(1)); }
template <class T, int N> vec<T, N>& operator--(vec<T, N>& a) { return a = a - vec<T, N>(T(1)); }

#define MSL_EACH_SCALAR(M)                                                                                             \
    M(bool) M(char) M(uchar) M(short) M(ushort) M(int) M(uint) M(long) M(ulong) M(half) M(float) M(bfloat)
#define MSL_NAMES(T)                                                                                                   \
    typedef vec<T, 2> T##2;                                                                                            \
    typedef vec<T, 3> T##3;                                                                                            \
    typedef vec<T, 4> T##4;                                                                                            \
    typedef packed_vec<T, 2> packed_##T##2;                                                                            \
    typedef packed_vec<T, 3> packed_##T##3;                                                                            \
    typedef packed_vec<T, 4> packed_##T##4;
MSL_EACH_SCALAR(MSL_NAMES)
#undef MSL_NAMES

namespace metal {
using ::bfloat;
using ::half;
using ::int16_t;
using ::int32_t;
using ::int64_t;
using ::int8_t;
using ::packed_vec;
using ::ptrdiff_t;
using ::size_t;
using ::uchar;
using ::uint;
using ::uint16_t;
using ::uint32_t;
using ::uint64_t;
using ::uint8_t;
using ::ulong;
using ::ushort;
using ::vec;
#define MSL_NAMES(T)                                                                                                   \
    using ::T##2;                                                                                                      \
    using ::T##3;                                                                                                      \
    using ::T##4;                                                                                                      \
    using ::packed_##T##2;                                                                                             \
    using ::packed_##T##3;                                                                                             \
    using ::packed_##T##4;                                                                                             \
    template <class... A> constexpr T##2 make_##T##2(A... a) { return T##2(a...); }                                    \
    template <class... A> constexpr T##3 make_##T##3(A... a) { return T##3(a...); }                                    \
    template <class... A> constexpr T##4 make_##T##4(A... a) { return T##4(a...); }
MSL_EACH_SCALAR(MSL_NAMES)
#undef MSL_NAMES
} // namespace metal

template <class D, class S> constexpr D as_type(S value) {
    static_assert(sizeof(D) == sizeof(S), "as_type between types of different sizes");
    D result;
    __builtin_memcpy(&result, &value, sizeof(D));
    return result;
}
namespace metal {
using ::as_type;
}
