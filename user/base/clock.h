/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Clocks in nanoseconds (clock_gettime(2)). */
#ifndef MEMWATCH_BASE_CLOCK_H
#define MEMWATCH_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock__read(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What the kernel side stamps blocks and events with (bpf_ktime_get_ns). */
static inline uint64_t clock__monotonic(void)
{
	return clock__read(CLOCK_MONOTONIC);
}

static inline uint64_t clock__real(void)
{
	return clock__read(CLOCK_REALTIME);
}

#endif
