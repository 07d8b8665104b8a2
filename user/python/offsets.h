/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where CPython keeps things: all that is needed to walk a thread's frames and to read code objects from
 * outside, from user space or from BPF. One row a minor version, generated from debug information
 * (tools/python-offsets).
 */
#ifndef MEMWATCH_PYTHON_OFFSETS_H
#define MEMWATCH_PYTHON_OFFSETS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* This version has no such field. */
#define PYTHON_ABSENT UINT32_MAX

#define PYTHON_VERSION(major, minor) ((major) << 8 | (minor))
#define PYTHON_KNOWN                 "3.6 to 3.14" /* all that have a row */

/* What frame.instruction holds. A code unit is two bytes; all but the first count from code.code. */
enum python_instruction {
	PYTHON_LASTI_BYTES, /* ≤ 3.9: int, byte offset of the last instruction; −1 before the first */
	PYTHON_LASTI_UNITS, /* 3.10: int, the same in code units */
	/* 3.11, 3.12: address of the last instruction or its last cache; before the first, a unit less */
	PYTHON_PREV_INSTR,
	PYTHON_INSTR_PTR, /* ≥ 3.13: address of the instruction under way (a caller's: its call) */
};

/* Bytes from the start of the struct that the member is named for. */
struct python_offsets {
	uint32_t version; /* PYTHON_VERSION() */
	struct {          /* _PyRuntimeState, the variable _PyRuntime; all absent in 3.6, which has none */
		uint32_t interpreters_head; /* the newest interpreter; the main one is the last in the list */
		uint32_t tstate_current;    /* the thread that holds the GIL, ≤ 3.11 */
		uint32_t tss_initialized;   /* int: autoTSSkey._is_initialized */
		uint32_t tss_key; /* unsigned: autoTSSkey._key, whose value is a thread's PyThreadState */
		uint32_t size;
	} runtime;
	struct { /* PyInterpreterState */
		uint32_t next;
		uint32_t threads_head;
		uint32_t id; /* int64_t */
		uint32_t size;
	} interpreter;
	struct { /* PyThreadState */
		uint32_t next;
		uint32_t interpreter;
		uint32_t frame;     /* the innermost frame: ≤ 3.10 and ≥ 3.13; else cframe has it */
		uint32_t cframe;    /* 3.11, 3.12: address of the struct with cframe.current_frame */
		uint32_t thread_id; /* pthread_self(): in glibc also the thread's fs base */
		uint32_t native_thread_id; /* tid in its pid namespace, ≥ 3.11 */
		uint32_t size;
	} thread;
	struct { /* _PyCFrame, 3.11 and 3.12 */
		uint32_t current_frame;
	} cframe;
	struct {                    /* PyFrameObject ≤ 3.10, _PyInterpreterFrame ≥ 3.11 */
		uint32_t previous;  /* f_back; the caller */
		uint32_t code;      /* f_code, f_executable; may hold other than code objects from 3.12 on */
		uint64_t code_mask; /* ≥ 3.14: a tagged reference; & this gives the address. Else all ones */
		uint32_t instruction;      /* f_lasti, prev_instr, instr_ptr */
		uint32_t instruction_kind; /* enum python_instruction */
		uint32_t owner;            /* char, ≥ 3.11 */
		uint32_t is_entry;         /* bool, 3.11: the first frame of its native evaluation frame */
		/* owner at least this: no Python frame, but the entry of a native evaluation frame; ≥ 3.12 */
		uint32_t owner_native;
		uint32_t owner_generator; /* the value of owner for a frame in a generator object */
		uint32_t locals;          /* f_localsplus, localsplus */
	} frame;
	struct {                                                      /* PyCodeObject */
		uint32_t argcount, posonly_argcount, kwonly_argcount; /* int; posonly ≥ 3.8 */
		uint32_t flags, first_line;                           /* int */
		uint32_t filename, name;                              /* str */
		uint32_t qualified_name;                              /* str, ≥ 3.11 */
		uint32_t line_table;      /* bytes: co_linetable ≥ 3.10, before co_lnotab */
		uint32_t exception_table; /* bytes, ≥ 3.11 */
		uint32_t code;            /* ≥ 3.11: the instructions themselves; before: bytes, co_code */
		/*
		 * int, ≥ 3.11: a frame whose instruction is one before this (in code units) has not begun, or
		 * is one that the interpreter pushes for itself ("__init__", ≥ 3.12): tracebacks leave it
		 * out, unless it is a generator's.
		 */
		uint32_t first_traceable;
		uint32_t size;
	} code;
	struct { /* PyObject */
		uint32_t reference_count, type;
		uint32_t size;
	} object;
	struct { /* PyVarObject */
		uint32_t item_count;
		uint32_t size;
	} var_object;
	struct {                                     /* PyASCIIObject, PyCompactUnicodeObject */
		uint32_t length;                     /* in characters */
		uint32_t state;                      /* uint32_t of bit fields: */
		uint32_t kind_shift, kind_bits;      /* 1, 2, 4: bytes a character */
		uint32_t compact_shift, ascii_shift; /* one bit each */
		uint32_t ready_shift;                /* one bit, ≤ 3.11 */
		uint32_t ascii_data;                 /* of a compact string with the ASCII bit */
		uint32_t compact_data;               /* of a compact string without */
	} unicode;
	struct {               /* PyBytesObject */
		uint32_t size; /* ob_size, int64_t */
		uint32_t data;
	} bytes;
	struct {               /* PyTypeObject */
		uint32_t name; /* const char * */
		uint32_t basic_size, item_size;
		uint32_t flags;
		uint32_t base;
		uint32_t size;
	} type;
	struct { /* PyGC_Head, in front of an object */
		uint32_t size;
	} gc;
};

/* Where _Py_DebugOffsets of @version has the offset that @field is to be: places in the two structs. */
struct python_debug_field {
	uint32_t version;
	uint32_t place;
	size_t field;
};

/* The row for a version; NULL: not known. */
const struct python_offsets *python_offsets__find(uint32_t version);

/* From 3.13 on _PyRuntime starts with _Py_DebugOffsets, of at most so many bytes. */
#define PYTHON_DEBUG_FIRST PYTHON_VERSION(3, 13)
#define PYTHON_DEBUG_SIZE  1024

/*
 * What the build says of itself counts for more than the table: takes over from @bytes, PYTHON_DEBUG_SIZE of
 * them, what is in there into @offsets, a copy of the version's row; nothing before 3.13. Refuses
 * free-threaded builds, and what is not of that version. Returns 0 or a negative errno.
 */
int python_offsets__from_debug(struct python_offsets *offsets, const uint8_t *bytes, struct error *error);

#endif
