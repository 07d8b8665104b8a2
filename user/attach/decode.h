/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One x86-64 instruction, as far as choosing a probe site needs to know it. */
#ifndef MEMWATCH_ATTACH_DECODE_H
#define MEMWATCH_ATTACH_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "attach/sites.h"

/* Where control goes after the instruction. */
enum decode_flow {
	FLOW_NEXT,        /* to the next one */
	FLOW_CONDITIONAL, /* to the next one or to target */
	FLOW_JUMP,        /* to target, to what slot holds, or to where nobody can tell */
	FLOW_CALL,        /* likewise, and then to the next one */
	FLOW_SYSTEM,      /* into the kernel, and then to the next one */
	FLOW_RETURN,
	FLOW_TRAP, /* ud2, hlt, int3: nowhere */
};

struct decoded {
	size_t length;
	enum decode_flow flow;
	enum site_cost cost;
	bool has_target; /* a relative branch */
	uint64_t target;
	bool has_slot; /* an indirect branch through a fixed address: the GOT */
	uint64_t slot;
	unsigned arguments_written; /* bit n: the register of integer argument n is written, wholly or in part
				     */
	bool stores;                /* writes memory that is not on the stack */
	bool filler;                /* endbr64 or a nop */
	bool sp_known;              /* sp_delta can be told */
	int64_t sp_delta;           /* by how much the stack has grown (downwards) after it */
};

/*
 * Decodes the instruction at @code (at most @size bytes, which stand at @vaddr). False where there is none:
 * bytes that are no instruction, or one that is cut off by @size.
 */
bool decode__instruction(const uint8_t *code, size_t size, uint64_t vaddr, struct decoded *decoded);

/* The instruction as text in Intel's syntax; "(bad)" where there is none. Returns @buffer. */
char *decode__format(const uint8_t *code, size_t size, uint64_t vaddr, char *buffer, size_t length);

#endif
