/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* CPython as both sides of the kernel border know it: where a process's interpreter keeps its frames. */
#ifndef MEMWATCH_PYTHON_ABI_H
#define MEMWATCH_PYTHON_ABI_H

#include <linux/types.h>

#define PYTHONS_MAX       1024u
#define PYTHON_RANGES_MAX 8
#define PYTHON_NO_FIELD   (~0u)

/* Bytes from a struct's start that hold all that is read of it. */
#define PYTHON_FRAME_BYTES 128
#define PYTHON_CODE_BYTES  256

/* How a thread's state is found from its fs base F: what pthread_getspecific does. */
enum python_key_type {
	PYTHON_STATE_NONE,
	PYTHON_STATE_GLIBC, /* key < 32: *(F + first + key·16 + 8); else *(*(F + second + key/32·8) +
			       key%32·16 + 8) */
	PYTHON_STATE_MUSL,  /* *(*(F + first) + key·8) */
};

/* What a frame's instruction is: as enum python_instruction of user/python/offsets.h. */
enum python_counting { PYTHON_COUNTS_BYTES, PYTHON_COUNTS_UNITS, PYTHON_IS_ADDRESS };

struct python_layout {
	__u64 current;   /* where the state of the thread that holds the GIL stands; 0: nowhere */
	__u64 code_mask; /* of a frame's code field */
	__u32 key_type, key, key_first, key_second;
	__u32 thread_id;                   /* of PyThreadState: its fs base */
	__u32 thread_frame;                /* its innermost frame, or PYTHON_NO_FIELD, and */
	__u32 thread_cframe, cframe_frame; /* this one's */
	/* of a frame */
	__u32 previous, code, instruction, owner, is_entry;
	__u32 counting;
	__u32 owner_native;    /* owner at least this: no Python frame, but where a native one begins */
	__u32 owner_generator; /* such a frame is shown in any case */
	/* of a code object */
	__u32 instructions, first_traceable, filename, name, line_table, first_line;
	__u32 frame_bytes, code_bytes; /* how much is to be read */
	__u32 range_count;
	__u32 cframe_previous; /* of the thread's cframe: that of the native frame further out; 0: none is
				  needed */
	struct {
		__u64 start, end; /* the evaluation function's parts */
	} ranges[PYTHON_RANGES_MAX];
};

/*
 * A Python frame in a stack: bit 62, the number of its code object (EVENT_CODE) in bits 24–55, and its
 * instruction, in bytes from the first one + PYTHON_BEFORE, in bits 0–23: all ones where it does not fit.
 */
#define FRAME_IS_PYTHON       (1ull << 62)
#define PYTHON_BEFORE         2
#define PYTHON_INSTRUCTION    0xffffffu
#define PYTHON_FRAME(id, at)  (FRAME_IS_PYTHON | (__u64)(__u32)(id) << 24 | ((at)&PYTHON_INSTRUCTION))
#define PYTHON_FRAME_ID(word) ((__u32)((word) >> 24))
#define PYTHON_FRAME_AT(word) ((__s32)((word)&PYTHON_INSTRUCTION) - PYTHON_BEFORE)

/* codes: the key. The identity is of what a code object points at: another object at its address has another.
 */
struct code_key {
	__u64 address;
	__u64 identity;
	__u32 account;
	__u32 reserved;
};
#define PYTHON_IDENTITY(filename, name, line_table, first_line)                                              \
	(((((filename)*0x9e3779b97f4a7c15ull + (name)) * 0x9e3779b97f4a7c15ull) + (line_table)) *            \
		 0x9e3779b97f4a7c15ull +                                                                     \
	 (first_line))

/*
 * Code that is made, run and dropped again and again has all of that at the same places: its name and how its
 * lines begin are added. Names are interned, so that a str's hash, which is in it (PyASCIIObject.hash), has
 * been taken.
 */
#define PYTHON_STR_HASH    24
#define PYTHON_BYTES_SIZE  16 /* PyBytesObject: ob_size, ob_shash, and two words of ob_sval */
#define PYTHON_BYTES_WORDS 4
#define PYTHON_CONTENTS(name_hash, line_table)                                                               \
	((name_hash) +                                                                                       \
	 (((line_table)[0] * 0x9e3779b97f4a7c15ull + (line_table)[2]) * 0x9e3779b97f4a7c15ull) +             \
	 (line_table)[3])

_Static_assert(sizeof(struct code_key) == 24, "code_key");
_Static_assert(sizeof(struct python_layout) == 16 + 26 * 4 + PYTHON_RANGES_MAX * 16, "python_layout");

#endif
