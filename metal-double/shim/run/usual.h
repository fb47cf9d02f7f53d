// What most kernels use, instantiated once in the precompiled header.
#pragma once
#include "integer.h"
#include "simd.h"

namespace msl {
template <class T> inline void usual_arithmetic(T a, T b) {
    a = a + b;
    a = a - b;
    a = a * b;
    a += b;
    a -= b;
    a *= b;
    (void)(a < b);
    (void)(a == b);
    (void)(a > b);
    (void)metal::min(a, b);
    (void)metal::max(a, b);
    (void)metal::clamp(a, a, b);
}
inline void usual(float one, uint number) {
    float2 two(one);
    float3 three(one, one, one);
    float4 four(one, one, one, one);
    four = float4(two, two);
    four = float4(three, one);
    usual_arithmetic(two, two);
    usual_arithmetic(three, three);
    usual_arithmetic(four, four);
    four = four * one + four / one;
    four = one * four;
    one = metal::dot(four, four) + metal::dot(three, three) + metal::dot(two, two);
    uint2 two_numbers(number);
    uint3 three_numbers(number, number, number);
    uint4 four_numbers(number, number, number, number);
    usual_arithmetic(two_numbers, two_numbers);
    usual_arithmetic(four_numbers, four_numbers);
    four_numbers = (four_numbers & four_numbers) | (four_numbers ^ four_numbers) | number;
    four_numbers = four_numbers >> four_numbers;
    four_numbers = four_numbers >> number << number;
    four = float4(four_numbers);
    four_numbers = uint4(four);
    four = metal::select(four, four, four < four);
    (void)metal::all(four < four);
    (void)metal::any(four_numbers == four_numbers);
    half4 halves(four);
    four = float4(halves);
    number = as_type<uint>(one);
    one = as_type<float>(number);
    one = metal::simd_sum(one) + metal::simd_max(one) + metal::simd_shuffle_xor(one, 1) + metal::simd_shuffle_down(one, 1);
    number = metal::simd_sum(number) + metal::simd_max(number) + metal::min(number, number) + metal::select(number, number, true);
}
} // namespace msl
