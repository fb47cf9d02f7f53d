// Floating-point functions. Each is given once for float; half and bfloat compute as float and round.
#pragma once
#include "vector.h"

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define HUGE_VALF __builtin_huge_valf()
#define FLT_MAX __FLT_MAX__
#define FLT_MIN __FLT_MIN__
#define FLT_EPSILON __FLT_EPSILON__
#define HALF_MAX half(65504.0f)
#define HALF_MIN half(6.103515625e-05f)
#define M_PI_F 3.14159265358979323846264338327950288f
#define M_PI_2_F 1.57079632679489661923132169163975144f
#define M_PI_4_F 0.785398163397448309615660845819875721f
#define M_1_PI_F 0.318309886183790671537767526745028724f
#define M_2_PI_F 0.636619772367581343075535053490057448f
#define M_2_SQRTPI_F 1.12837916709551257389615890312154517f
#define M_E_F 2.71828182845904523536028747135266250f
#define M_LOG2E_F 1.44269504088896340735992468100189214f
#define M_LOG10E_F 0.434294481903251827651128918916605082f
#define M_LN2_F 0.693147180559945309417232121458176568f
#define M_LN10_F 2.30258509299404568401799145468436421f
#define M_SQRT2_F 1.41421356237309504880168872420969808f
#define M_SQRT1_2_F 0.707106781186547524400844362104849039f
#define M_PI_H half(M_PI_F)
#define MAXFLOAT __FLT_MAX__
#define MAXHALF half(65504.0f)
#define INT_MAX 0x7fffffff
#define INT_MIN (-INT_MAX - 1)
#define UINT_MAX 0xffffffffu
#define SHRT_MAX 32767
#define SHRT_MIN (-32768)
#define USHRT_MAX 65535
#define CHAR_MAX 127
#define CHAR_MIN (-128)
#define UCHAR_MAX 255
#define LONG_MAX 0x7fffffffffffffffl
#define ULONG_MAX 0xfffffffffffffffful

namespace msl {

template <class T, int N, class F> constexpr vec<T, N> each(vec<T, N> a, F f) {
    vec<T, N> result;
    for (int i = 0; i < N; i++) result.data[i] = f(a.data[i]);
    return result;
}
template <class R, class T, int N, class F> constexpr vec<R, N> each_to(vec<T, N> a, F f) {
    vec<R, N> result;
    for (int i = 0; i < N; i++) result.data[i] = f(a.data[i]);
    return result;
}
template <class T, class U, int N, class F> constexpr vec<T, N> each(vec<T, N> a, vec<U, N> b, F f) {
    vec<T, N> result;
    for (int i = 0; i < N; i++) result.data[i] = f(a.data[i], b.data[i]);
    return result;
}
template <class T, class U, class W, int N, class F> constexpr vec<T, N> each(vec<T, N> a, vec<U, N> b, vec<W, N> c, F f) {
    vec<T, N> result;
    for (int i = 0; i < N; i++) result.data[i] = f(a.data[i], b.data[i], c.data[i]);
    return result;
}

} // namespace msl

#define MSL_UNARY(name, expression)                                                                                    \
    inline float name(float x) { return expression; }                                                                  \
    inline half name(half x) { return half(name(float(x))); }                                                          \
    inline bfloat name(bfloat x) { return bfloat(name(float(x))); }                                                    \
    template <msl::Floating T, int N> inline vec<T, N> name(vec<T, N> a) {                                             \
        return msl::each(a, [](T x) { return T(name(x)); });                                                           \
    }
#define MSL_BINARY(name, expression)                                                                                   \
    inline float name(float x, float y) { return expression; }                                                         \
    inline half name(half x, half y) { return half(name(float(x), float(y))); }                                        \
    inline bfloat name(bfloat x, bfloat y) { return bfloat(name(float(x), float(y))); }                                \
    template <msl::Floating T, int N> inline vec<T, N> name(vec<T, N> a, vec<T, N> b) {                                \
        return msl::each(a, b, [](T x, T y) { return T(name(x, y)); });                                                \
    }                                                                                                                  \
    template <msl::Floating T, int N> inline vec<T, N> name(vec<T, N> a, typename vec<T, N>::element b) {              \
        return name(a, vec<T, N>(b));                                                                                  \
    }                                                                                                                  \
    template <msl::Floating T, int N> inline vec<T, N> name(typename vec<T, N>::element a, vec<T, N> b) {              \
        return name(vec<T, N>(a), b);                                                                                  \
    }
#define MSL_TERNARY(name, expression)                                                                                  \
    inline float name(float x, float y, float z) { return expression; }                                                \
    inline half name(half x, half y, half z) { return half(name(float(x), float(y), float(z))); }                      \
    inline bfloat name(bfloat x, bfloat y, bfloat z) { return bfloat(name(float(x), float(y), float(z))); }            \
    template <msl::Floating T, int N> inline vec<T, N> name(vec<T, N> a, vec<T, N> b, vec<T, N> c) {                   \
        return msl::each(a, b, c, [](T x, T y, T z) { return T(name(x, y, z)); });                                     \
    }                                                                                                                  \
    template <msl::Floating T, int N>                                                                                  \
    inline vec<T, N> name(vec<T, N> a, vec<T, N> b, typename vec<T, N>::element c) {                                   \
        return name(a, b, vec<T, N>(c));                                                                               \
    }                                                                                                                  \
    template <msl::Floating T, int N>                                                                                  \
    inline vec<T, N> name(vec<T, N> a, typename vec<T, N>::element b, typename vec<T, N>::element c) {                 \
        return name(a, vec<T, N>(b), vec<T, N>(c));                                                                    \
    }

namespace metal {
namespace precise {
MSL_UNARY(acos, __builtin_acosf(x))
MSL_UNARY(acosh, __builtin_acoshf(x))
MSL_UNARY(asin, __builtin_asinf(x))
MSL_UNARY(asinh, __builtin_asinhf(x))
MSL_UNARY(atan, __builtin_atanf(x))
MSL_UNARY(atanh, __builtin_atanhf(x))
MSL_UNARY(ceil, __builtin_ceilf(x))
MSL_UNARY(cos, __builtin_cosf(x))
MSL_UNARY(cosh, __builtin_coshf(x))
MSL_UNARY(cospi, float(__builtin_cos(double(x) * 3.14159265358979323846)))
MSL_UNARY(exp, __builtin_expf(x))
MSL_UNARY(exp2, __builtin_exp2f(x))
MSL_UNARY(exp10, float(__builtin_pow(10.0, double(x))))
MSL_UNARY(fabs, __builtin_fabsf(x))
MSL_UNARY(floor, __builtin_floorf(x))
MSL_UNARY(fract, __builtin_fminf(x - __builtin_floorf(x), 0x1.fffffep-1f))
MSL_UNARY(log, __builtin_logf(x))
MSL_UNARY(log2, __builtin_log2f(x))
MSL_UNARY(log10, __builtin_log10f(x))
MSL_UNARY(rint, __builtin_rintf(x))
MSL_UNARY(round, __builtin_roundf(x))
MSL_UNARY(rsqrt, float(1.0 / __builtin_sqrt(double(x))))
MSL_UNARY(saturate, __builtin_fminf(__builtin_fmaxf(x, 0.0f), 1.0f))
MSL_UNARY(sign, x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x == 0.0f ? x : 0.0f)
MSL_UNARY(sin, __builtin_sinf(x))
MSL_UNARY(sinh, __builtin_sinhf(x))
MSL_UNARY(sinpi, float(__builtin_sin(double(x) * 3.14159265358979323846)))
MSL_UNARY(sqrt, __builtin_sqrtf(x))
MSL_UNARY(tan, __builtin_tanf(x))
MSL_UNARY(tanh, __builtin_tanhf(x))
MSL_UNARY(tanpi, float(__builtin_tan(double(x) * 3.14159265358979323846)))
MSL_UNARY(trunc, __builtin_truncf(x))
MSL_BINARY(atan2, __builtin_atan2f(x, y))
MSL_BINARY(copysign, __builtin_copysignf(x, y))
MSL_BINARY(divide, x / y)
MSL_BINARY(fdim, __builtin_fdimf(x, y))
MSL_BINARY(fmax, __builtin_fmaxf(x, y))
MSL_BINARY(fmin, __builtin_fminf(x, y))
MSL_BINARY(fmod, __builtin_fmodf(x, y))
MSL_BINARY(nextafter, __builtin_nextafterf(x, y))
MSL_BINARY(pow, __builtin_powf(x, y))
MSL_BINARY(powr, __builtin_powf(x, y))
MSL_BINARY(step, y < x ? 0.0f : 1.0f)
MSL_TERNARY(fma, __builtin_fmaf(x, y, z))
MSL_TERNARY(mix, x + (y - x) * z)
} // namespace precise

// The double computes fast functions precisely.
namespace fast = precise;
using namespace precise;

inline float smoothstep(float low, float high, float x) {
    float t = saturate((x - low) / (high - low));
    return t * t * (3.0f - 2.0f * t);
}
inline half smoothstep(half low, half high, half x) { return half(smoothstep(float(low), float(high), float(x))); }
template <msl::Floating T, int N> vec<T, N> smoothstep(vec<T, N> low, vec<T, N> high, vec<T, N> x) {
    return msl::each(low, high, x, [](T a, T b, T c) { return T(smoothstep(a, b, c)); });
}

#define MSL_PREDICATE(name, expression)                                                                                \
    inline bool name(float x) { return expression; }                                                                   \
    inline bool name(half h) { return name(float(h)); }                                                                \
    inline bool name(bfloat h) { return name(float(h)); }                                                              \
    template <msl::Floating T, int N> vec<bool, N> name(vec<T, N> a) {                                                 \
        return msl::each_to<bool>(a, [](T x) { return name(x); });                                                     \
    }
MSL_PREDICATE(isfinite, __builtin_isfinite(x))
MSL_PREDICATE(isinf, __builtin_isinf(x))
MSL_PREDICATE(isnan, __builtin_isnan(x))
MSL_PREDICATE(isnormal, __builtin_isnormal(x))
MSL_PREDICATE(signbit, __builtin_signbit(x))
#undef MSL_PREDICATE

inline float ldexp(float x, int exponent) { return __builtin_ldexpf(x, exponent); }
inline half ldexp(half x, int exponent) { return half(ldexp(float(x), exponent)); }
template <msl::Floating T, int N> vec<T, N> ldexp(vec<T, N> x, vec<int, N> exponent) {
    return msl::each(x, exponent, [](T a, int e) { return T(ldexp(a, e)); });
}
inline float frexp(float x, int& exponent) { return __builtin_frexpf(x, &exponent); }
inline half frexp(half x, int& exponent) { return half(frexp(float(x), exponent)); }
template <msl::Floating T, int N> vec<T, N> frexp(vec<T, N> x, vec<int, N>& exponent) {
    vec<T, N> result;
    for (int i = 0; i < N; i++) result.data[i] = frexp(x.data[i], exponent.data[i]);
    return result;
}
inline int ilogb(float x) { return __builtin_ilogbf(x); }
inline float modf(float x, float& whole) {
    whole = __builtin_truncf(x);
    return __builtin_isinf(x) ? __builtin_copysignf(0.0f, x) : __builtin_copysignf(x - whole, x);
}
inline half modf(half x, half& whole) {
    float w, fraction = modf(float(x), w);
    whole = half(w);
    return half(fraction);
}
template <msl::Floating T, int N> vec<T, N> modf(vec<T, N> x, vec<T, N>& whole) {
    vec<T, N> result;
    for (int i = 0; i < N; i++) result.data[i] = modf(x.data[i], whole.data[i]);
    return result;
}
inline float sincos(float x, float& cosine) {
    cosine = __builtin_cosf(x);
    return __builtin_sinf(x);
}

// Geometry
template <class T, int N> constexpr T dot(vec<T, N> a, vec<T, N> b) {
    T sum = T(a.data[0] * b.data[0]);
    for (int i = 1; i < N; i++) sum = T(sum + a.data[i] * b.data[i]);
    return sum;
}
template <msl::Floating T, int N> T length_squared(vec<T, N> a) { return dot(a, a); }
template <msl::Floating T, int N> T length(vec<T, N> a) { return sqrt(dot(a, a)); }
template <msl::Floating T, int N> T distance(vec<T, N> a, vec<T, N> b) { return length(a - b); }
template <msl::Floating T, int N> T distance_squared(vec<T, N> a, vec<T, N> b) { return length_squared(a - b); }
template <msl::Floating T, int N> vec<T, N> normalize(vec<T, N> a) { return a * rsqrt(dot(a, a)); }
template <msl::Floating T> vec<T, 3> cross(vec<T, 3> a, vec<T, 3> b) {
    return vec<T, 3>(T(a.y * b.z - a.z * b.y), T(a.z * b.x - a.x * b.z), T(a.x * b.y - a.y * b.x));
}
template <msl::Floating T, int N> vec<T, N> faceforward(vec<T, N> n, vec<T, N> incident, vec<T, N> reference) {
    return dot(reference, incident) < T(0.0f) ? n : -n;
}
template <msl::Floating T, int N> vec<T, N> reflect(vec<T, N> incident, vec<T, N> n) {
    return incident - n * T(T(2.0f) * dot(n, incident));
}
template <msl::Floating T, int N> vec<T, N> refract(vec<T, N> incident, vec<T, N> n, T eta) {
    T along = dot(n, incident);
    T k = T(T(1.0f) - eta * eta * (T(1.0f) - along * along));
    return k < T(0.0f) ? vec<T, N>(T(0.0f)) : incident * eta - n * T(eta * along + sqrt(k));
}
} // namespace metal

#undef MSL_UNARY
#undef MSL_BINARY
#undef MSL_TERNARY
