#pragma OPENCL EXTENSION cl_khr_fp16 : enable
// The part of Metal's standard library that compute kernels use, as declarations for clang's
// C++ for OpenCL, which knows address spaces. Nothing here is ever executed.
//
// `constant` memory that is passed in and `device` memory are the two halves of OpenCL's global
// memory, so that neither converts to the other and a struct can be copied from both.
#define device __attribute__((opencl_global_device))
#define constant const __attribute__((opencl_global_host))
#define threadgroup __local
#define thread __private
#define MSL_PROGRAM_CONSTANT __constant

// clang has types of its own by these names.
#define atomic_int msl_atomic_int
#define atomic_uint msl_atomic_uint
#define atomic_long msl_atomic_long
#define atomic_ulong msl_atomic_ulong
#define atomic_float msl_atomic_float

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef __bf16 bfloat;
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long uint64_t;
typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef __UINTPTR_TYPE__ uintptr_t;

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define HUGE_VALF __builtin_huge_valf()
#define FLT_MAX __FLT_MAX__
#define FLT_MIN __FLT_MIN__
#define FLT_EPSILON __FLT_EPSILON__
#define HALF_MAX half(65504.0f)
#define HALF_MIN half(6.103515625e-05f)
#define MAXFLOAT __FLT_MAX__
#define MAXHALF half(65504.0f)
#define M_PI_F 3.14159265f
#define M_PI_2_F 1.57079633f
#define M_PI_4_F 0.785398163f
#define M_1_PI_F 0.318309886f
#define M_2_PI_F 0.636619772f
#define M_2_SQRTPI_F 1.12837917f
#define M_E_F 2.71828183f
#define M_LOG2E_F 1.44269504f
#define M_LOG10E_F 0.434294482f
#define M_LN2_F 0.693147181f
#define M_LN10_F 2.30258509f
#define M_SQRT2_F 1.41421356f
#define M_SQRT1_2_F 0.707106781f
#define M_PI_H half(M_PI_F)
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

#define MSL_EACH_NUMBER(M)                                                                                             \
    M(char) M(uchar) M(short) M(ushort) M(int) M(uint) M(long) M(ulong) M(half) M(float) M(bfloat)

namespace msl {
template <class T> using type = T;
template <bool, class T = int> struct when {};
template <class T> struct when<true, T> { typedef T type; };
template <class T> struct plain { typedef T type; };
template <class T> struct plain<const T> { typedef T type; };
} // namespace msl

// Comparisons give a vector of integers as wide as what was compared; any of those is a bool vector.
template <int N> struct msl_bools;
template <> struct msl_bools<2> {
    bool x, y;
    msl_bools() = default;
    msl_bools(bool a) : x(a), y(a) {}
    msl_bools(bool a, bool b) : x(a), y(b) {}
    template <class V, class = decltype(V().y)> msl_bools(V v) : x(v.x), y(v.y) {}
    bool& operator[](uint);
    bool operator[](uint) const;
};
template <> struct msl_bools<3> {
    bool x, y, z;
    msl_bools() = default;
    msl_bools(bool a) : x(a), y(a), z(a) {}
    msl_bools(bool a, bool b, bool c) : x(a), y(b), z(c) {}
    template <class V, class = decltype(V().z)> msl_bools(V v) : x(v.x), y(v.y), z(v.z) {}
    bool& operator[](uint);
    bool operator[](uint) const;
};
template <> struct msl_bools<4> {
    bool x, y, z, w;
    msl_bools() = default;
    msl_bools(bool a) : x(a), y(a), z(a), w(a) {}
    msl_bools(bool a, bool b, bool c, bool d) : x(a), y(b), z(c), w(d) {}
    template <class V, class = decltype(V().w)> msl_bools(V v) : x(v.x), y(v.y), z(v.z), w(v.w) {}
    bool& operator[](uint);
    bool operator[](uint) const;
};
#define MSL_BOOL_OPERATOR(op)                                                                                          \
    template <int N> msl_bools<N> operator op(msl_bools<N>, msl_bools<N>);                                             \
    template <class V, int N> msl_bools<N> operator op(V, msl_bools<N>);                                               \
    template <class V, int N> msl_bools<N> operator op(msl_bools<N>, V);
MSL_BOOL_OPERATOR(&)
MSL_BOOL_OPERATOR(|)
MSL_BOOL_OPERATOR(^)
MSL_BOOL_OPERATOR(==)
MSL_BOOL_OPERATOR(!=)
MSL_BOOL_OPERATOR(&&)
MSL_BOOL_OPERATOR(||)
#undef MSL_BOOL_OPERATOR
template <int N> msl_bools<N> operator!(msl_bools<N>);

namespace msl {
template <class T, int N> struct vector {
    typedef T type __attribute__((ext_vector_type(N)));
};
template <int N> struct vector<bool, N> { typedef msl_bools<N> type; };

// Scalars are of one component, vectors of theirs; anything else is no number.
template <class V> struct number {
    static const int components = 0;
    static const bool floating = false, integer = false;
    typedef V element;
};
} // namespace msl
template <class T, int N> using vec = typename msl::vector<T, N>::type;
template <class T, int N> using packed_vec = typename msl::vector<T, N>::type;

#define MSL_TYPES(T)                                                                                                   \
    typedef vec<T, 2> T##2;                                                                                            \
    typedef vec<T, 3> T##3;                                                                                            \
    typedef vec<T, 4> T##4;                                                                                            \
    typedef T##2 packed_##T##2;                                                                                        \
    typedef T##3 packed_##T##3;                                                                                        \
    typedef T##4 packed_##T##4;
MSL_EACH_NUMBER(MSL_TYPES)
MSL_TYPES(bool)
#undef MSL_TYPES

namespace msl {
#define MSL_NUMBER(V, T, N)                                                                                            \
    template <> struct number<V> {                                                                                     \
        static const int components = N;                                                                               \
        static const bool floating = T(0.5f) != T(0), integer = !floating;                                             \
        typedef T element;                                                                                             \
    };
#define MSL_NUMBERS(T) MSL_NUMBER(T, T, 1) MSL_NUMBER(T##2, T, 2) MSL_NUMBER(T##3, T, 3) MSL_NUMBER(T##4, T, 4)
MSL_EACH_NUMBER(MSL_NUMBERS)
#undef MSL_NUMBER
#define MSL_NUMBER(V, T, N)                                                                                            \
    template <> struct number<V> {                                                                                     \
        static const int components = N;                                                                               \
        static const bool floating = false, integer = false;                                                           \
        typedef T element;                                                                                             \
    };
MSL_NUMBER(bool, bool, 1)
MSL_NUMBER(bool2, bool, 2)
MSL_NUMBER(bool3, bool, 3)
MSL_NUMBER(bool4, bool, 4)
MSL_NUMBER(signed char, signed char, 1)
#undef MSL_NUMBER
#undef MSL_NUMBERS

template <class V> using element = typename number<typename plain<V>::type>::element;
template <class V> using floating = typename when<number<V>::floating, V>::type;
template <class V> using integer = typename when<number<V>::integer, V>::type;
template <class V> using any_number = typename when<(number<V>::components > 0), V>::type;
template <class V> using any_vector = typename when<(number<V>::components > 1), V>::type;
// The bool, or vector of bools, with as many components as V.
template <int N> struct bools { typedef msl_bools<N> type; };
template <> struct bools<1> { typedef bool type; };
template <class V> using bools_of = typename bools<number<V>::components>::type;
template <class V> using ints_of = typename when<(number<V>::components > 0), vec<int, number<V>::components>>::type;

template <class... A> struct total { static const int components = 0; };
template <class A, class... B> struct total<A, B...> {
    static const int components = number<A>::components + total<B...>::components;
};
// What a vector of N can be made of: one scalar, or parts that are N together.
template <int N, class... A> struct makes {
    static const bool value = total<A...>::components == N || (sizeof...(A) == 1 && total<A...>::components == 1) || sizeof...(A) == 0;
};
template <class T> T any_of();
// T(a, b) where T is another name of a vector, or a parameter of a template.
template <class V, class... A>
typename when<(number<V>::components > 1) && makes<number<V>::components, A...>::value, V>::type construct(A...);
template <class V, class... A>
typename when<(number<V>::components < 2), decltype(V(any_of<A>()...))>::type construct(A...);
} // namespace msl

namespace metal {
using ::bfloat;
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
} // namespace metal

#define MSL_MAKE(V, N)                                                                                                 \
    template <class... A> typename msl::when<msl::makes<N, A...>::value, V>::type make_##V(A...);                      \
    namespace metal {                                                                                                  \
    using ::V;                                                                                                         \
    using ::make_##V;                                                                                                  \
    using ::packed_##V;                                                                                                \
    }
#define MSL_MAKES(T) MSL_MAKE(T##2, 2) MSL_MAKE(T##3, 3) MSL_MAKE(T##4, 4)
MSL_EACH_NUMBER(MSL_MAKES)
MSL_MAKES(bool)
#undef MSL_MAKES
#undef MSL_MAKE

template <class D, class S> typename msl::when<sizeof(D) == sizeof(S), D>::type as_type(S);
namespace metal {
using ::as_type;
}
// static_cast between vectors converts in Metal; clang would take the bits.
template <class D, class S> D msl_static_cast(S value);
template <class D, class S> D msl_cast(S value);

template <class T, int C, int R> struct matrix {
    vec<T, R> columns[C];

    matrix() = default;
    explicit matrix(T diagonal);
    template <class... A, class = typename msl::when<msl::total<A...>::components == C * R && (sizeof...(A) > 1)>::type> matrix(A...);
    template <class U> explicit matrix(matrix<U, C, R>);
    vec<T, R>& operator[](uint);
    const vec<T, R>& operator[](uint) const;
    MSL_PROGRAM_CONSTANT const vec<T, R>& operator[](uint) const MSL_PROGRAM_CONSTANT;
    void operator+=(matrix);
    void operator-=(matrix);
    void operator*=(T);
    void operator*=(matrix<T, C, C>);
};
template <class T, int C, int R> matrix<T, C, R> operator+(matrix<T, C, R>, matrix<T, C, R>);
template <class T, int C, int R> matrix<T, C, R> operator-(matrix<T, C, R>, matrix<T, C, R>);
template <class T, int C, int R> matrix<T, C, R> operator-(matrix<T, C, R>);
template <class T, int C, int R> matrix<T, C, R> operator*(matrix<T, C, R>, typename msl::plain<T>::type);
template <class T, int C, int R> matrix<T, C, R> operator*(typename msl::plain<T>::type, matrix<T, C, R>);
template <class T, int C, int R> vec<T, R> operator*(matrix<T, C, R>, vec<T, C>);
template <class T, int C, int R> vec<T, C> operator*(vec<T, R>, matrix<T, C, R>);
template <class T, int C, int K, int R> matrix<T, C, R> operator*(matrix<T, K, R>, matrix<T, C, K>);
template <class T, int C, int R> bool operator==(matrix<T, C, R>, matrix<T, C, R>);
#define MSL_MATRIX(T, C, R)                                                                                            \
    typedef matrix<T, C, R> T##C##x##R;                                                                                \
    namespace metal {                                                                                                  \
    using ::T##C##x##R;                                                                                                \
    }
#define MSL_MATRICES(T)                                                                                                \
    MSL_MATRIX(T, 2, 2) MSL_MATRIX(T, 2, 3) MSL_MATRIX(T, 2, 4) MSL_MATRIX(T, 3, 2) MSL_MATRIX(T, 3, 3)                \
    MSL_MATRIX(T, 3, 4) MSL_MATRIX(T, 4, 2) MSL_MATRIX(T, 4, 3) MSL_MATRIX(T, 4, 4)
MSL_MATRICES(float)
MSL_MATRICES(half)
#undef MSL_MATRIX
#undef MSL_MATRICES

namespace metal {
using ::matrix;
template <class T, int C, int R> matrix<T, R, C> transpose(matrix<T, C, R>);
template <class T, int C> T determinant(matrix<T, C, C>);

#define MSL_UNARY(name) template <class V> msl::floating<V> name(V);
#define MSL_BINARY(name)                                                                                               \
    template <class V> msl::floating<V> name(V, V);                                                                    \
    template <class V> msl::any_vector<msl::floating<V>> name(V, msl::element<V>);                                     \
    template <class V> msl::any_vector<msl::floating<V>> name(msl::element<V>, V);
#define MSL_TERNARY(name)                                                                                              \
    template <class V> msl::floating<V> name(V, V, V);                                                                 \
    template <class V> msl::any_vector<msl::floating<V>> name(V, V, msl::element<V>);                                  \
    template <class V> msl::any_vector<msl::floating<V>> name(V, msl::element<V>, msl::element<V>);
#define MSL_FUNCTIONS                                                                                                  \
    MSL_UNARY(acos) MSL_UNARY(acosh) MSL_UNARY(asin) MSL_UNARY(asinh) MSL_UNARY(atan) MSL_UNARY(atanh) MSL_UNARY(ceil) \
    MSL_UNARY(cos) MSL_UNARY(cosh) MSL_UNARY(cospi) MSL_UNARY(exp) MSL_UNARY(exp2) MSL_UNARY(exp10) MSL_UNARY(fabs)    \
    MSL_UNARY(floor) MSL_UNARY(fract) MSL_UNARY(log) MSL_UNARY(log2) MSL_UNARY(log10) MSL_UNARY(rint)                  \
    MSL_UNARY(round) MSL_UNARY(rsqrt) MSL_UNARY(saturate) MSL_UNARY(sign) MSL_UNARY(sin) MSL_UNARY(sinh)               \
    MSL_UNARY(sinpi) MSL_UNARY(sqrt) MSL_UNARY(tan) MSL_UNARY(tanh) MSL_UNARY(tanpi) MSL_UNARY(trunc)                  \
    MSL_BINARY(atan2) MSL_BINARY(copysign) MSL_BINARY(divide) MSL_BINARY(fdim) MSL_BINARY(fmax) MSL_BINARY(fmin)       \
    MSL_BINARY(fmod) MSL_BINARY(nextafter) MSL_BINARY(pow) MSL_BINARY(powr) MSL_BINARY(step) MSL_TERNARY(fma)          \
    MSL_TERNARY(mix)
MSL_FUNCTIONS
MSL_TERNARY(smoothstep)
namespace precise {
MSL_FUNCTIONS
}
namespace fast {
MSL_FUNCTIONS
}

template <class V> msl::bools_of<msl::floating<V>> isfinite(V);
template <class V> msl::bools_of<msl::floating<V>> isinf(V);
template <class V> msl::bools_of<msl::floating<V>> isnan(V);
template <class V> msl::bools_of<msl::floating<V>> isnormal(V);
template <class V> msl::bools_of<msl::floating<V>> signbit(V);
template <class T> typename msl::when<msl::number<T>::floating && msl::number<T>::components == 1, T>::type ldexp(T, int);
template <class V> msl::any_vector<msl::floating<V>> ldexp(V, msl::ints_of<V>);
template <class T> typename msl::when<msl::number<T>::floating && msl::number<T>::components == 1, T>::type frexp(T, thread int&);
template <class V> msl::any_vector<msl::floating<V>> frexp(V, thread msl::ints_of<V>&);
template <class V> msl::floating<V> modf(V, thread V&);
template <class V> msl::floating<V> sincos(V, thread V&);
int ilogb(float);

template <class V> msl::element<msl::any_vector<V>> dot(V, V);
template <class V> msl::element<msl::any_vector<msl::floating<V>>> length(V);
template <class V> msl::element<msl::any_vector<msl::floating<V>>> length_squared(V);
template <class V> msl::element<msl::any_vector<msl::floating<V>>> distance(V, V);
template <class V> msl::element<msl::any_vector<msl::floating<V>>> distance_squared(V, V);
template <class V> msl::any_vector<msl::floating<V>> normalize(V);
template <class V> msl::any_vector<msl::floating<V>> cross(V, V);
template <class V> msl::any_vector<msl::floating<V>> faceforward(V, V, V);
template <class V> msl::any_vector<msl::floating<V>> reflect(V, V);
template <class V> msl::any_vector<msl::floating<V>> refract(V, V, msl::element<V>);

template <class V> msl::any_number<V> min(V, V);
template <class V> msl::any_vector<V> min(V, msl::element<V>);
template <class V> msl::any_vector<V> min(msl::element<V>, V);
template <class V> msl::any_number<V> max(V, V);
template <class V> msl::any_vector<V> max(V, msl::element<V>);
template <class V> msl::any_vector<V> max(msl::element<V>, V);
template <class V> msl::any_number<V> min3(V, V, V);
template <class V> msl::any_number<V> max3(V, V, V);
template <class V> msl::any_number<V> clamp(V, V, V);
template <class V> msl::any_vector<V> clamp(V, msl::element<V>, msl::element<V>);
template <class V> msl::any_number<V> select(V, V, bool);
template <class T, class U>
typename msl::when<msl::number<T>::integer && msl::number<U>::integer && msl::number<T>::components == 1 && msl::number<U>::components == 1, T>::type select(T, U, bool);
template <class V> msl::any_vector<V> select(V, V, vec<bool, msl::number<V>::components>);
template <class V> msl::any_vector<V> select(V, msl::element<V>, vec<bool, msl::number<V>::components>);
template <class V> msl::any_vector<V> select(msl::element<V>, V, vec<bool, msl::number<V>::components>);
template <class V> decltype(V().x != 0, true) all(V);
template <class V> decltype(V().x != 0, true) any(V);
bool all(bool);
bool any(bool);
template <class V> msl::any_number<V> abs(V);

template <class V> msl::integer<V> popcount(V);
template <class V> msl::integer<V> clz(V);
template <class V> msl::integer<V> ctz(V);
template <class V> msl::integer<V> reverse_bits(V);
template <class V> msl::integer<V> extract_bits(V, uint, uint);
template <class V> msl::integer<V> insert_bits(V, V, uint, uint);
template <class V> msl::integer<V> rotate(V, V);
template <class V> msl::integer<V> mulhi(V, V);
template <class V> msl::integer<V> madhi(V, V, V);
template <class V> msl::integer<V> mul24(V, V);
template <class V> msl::integer<V> mad24(V, V, V);
template <class V> msl::integer<V> absdiff(V, V);
template <class V> msl::integer<V> hadd(V, V);
template <class V> msl::integer<V> rhadd(V, V);
template <class V> msl::integer<V> addsat(V, V);
template <class V> msl::integer<V> subsat(V, V);

uint pack_float_to_unorm4x8(float4);
uint pack_float_to_snorm4x8(float4);
uint pack_float_to_unorm2x16(float2);
uint pack_float_to_snorm2x16(float2);
uint pack_half_to_unorm4x8(half4);
uint pack_half_to_snorm4x8(half4);
uint pack_half_to_unorm2x16(half2);
uint pack_half_to_snorm2x16(half2);
float4 unpack_unorm4x8_to_float(uint);
float4 unpack_snorm4x8_to_float(uint);
float2 unpack_unorm2x16_to_float(uint);
float2 unpack_snorm2x16_to_float(uint);
half4 unpack_unorm4x8_to_half(uint);
half4 unpack_snorm4x8_to_half(uint);
half2 unpack_unorm2x16_to_half(uint);
half2 unpack_snorm2x16_to_half(uint);

enum class mem_flags { mem_none = 0, mem_device = 1, mem_threadgroup = 2, mem_texture = 4, mem_threadgroup_imageblock = 8, mem_object_data = 16 };
constexpr mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(int(a) | int(b)); }
constexpr mem_flags operator&(mem_flags a, mem_flags b) { return mem_flags(int(a) & int(b)); }
enum memory_order { memory_order_relaxed, memory_order_acquire, memory_order_release, memory_order_acq_rel, memory_order_seq_cst };
enum thread_scope { thread_scope_thread, thread_scope_simdgroup, thread_scope_threadgroup, thread_scope_device };
void threadgroup_barrier(mem_flags);
void simdgroup_barrier(mem_flags);
void atomic_thread_fence(mem_flags, memory_order = memory_order_seq_cst, thread_scope = thread_scope_device);

template <class T> struct atomic {
    T value;
};
typedef atomic<int> atomic_int;
typedef atomic<uint> atomic_uint;
typedef atomic<bool> atomic_bool;
typedef atomic<float> atomic_float;
typedef atomic<ulong> atomic_ulong;
typedef atomic<long> atomic_long;
#define MSL_ATOMICS(memory)                                                                                            \
    template <class T> T atomic_load_explicit(const volatile memory atomic<T>*, memory_order);                         \
    template <class T> void atomic_store_explicit(volatile memory atomic<T>*, typename msl::plain<T>::type, memory_order); \
    template <class T> T atomic_exchange_explicit(volatile memory atomic<T>*, typename msl::plain<T>::type, memory_order); \
    template <class T>                                                                                                 \
    bool atomic_compare_exchange_weak_explicit(volatile memory atomic<T>*, thread T*, typename msl::plain<T>::type,    \
                                               memory_order, memory_order);                                            \
    MSL_FETCH(memory, add) MSL_FETCH(memory, sub) MSL_FETCH(memory, and) MSL_FETCH(memory, or) MSL_FETCH(memory, xor)  \
    MSL_FETCH(memory, min) MSL_FETCH(memory, max)                                                                      \
    MSL_VOID(memory, min) MSL_VOID(memory, max)
#define MSL_FETCH(memory, name)                                                                                        \
    template <class T>                                                                                                 \
    T atomic_fetch_##name##_explicit(volatile memory atomic<T>*, typename msl::plain<T>::type, memory_order);
#define MSL_VOID(memory, name)                                                                                         \
    template <class T> void atomic_##name##_explicit(volatile memory atomic<T>*, typename msl::plain<T>::type, memory_order);
MSL_ATOMICS(device)
MSL_ATOMICS(threadgroup)
#undef MSL_ATOMICS
#undef MSL_FETCH
#undef MSL_VOID

struct simd_vote {
    typedef ulong vote_t;
    explicit simd_vote(vote_t = 0);
    explicit operator vote_t() const;
    bool all() const;
    bool any() const;
};
#define MSL_EACH(name) template <class V> msl::any_number<V> name(V);
MSL_EACH(simd_sum) MSL_EACH(simd_product) MSL_EACH(simd_min) MSL_EACH(simd_max)
MSL_EACH(simd_prefix_exclusive_sum) MSL_EACH(simd_prefix_exclusive_product)
MSL_EACH(simd_prefix_inclusive_sum) MSL_EACH(simd_prefix_inclusive_product)
MSL_EACH(simd_broadcast_first) MSL_EACH(quad_broadcast_first)
MSL_EACH(quad_sum) MSL_EACH(quad_product) MSL_EACH(quad_min) MSL_EACH(quad_max)
#undef MSL_EACH
#define MSL_EACH(name) template <class V> msl::integer<V> name(V);
MSL_EACH(simd_and) MSL_EACH(simd_or) MSL_EACH(simd_xor) MSL_EACH(quad_and) MSL_EACH(quad_or) MSL_EACH(quad_xor)
#undef MSL_EACH
#define MSL_EACH(name) template <class V> msl::any_number<V> name(V, ushort);
MSL_EACH(simd_broadcast) MSL_EACH(simd_shuffle) MSL_EACH(simd_shuffle_xor) MSL_EACH(simd_shuffle_down)
MSL_EACH(simd_shuffle_up) MSL_EACH(simd_shuffle_rotate_down) MSL_EACH(simd_shuffle_rotate_up)
MSL_EACH(quad_broadcast) MSL_EACH(quad_shuffle) MSL_EACH(quad_shuffle_xor) MSL_EACH(quad_shuffle_down) MSL_EACH(quad_shuffle_up)
#undef MSL_EACH
template <class V> msl::any_number<V> simd_shuffle_and_fill_down(V, V, ushort);
template <class V> msl::any_number<V> simd_shuffle_and_fill_up(V, V, ushort);
simd_vote simd_ballot(bool);
simd_vote simd_active_threads_mask();
bool simd_all(bool);
bool simd_any(bool);
bool simd_is_first();
bool simd_is_helper_thread();

template <class T, int Cols, int Rows> struct simdgroup_matrix {
    static_assert(Cols == 8 && Rows == 8, "simdgroup matrices are 8x8");
    typedef vec<T, 2> storage_type;
    storage_type elements;
    simdgroup_matrix() = default;
    explicit simdgroup_matrix(T diagonal);
    thread storage_type& thread_elements() thread;
    const thread storage_type& thread_elements() const thread;
};
typedef simdgroup_matrix<float, 8, 8> simdgroup_float8x8;
typedef simdgroup_matrix<half, 8, 8> simdgroup_half8x8;
typedef simdgroup_matrix<bfloat, 8, 8> simdgroup_bfloat8x8;
template <class T, int C, int R> simdgroup_matrix<T, C, R> make_filled_simdgroup_matrix(T);
#define MSL_MATRIX_MEMORY(memory)                                                                                      \
    template <class T>                                                                                                 \
    void simdgroup_load(thread simdgroup_matrix<T, 8, 8>&, const memory T*, ulong elements_per_row = 8,                \
                        ulong2 origin = 0, bool transpose = false);                                                    \
    template <class T>                                                                                                 \
    void simdgroup_store(simdgroup_matrix<T, 8, 8>, memory T*, ulong elements_per_row = 8, ulong2 origin = 0,          \
                         bool transpose = false);
MSL_MATRIX_MEMORY(device)
MSL_MATRIX_MEMORY(threadgroup)
#undef MSL_MATRIX_MEMORY
template <class T>
void simdgroup_load(thread simdgroup_matrix<T, 8, 8>&, constant T*, ulong elements_per_row = 8, ulong2 origin = 0,
                    bool transpose = false);
template <class D, class A, class B, class C>
void simdgroup_multiply_accumulate(thread simdgroup_matrix<D, 8, 8>&, simdgroup_matrix<A, 8, 8>, simdgroup_matrix<B, 8, 8>,
                                   simdgroup_matrix<C, 8, 8>);
template <class D, class A, class B>
void simdgroup_multiply(thread simdgroup_matrix<D, 8, 8>&, simdgroup_matrix<A, 8, 8>, simdgroup_matrix<B, 8, 8>);
template <class T>
simdgroup_matrix<T, 8, 8> operator*(simdgroup_matrix<T, 8, 8>, simdgroup_matrix<T, 8, 8>);
template <class T>
simdgroup_matrix<T, 8, 8> operator+(simdgroup_matrix<T, 8, 8>, simdgroup_matrix<T, 8, 8>);
} // namespace metal

// A table at program scope, where a pointer to it is wanted.
template <class T, int N> constant T* msl_table(const MSL_PROGRAM_CONSTANT T (&)[N]);

#define static_cast msl_static_cast

// float4(x, y) is a call; clang knows no such syntax for its own vectors.
#define char2(...) make_char2(__VA_ARGS__)
#define char3(...) make_char3(__VA_ARGS__)
#define char4(...) make_char4(__VA_ARGS__)
#define uchar2(...) make_uchar2(__VA_ARGS__)
#define uchar3(...) make_uchar3(__VA_ARGS__)
#define uchar4(...) make_uchar4(__VA_ARGS__)
#define short2(...) make_short2(__VA_ARGS__)
#define short3(...) make_short3(__VA_ARGS__)
#define short4(...) make_short4(__VA_ARGS__)
#define ushort2(...) make_ushort2(__VA_ARGS__)
#define ushort3(...) make_ushort3(__VA_ARGS__)
#define ushort4(...) make_ushort4(__VA_ARGS__)
#define int2(...) make_int2(__VA_ARGS__)
#define int3(...) make_int3(__VA_ARGS__)
#define int4(...) make_int4(__VA_ARGS__)
#define uint2(...) make_uint2(__VA_ARGS__)
#define uint3(...) make_uint3(__VA_ARGS__)
#define uint4(...) make_uint4(__VA_ARGS__)
#define long2(...) make_long2(__VA_ARGS__)
#define long3(...) make_long3(__VA_ARGS__)
#define long4(...) make_long4(__VA_ARGS__)
#define ulong2(...) make_ulong2(__VA_ARGS__)
#define ulong3(...) make_ulong3(__VA_ARGS__)
#define ulong4(...) make_ulong4(__VA_ARGS__)
#define half2(...) make_half2(__VA_ARGS__)
#define half3(...) make_half3(__VA_ARGS__)
#define half4(...) make_half4(__VA_ARGS__)
#define float2(...) make_float2(__VA_ARGS__)
#define float3(...) make_float3(__VA_ARGS__)
#define float4(...) make_float4(__VA_ARGS__)
#define bfloat2(...) make_bfloat2(__VA_ARGS__)
#define bfloat3(...) make_bfloat3(__VA_ARGS__)
#define bfloat4(...) make_bfloat4(__VA_ARGS__)
#define bool2(...) make_bool2(__VA_ARGS__)
#define bool3(...) make_bool3(__VA_ARGS__)
#define bool4(...) make_bool4(__VA_ARGS__)
#define packed_char2(...) make_char2(__VA_ARGS__)
#define packed_char3(...) make_char3(__VA_ARGS__)
#define packed_char4(...) make_char4(__VA_ARGS__)
#define packed_uchar2(...) make_uchar2(__VA_ARGS__)
#define packed_uchar3(...) make_uchar3(__VA_ARGS__)
#define packed_uchar4(...) make_uchar4(__VA_ARGS__)
#define packed_short2(...) make_short2(__VA_ARGS__)
#define packed_short3(...) make_short3(__VA_ARGS__)
#define packed_short4(...) make_short4(__VA_ARGS__)
#define packed_ushort2(...) make_ushort2(__VA_ARGS__)
#define packed_ushort3(...) make_ushort3(__VA_ARGS__)
#define packed_ushort4(...) make_ushort4(__VA_ARGS__)
#define packed_int2(...) make_int2(__VA_ARGS__)
#define packed_int3(...) make_int3(__VA_ARGS__)
#define packed_int4(...) make_int4(__VA_ARGS__)
#define packed_uint2(...) make_uint2(__VA_ARGS__)
#define packed_uint3(...) make_uint3(__VA_ARGS__)
#define packed_uint4(...) make_uint4(__VA_ARGS__)
#define packed_long2(...) make_long2(__VA_ARGS__)
#define packed_long3(...) make_long3(__VA_ARGS__)
#define packed_long4(...) make_long4(__VA_ARGS__)
#define packed_ulong2(...) make_ulong2(__VA_ARGS__)
#define packed_ulong3(...) make_ulong3(__VA_ARGS__)
#define packed_ulong4(...) make_ulong4(__VA_ARGS__)
#define packed_half2(...) make_half2(__VA_ARGS__)
#define packed_half3(...) make_half3(__VA_ARGS__)
#define packed_half4(...) make_half4(__VA_ARGS__)
#define packed_float2(...) make_float2(__VA_ARGS__)
#define packed_float3(...) make_float3(__VA_ARGS__)
#define packed_float4(...) make_float4(__VA_ARGS__)
#define packed_bfloat2(...) make_bfloat2(__VA_ARGS__)
#define packed_bfloat3(...) make_bfloat3(__VA_ARGS__)
#define packed_bfloat4(...) make_bfloat4(__VA_ARGS__)
#define packed_bool2(...) make_bool2(__VA_ARGS__)
#define packed_bool3(...) make_bool3(__VA_ARGS__)
#define packed_bool4(...) make_bool4(__VA_ARGS__)
