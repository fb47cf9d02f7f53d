// v.zyx and the like: properties, so that they can be read and assigned.
#pragma once

namespace msl {

template <class V, class T, int... at> constexpr vec<T, sizeof...(at)> swizzled(const V& v) {
    return vec<T, sizeof...(at)>(v.data[at]...);
}
template <class V, class T, int... at> constexpr void assign_swizzled(V& v, vec<T, sizeof...(at)> from) {
    int i = 0;
    ((v.data[at] = from.data[i++]), ...);
}

#define MSL_SWIZZLE(count, name, ...)                                                                                  \
    constexpr vec<T, count> get_##name() const { return swizzled<V, T, __VA_ARGS__>(*static_cast<const V*>(this)); }   \
    constexpr void put_##name(vec<T, count> from) { assign_swizzled<V, T, __VA_ARGS__>(*static_cast<V*>(this), from); } \
    __declspec(property(get = get_##name, put = put_##name)) vec<T, count> name;

#define MSL_SWIZZLE2(a, i, b, j) MSL_SWIZZLE(2, a##b, i, j)
#define MSL_SWIZZLE3(a, i, b, j, c, k) MSL_SWIZZLE(3, a##b##c, i, j, k)
#define MSL_SWIZZLE4(a, i, b, j, c, k, d, l) MSL_SWIZZLE(4, a##b##c##d, i, j, k, l)

// One EACH per nesting level, because a macro does not expand within itself.
#define MSL_D2(M, ...) M(__VA_ARGS__, x, 0) M(__VA_ARGS__, y, 1)
#define MSL_C2(M, ...) M(__VA_ARGS__, x, 0) M(__VA_ARGS__, y, 1)
#define MSL_B2(M, ...) M(__VA_ARGS__, x, 0) M(__VA_ARGS__, y, 1)
#define MSL_D3(M, ...) MSL_D2(M, __VA_ARGS__) M(__VA_ARGS__, z, 2)
#define MSL_C3(M, ...) MSL_C2(M, __VA_ARGS__) M(__VA_ARGS__, z, 2)
#define MSL_B3(M, ...) MSL_B2(M, __VA_ARGS__) M(__VA_ARGS__, z, 2)
#define MSL_D4(M, ...) MSL_D3(M, __VA_ARGS__) M(__VA_ARGS__, w, 3)
#define MSL_C4(M, ...) MSL_C3(M, __VA_ARGS__) M(__VA_ARGS__, w, 3)
#define MSL_B4(M, ...) MSL_B3(M, __VA_ARGS__) M(__VA_ARGS__, w, 3)

#define MSL_FOUR2(...) MSL_D2(MSL_SWIZZLE4, __VA_ARGS__)
#define MSL_FOUR3(...) MSL_D3(MSL_SWIZZLE4, __VA_ARGS__)
#define MSL_FOUR4(...) MSL_D4(MSL_SWIZZLE4, __VA_ARGS__)
#define MSL_THREE2(...) MSL_SWIZZLE3(__VA_ARGS__) MSL_FOUR2(__VA_ARGS__)
#define MSL_THREE3(...) MSL_SWIZZLE3(__VA_ARGS__) MSL_FOUR3(__VA_ARGS__)
#define MSL_THREE4(...) MSL_SWIZZLE3(__VA_ARGS__) MSL_FOUR4(__VA_ARGS__)
#define MSL_TWO2(...) MSL_SWIZZLE2(__VA_ARGS__) MSL_C2(MSL_THREE2, __VA_ARGS__)
#define MSL_TWO3(...) MSL_SWIZZLE2(__VA_ARGS__) MSL_C3(MSL_THREE3, __VA_ARGS__)
#define MSL_TWO4(...) MSL_SWIZZLE2(__VA_ARGS__) MSL_C4(MSL_THREE4, __VA_ARGS__)

template <class V, class T> struct swizzles<V, T, 2> {
    MSL_B2(MSL_TWO2, x, 0)
    MSL_B2(MSL_TWO2, y, 1)
    MSL_SWIZZLE(2, rg, 0, 1)
};
template <class V, class T> struct swizzles<V, T, 3> {
    MSL_B3(MSL_TWO3, x, 0)
    MSL_B3(MSL_TWO3, y, 1)
    MSL_B3(MSL_TWO3, z, 2)
    MSL_SWIZZLE(2, rg, 0, 1)
    MSL_SWIZZLE(3, rgb, 0, 1, 2)
};
template <class V, class T> struct swizzles<V, T, 4> {
    MSL_B4(MSL_TWO4, x, 0)
    MSL_B4(MSL_TWO4, y, 1)
    MSL_B4(MSL_TWO4, z, 2)
    MSL_B4(MSL_TWO4, w, 3)
    MSL_SWIZZLE(2, rg, 0, 1)
    MSL_SWIZZLE(2, ba, 2, 3)
    MSL_SWIZZLE(3, rgb, 0, 1, 2)
    MSL_SWIZZLE(4, rgba, 0, 1, 2, 3)
};

} // namespace msl
