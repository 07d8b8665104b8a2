/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Thirty-two functions in one frame; the innermost calls plain(). */
#ifndef MEMWATCH_TARGETS_UNWIND_INLINED_H
#define MEMWATCH_TARGETS_UNWIND_INLINED_H

#define INLINED(name, callee)                                                                                \
	static inline __attribute__((always_inline)) int name(int value)                                     \
	{                                                                                                    \
		int result = callee(value + 1);                                                              \
		KEEP(result);                                                                                \
		return result + 1;                                                                           \
	}
INLINED(inlined_01, plain)
INLINED(inlined_02, inlined_01)
INLINED(inlined_03, inlined_02)
INLINED(inlined_04, inlined_03)
INLINED(inlined_05, inlined_04)
INLINED(inlined_06, inlined_05)
INLINED(inlined_07, inlined_06)
INLINED(inlined_08, inlined_07)
INLINED(inlined_09, inlined_08)
INLINED(inlined_10, inlined_09)
INLINED(inlined_11, inlined_10)
INLINED(inlined_12, inlined_11)
INLINED(inlined_13, inlined_12)
INLINED(inlined_14, inlined_13)
INLINED(inlined_15, inlined_14)
INLINED(inlined_16, inlined_15)
INLINED(inlined_17, inlined_16)
INLINED(inlined_18, inlined_17)
INLINED(inlined_19, inlined_18)
INLINED(inlined_20, inlined_19)
INLINED(inlined_21, inlined_20)
INLINED(inlined_22, inlined_21)
INLINED(inlined_23, inlined_22)
INLINED(inlined_24, inlined_23)
INLINED(inlined_25, inlined_24)
INLINED(inlined_26, inlined_25)
INLINED(inlined_27, inlined_26)
INLINED(inlined_28, inlined_27)
INLINED(inlined_29, inlined_28)
INLINED(inlined_30, inlined_29)
INLINED(inlined_31, inlined_30)
INLINED(inlined_32, inlined_31)

#endif
