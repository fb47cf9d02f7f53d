// 8x8 matrices held by a simdgroup: each lane has two neighbouring elements of a row.
#pragma once
#include "atomic.h"
#include "simd.h"

namespace metal {

template <class T, int Cols, int Rows> struct simdgroup_matrix {
    static_assert(Cols == 8 && Rows == 8, "simdgroup matrices are 8x8");
    typedef vec<T, 2> storage_type;
    storage_type elements;

    simdgroup_matrix() = default;
    explicit simdgroup_matrix(T diagonal);
    storage_type& thread_elements() { return elements; }
    const storage_type& thread_elements() const { return elements; }
};
typedef simdgroup_matrix<float, 8, 8> simdgroup_float8x8;
typedef simdgroup_matrix<half, 8, 8> simdgroup_half8x8;
typedef simdgroup_matrix<bfloat, 8, 8> simdgroup_bfloat8x8;

} // namespace metal

namespace msl {
// Which elements a lane holds, as on Apple silicon.
inline uint row_of(uint lane) { return (lane / 16) * 4 + (lane % 8) / 2; }
inline uint column_of(uint lane) { return ((lane / 8) % 2) * 4 + (lane % 2) * 2; }

template <class T> MSL_UNWATCHED inline void gather(const metal::simdgroup_matrix<T, 8, 8>& m, float to[8][8], uint site) {
    const Slot* slots = show(m.elements, site);
    for (uint lane = 0; lane < 32; lane++) {
        vec<T, 2> pair = shown_or_poison<vec<T, 2>>(slots, lane, lanes());
        to[row_of(lane)][column_of(lane)] = float(pair.data[0]);
        to[row_of(lane)][column_of(lane) + 1] = float(pair.data[1]);
    }
}
template <class T> MSL_UNWATCHED inline T fetch(const volatile T* at) {
    watch(at, sizeof(T), false, false);
    return *(const T*)at;
}
template <class T> MSL_UNWATCHED inline void put(volatile T* at, T value) {
    watch(at, sizeof(T), true, false);
    *(T*)at = value;
}
} // namespace msl

namespace metal {

template <class T, int C, int R> inline simdgroup_matrix<T, C, R>::simdgroup_matrix(T diagonal) {
    const uint row = msl::row_of(msl::lane()), column = msl::column_of(msl::lane());
    for (uint i = 0; i < 2; i++) elements.data[i] = row == column + i ? diagonal : T(0.0f);
}
template <class T, int C, int R> inline simdgroup_matrix<T, C, R> make_filled_simdgroup_matrix(T value) {
    simdgroup_matrix<T, C, R> result;
    result.elements = vec<T, 2>(value);
    return result;
}

template <class T>
MSL_UNWATCHED inline void simdgroup_load(simdgroup_matrix<T, 8, 8>& to, const T* from, ulong elements_per_row = 8,
                                         ulong2 origin = ulong2(0), bool transpose = false, MSL_SITE) {
    msl::wait(msl::Wait::Simdgroup, site);
    const ulong row = msl::row_of(msl::lane()), column = msl::column_of(msl::lane());
    from += origin.y * elements_per_row + origin.x;
    for (ulong i = 0; i < 2; i++)
        to.elements.data[i] = msl::fetch(transpose ? from + (column + i) * elements_per_row + row
                                                   : from + row * elements_per_row + column + i);
}
template <class T>
MSL_UNWATCHED inline void simdgroup_store(simdgroup_matrix<T, 8, 8> from, T* to, ulong elements_per_row = 8,
                                          ulong2 origin = ulong2(0), bool transpose = false, MSL_SITE) {
    msl::wait(msl::Wait::Simdgroup, site);
    const ulong row = msl::row_of(msl::lane()), column = msl::column_of(msl::lane());
    to += origin.y * elements_per_row + origin.x;
    for (ulong i = 0; i < 2; i++)
        msl::put(transpose ? to + (column + i) * elements_per_row + row : to + row * elements_per_row + column + i,
                 from.elements.data[i]);
}

template <class D, class A, class B, class C>
MSL_UNWATCHED inline void simdgroup_multiply_accumulate(simdgroup_matrix<D, 8, 8>& d, const simdgroup_matrix<A, 8, 8>& a,
                                                        const simdgroup_matrix<B, 8, 8>& b, const simdgroup_matrix<C, 8, 8>& c, MSL_SITE) {
    float left[8][8], right[8][8];
    msl::gather(a, left, site);
    msl::gather(b, right, site);
    const uint row = msl::row_of(msl::lane()), column = msl::column_of(msl::lane());
    for (uint i = 0; i < 2; i++) {
        float sum = float(c.elements.data[i]);
        for (uint k = 0; k < 8; k++) sum = __builtin_fmaf(left[row][k], right[k][column + i], sum);
        d.elements.data[i] = D(sum);
    }
}
template <class D, class A, class B>
MSL_UNWATCHED inline void simdgroup_multiply(simdgroup_matrix<D, 8, 8>& d, const simdgroup_matrix<A, 8, 8>& a,
                                             const simdgroup_matrix<B, 8, 8>& b, MSL_SITE) {
    simdgroup_matrix<D, 8, 8> zero;
    zero.elements = vec<D, 2>(D(0.0f));
    simdgroup_multiply_accumulate(d, a, b, zero, site);
}
template <class T>
inline simdgroup_matrix<T, 8, 8> operator*(const simdgroup_matrix<T, 8, 8>& a, const simdgroup_matrix<T, 8, 8>& b) {
    simdgroup_matrix<T, 8, 8> d;
    simdgroup_multiply(d, a, b);
    return d;
}
template <class T>
inline simdgroup_matrix<T, 8, 8> operator+(simdgroup_matrix<T, 8, 8> a, simdgroup_matrix<T, 8, 8> b) {
    a.elements = a.elements + b.elements;
    return a;
}

} // namespace metal
