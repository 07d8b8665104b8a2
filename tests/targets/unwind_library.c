// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A library to be bound to late, and to be loaded and dropped; ROOM makes another one of it. */
#include "unwind_library.h"

#ifndef ROOM
#define ROOM 16
#endif

#define LIBRARY_DEFINE(number)                                                                               \
	int library_##number(int value)                                                                      \
	{                                                                                                    \
		return value + number;                                                                       \
	}
LIBRARY_FUNCTIONS(LIBRARY_DEFINE)

int library_through(int (*next)(int value), int value)
{
	volatile char room[ROOM];

	for (int i = 0; i < ROOM; i++)
		room[i] = (char)value;
	value = next(value);
	__asm__ volatile("" : "+r"(value)::"memory");
	return value + room[value & 7];
}
