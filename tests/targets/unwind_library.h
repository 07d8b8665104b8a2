/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Many functions of a library, each to be called once: so that there is a first call for everyone. */
#ifndef MEMWATCH_TARGETS_UNWIND_LIBRARY_H
#define MEMWATCH_TARGETS_UNWIND_LIBRARY_H

#define EIGHT_NUMBERS(F, tens)                                                                               \
	F(tens##0) F(tens##1) F(tens##2) F(tens##3) F(tens##4) F(tens##5) F(tens##6) F(tens##7)
#define LIBRARY_FUNCTIONS(F)                                                                                 \
	EIGHT_NUMBERS(F, 1)                                                                                  \
	EIGHT_NUMBERS(F, 2) EIGHT_NUMBERS(F, 3) EIGHT_NUMBERS(F, 4) EIGHT_NUMBERS(F, 5) EIGHT_NUMBERS(F, 6)

#define LIBRARY_DECLARE(number) int library_##number(int value);
LIBRARY_FUNCTIONS(LIBRARY_DECLARE)

/* Calls @next. */
int library_through(int (*next)(int value), int value);

#endif
