/* SPDX-License-Identifier: MIT
 * Half precision (IEEE 754 binary16) on the host, for tensors stored so on the device. */
#ifndef FFCL_TESTS_KERNELS_HALF_H
#define FFCL_TESTS_KERNELS_HALF_H

#include <stdint.h>

/* The nearest half, ties to even; too large a value is infinity, NaN stays NaN. */
uint16_t ffcl_half_from(float value);
float ffcl_half_value(uint16_t half);

/* 0 if both are right for every half, and the first for every tie between two of them and its
 * neighbours; else the half at which one is wrong, plus 1. */
int ffcl_half_selftest(void);

#endif
