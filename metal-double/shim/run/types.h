// Scalar types, and the traits by which the other headers tell types apart.
#pragma once

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef _Float16 half;
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

// The upper half of a float; computes as float and rounds to nearest even.
struct bfloat {
    ushort bits;

    bfloat() = default;
    constexpr bfloat(float value) : bits(round(__builtin_bit_cast(uint, value))) {}
    template <class T>
        requires(__is_arithmetic(T) && !__is_same(T, float))
    constexpr bfloat(T value) : bfloat(float(value)) {}
    constexpr operator float() const { return __builtin_bit_cast(float, uint(bits) << 16); }

    bfloat& operator+=(float other) { return *this = bfloat(float(*this) + other); }
    bfloat& operator-=(float other) { return *this = bfloat(float(*this) - other); }
    bfloat& operator*=(float other) { return *this = bfloat(float(*this) * other); }
    bfloat& operator/=(float other) { return *this = bfloat(float(*this) / other); }

private:
    static constexpr ushort round(uint word) {
        if ((word & 0x7fffffff) > 0x7f800000)
            return ushort(word >> 16) | 0x40;
        return ushort((word + 0x7fff + ((word >> 16) & 1)) >> 16);
    }
};

constexpr bfloat operator+(bfloat a, bfloat b) { return float(a) + float(b); }
constexpr bfloat operator-(bfloat a, bfloat b) { return float(a) - float(b); }
constexpr bfloat operator*(bfloat a, bfloat b) { return float(a) * float(b); }
constexpr bfloat operator/(bfloat a, bfloat b) { return float(a) / float(b); }
constexpr bfloat operator-(bfloat a) { return -float(a); }

constexpr half operator""_msl_half(long double value) { return half(value); }

namespace msl {

template <bool condition, class A, class B> struct choose { typedef A type; };
template <class A, class B> struct choose<false, A, B> { typedef B type; };

template <class T> struct without_reference { typedef T type; };
template <class T> struct without_reference<T&> { typedef T type; };
template <class T> struct without_const { typedef T type; };
template <class T> struct without_const<const T> { typedef T type; };

template <class T> inline constexpr bool is_pointer = false;
template <class T> inline constexpr bool is_pointer<T*> = true;
template <class T> inline constexpr bool is_reference = false;
template <class T> inline constexpr bool is_reference<T&> = true;

template <class T>
concept Floating = __is_same(T, float) || __is_same(T, half) || __is_same(T, bfloat);
template <class T>
concept Integer = __is_integral(T) && !__is_same(T, bool);
template <class T>
concept Scalar = Floating<T> || __is_integral(T);

template <class T> struct signed_of { typedef T type; };
template <> struct signed_of<uchar> { typedef char type; };
template <> struct signed_of<ushort> { typedef short type; };
template <> struct signed_of<uint> { typedef int type; };
template <> struct signed_of<ulong> { typedef long type; };

template <class T> struct unsigned_of { typedef T type; };
template <> struct unsigned_of<char> { typedef uchar type; };
template <> struct unsigned_of<signed char> { typedef uchar type; };
template <> struct unsigned_of<short> { typedef ushort type; };
template <> struct unsigned_of<int> { typedef uint type; };
template <> struct unsigned_of<long> { typedef ulong type; };

// Where rewritten text needs a type name that no macro and no cast syntax can mistake.
template <class T> using type = T;

} // namespace msl
