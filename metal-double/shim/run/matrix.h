// matrix<T, C, R>: C columns of R rows.
#pragma once
#include "vector.h"

template <class T, int C, int R> struct matrix {
    vec<T, R> columns[C];

    matrix() = default;
    explicit constexpr matrix(T diagonal) : columns{} {
        for (int c = 0; c < C && c < R; c++) columns[c].data[c] = diagonal;
    }
    template <class... A>
        requires(sizeof...(A) == C && C > 1 && ((msl::components<A> == R) && ...))
    constexpr matrix(A... from) : columns{vec<T, R>(from)...} {}
    template <class... A>
        requires(sizeof...(A) == C * R && ((msl::components<A> == 1) && ...))
    constexpr matrix(A... from) {
        T all[] = {T(from)...};
        for (int c = 0; c < C; c++)
            for (int r = 0; r < R; r++) columns[c].data[r] = all[c * R + r];
    }
    template <class U>
        requires(!__is_same(U, T))
    explicit constexpr matrix(const matrix<U, C, R>& other) {
        for (int c = 0; c < C; c++) columns[c] = vec<T, R>(other.columns[c]);
    }

    constexpr vec<T, R>& operator[](uint c) { return columns[c]; }
    constexpr const vec<T, R>& operator[](uint c) const { return columns[c]; }

    friend constexpr matrix operator+(const matrix& a, const matrix& b) {
        matrix result;
        for (int c = 0; c < C; c++) result.columns[c] = a.columns[c] + b.columns[c];
        return result;
    }
    friend constexpr matrix operator-(const matrix& a, const matrix& b) {
        matrix result;
        for (int c = 0; c < C; c++) result.columns[c] = a.columns[c] - b.columns[c];
        return result;
    }
    friend constexpr matrix operator-(const matrix& a) {
        matrix result;
        for (int c = 0; c < C; c++) result.columns[c] = -a.columns[c];
        return result;
    }
    friend constexpr matrix operator*(const matrix& a, T b) {
        matrix result;
        for (int c = 0; c < C; c++) result.columns[c] = a.columns[c] * b;
        return result;
    }
    friend constexpr matrix operator*(T a, const matrix& b) { return b * a; }
    friend constexpr vec<T, R> operator*(const matrix& a, vec<T, C> v) {
        vec<T, R> result = a.columns[0] * v.data[0];
        for (int c = 1; c < C; c++) result += a.columns[c] * v.data[c];
        return result;
    }
    friend constexpr vec<T, C> operator*(vec<T, R> v, const matrix& a) {
        vec<T, C> result;
        for (int c = 0; c < C; c++) {
            T sum = v.data[0] * a.columns[c].data[0];
            for (int r = 1; r < R; r++) sum = T(sum + v.data[r] * a.columns[c].data[r]);
            result.data[c] = sum;
        }
        return result;
    }
    friend constexpr bool operator==(const matrix& a, const matrix& b) {
        for (int c = 0; c < C; c++)
            for (int r = 0; r < R; r++)
                if (a.columns[c].data[r] != b.columns[c].data[r]) return false;
        return true;
    }
    matrix& operator+=(const matrix& b) { return *this = *this + b; }
    matrix& operator-=(const matrix& b) { return *this = *this - b; }
    matrix& operator*=(T b) { return *this = *this * b; }
    matrix& operator*=(const matrix<T, C, C>& b) { return *this = *this * b; }
};

template <class T, int C, int K, int R>
constexpr matrix<T, C, R> operator*(const matrix<T, K, R>& a, const matrix<T, C, K>& b) {
    matrix<T, C, R> result;
    for (int c = 0; c < C; c++) result.columns[c] = a * b.columns[c];
    return result;
}

namespace metal {
using ::matrix;

template <class T, int C, int R> constexpr matrix<T, R, C> transpose(const matrix<T, C, R>& a) {
    matrix<T, R, C> result;
    for (int c = 0; c < C; c++)
        for (int r = 0; r < R; r++) result.columns[r].data[c] = a.columns[c].data[r];
    return result;
}
template <class T> constexpr T determinant(const matrix<T, 2, 2>& a) { return T(a[0].x * a[1].y - a[1].x * a[0].y); }
template <class T> constexpr T determinant(const matrix<T, 3, 3>& a) {
    return T(a[0].x * (a[1].y * a[2].z - a[2].y * a[1].z) - a[1].x * (a[0].y * a[2].z - a[2].y * a[0].z) +
             a[2].x * (a[0].y * a[1].z - a[1].y * a[0].z));
}
template <class T> constexpr T determinant(const matrix<T, 4, 4>& a) {
    T sum = T(0);
    for (int skip = 0; skip < 4; skip++) {
        matrix<T, 3, 3> minor;
        for (int c = 0, to = 0; c < 4; c++)
            if (c != skip) minor.columns[to++] = vec<T, 3>(a[c].y, a[c].z, a[c].w);
        T part = T(a[skip].x * determinant(minor));
        sum = T(skip % 2 ? sum - part : sum + part);
    }
    return sum;
}
} // namespace metal

#define MSL_MATRICES(T)                                                                                                \
    typedef matrix<T, 2, 2> T##2x2;                                                                                    \
    typedef matrix<T, 2, 3> T##2x3;                                                                                    \
    typedef matrix<T, 2, 4> T##2x4;                                                                                    \
    typedef matrix<T, 3, 2> T##3x2;                                                                                    \
    typedef matrix<T, 3, 3> T##3x3;                                                                                    \
    typedef matrix<T, 3, 4> T##3x4;                                                                                    \
    typedef matrix<T, 4, 2> T##4x2;                                                                                    \
    typedef matrix<T, 4, 3> T##4x3;                                                                                    \
    typedef matrix<T, 4, 4> T##4x4;                                                                                    \
    namespace metal {                                                                                                  \
    using ::T##2x2;                                                                                                    \
    using ::T##2x3;                                                                                                    \
    using ::T##2x4;                                                                                                    \
    using ::T##3x2;                                                                                                    \
    using ::T##3x3;                                                                                                    \
    using ::T##3x4;                                                                                                    \
    using ::T##4x2;                                                                                                    \
    using ::T##4x3;                                                                                                    \
    using ::T##4x4;                                                                                                    \
    }
MSL_MATRICES(float)
MSL_MATRICES(half)
#undef MSL_MATRICES
