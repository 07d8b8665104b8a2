/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What both sides of the kernel border agree on. Fixed-width fields, no implicit padding, sizes asserted.
 * The includer provides __u8 … __u64 (linux/types.h) and this header nothing but structs and numbers.
 */
#ifndef MEMWATCH_ABI_H
#define MEMWATCH_ABI_H

#include <linux/types.h>
#include "losses.h"

/* Frames a stack can have; deeper ones are cut and counted as LOSS_STACK_TRUNCATED. */
#define STACK_FRAMES_MAX 127

/*
 * What is left of a new stack once only a quarter of the room for stacks is free; once it is an eighth, the
 * frames up to Python's innermost or, without Python, so many. The line is right still.
 */
#define STACK_FRAMES_SHORT 22
#define STACK_FRAMES_CORE  4

/* A domain is a ledger of its own: the same address can be live once in each. */
enum domain { DOMAIN_HEAP = 0, DOMAIN_MMAP = 1, DOMAIN_COUNT };

/*
 * What a probed function does with its arguments. The shape, not the name: a new allocator is a row in
 * user/attach/allocators.c that names one of these.
 */
enum call_kind {
	CALL_NONE = 0,
	CALL_MALLOC,         /* f(size) → block */
	CALL_CALLOC,         /* f(n, size) → block */
	CALL_REALLOC,        /* f(block, size) → block */
	CALL_REALLOCARRAY,   /* f(block, n, size) → block */
	CALL_ALIGNED,        /* f(alignment, size) → block */
	CALL_POSIX_MEMALIGN, /* f(&block, alignment, size) → error number */
	CALL_FREE,           /* f(block, …) */
	CALL_MMAP,           /* f(addr, length, prot, flags, fd, offset) → mapping */
	CALL_MUNMAP,         /* f(addr, length) */
	CALL_MREMAP,         /* f(old, old length, new length, flags, …) → mapping */
	CALL_KINDS
};

/*
 * A site's cookie: bits 0–7 call_kind, 8–15 bytes between the stack pointer at the probed instruction and the
 * return address (0 at a function's first instruction), 16–23 the tally that its entries go to, 24 whether it
 * can throw, 32–63 the site's number.
 */
#define SITE_COOKIE(kind, sp_adjust, tally, number)                                                          \
	((__u64)(kind) | ((__u64)(sp_adjust) << 8) | ((__u64)(tally) << 16) | ((__u64)(__u32)(number) << 32))
#define COOKIE_KIND(cookie)      ((__u32)((cookie)&0xff))
#define COOKIE_SP_ADJUST(cookie) ((__u32)(((cookie) >> 8) & 0xff))
#define COOKIE_TALLY(cookie)     ((__u32)(((cookie) >> 16) & 0xff))
#define COOKIE_THROWS            (1ull << 24)

/* What the programs do with a hit. */
enum phase {
	PHASE_IDLE,   /* nothing: probes are still being set */
	PHASE_COUNT,  /* count it, to project the cost */
	PHASE_RECORD, /* keep the books */
};

/* A watched process. An account is one program image of one process: exec and exit close it. 0 is none. */
struct process_entry {
	__u32 account;
	__u32 space;    /* key of spaces: whose mappings it has; 0: not known */
	__u64 start_ns; /* group leader's start, boot-time clock; 0: not yet seen from the kernel side */
};

/*
 * The table of live blocks grows by levels, since a kernel hash table's buckets are allocated at once: new
 * blocks go to the newest level, and are looked for from there on down.
 */
#define LIVE_LEVELS 4

/* live: the key */
struct live_key {
	__u64 addr;
	__u32 account;
	__u32 domain;
};

/* live: the value */
struct live_value {
	__u64 size;
	__u64 weight;   /* bytes this block stands for; equals size where every block is recorded */
	__u64 birth_ns; /* CLOCK_MONOTONIC */
	__u32 total;    /* index into totals */
	__u32 reserved;
};

/*
 * recent: blocks that found their place free, by a hash of their address; all others are in live. A block is
 * in one of the two. Most blocks are short-lived, and are never in the hash table at all.
 *
 * The tag is the address / 8 above the account's number; 0: free; 1: being changed.
 */
struct recent_block {
	__u64 tag;
	__u64 size;
	__u64 birth_ns;
	__u32 total;
	__u32 reserved;
};
#define RECENT_BUSY               1ull
#define RECENT_ACCOUNT_BITS       20
#define RECENT_ADDRESS_BITS       47
#define RECENT_TAG(addr, account) (((addr) >> 3 << RECENT_ACCOUNT_BITS) | (account))
#define RECENT_TAG_ACCOUNT(tag)   ((__u32)((tag) & ((1u << RECENT_ACCOUNT_BITS) - 1)))
#define RECENT_TAG_ADDRESS(tag)   ((tag) >> RECENT_ACCOUNT_BITS << 3)

/*
 * stacks_22 … stacks_127: the key. Different frames under one hash are told apart by salt, so no two stacks
 * share an entry.
 */
struct stack_key {
	__u64 hash;
	__u32 account;
	__u16 domain;
	__u8 salt;
	__u8 size_class; /* enum stack_class: which of the tables it is in */
};

/* Why a stack ended. */
#define STACK_TRUNCATED   1u   /* deeper than STACK_FRAMES_MAX */
#define STACK_UNREADABLE  2u   /* at memory that could not be read */
#define STACK_COMPLETE    4u   /* where the thread's own code begins */
#define STACK_NO_RULE     8u   /* at code without a row, and without a frame pointer */
#define STACK_UNSUPPORTED 16u  /* at a row that says what cannot be followed */
#define STACK_NO_MAPPING  32u  /* at an address in no mapping that was known */
#define STACK_SHORTENED   256u /* cut, since there was hardly room left for stacks */
/* What else is wrong with it. */
#define STACK_CODES_FULL 64u  /* a Python frame whose code object has no number */
#define STACK_NO_PYTHON  128u /* Python frames that could not be read */

/* In a frame: its code was interrupted before this address, not called from the instruction before it. */
#define FRAME_EXACT (1ull << 63)

/*
 * stacks_…: the value, up to as many frames as the table is for. frames[0] is the return address into the
 * allocation function's caller. The kernel allocates an entry of a hash table as 256, 512, 1024 or 2048
 * bytes, and these numbers of frames fill them: 80 bytes are the table's own (struct htab_elem, the key) and
 * the first fields.
 */
struct stack_value {
	__u32 total; /* index into totals */
	__u16 nframes;
	__u16 flags; /* STACK_… */
	__u64 frames[STACK_FRAMES_MAX];
};

enum stack_class { STACK_CLASS_22, STACK_CLASS_54, STACK_CLASS_118, STACK_CLASS_127, STACK_CLASSES };

#define STACK_VALUE_BYTES(frames) (8 + 8 * (frames))

/* totals: one entry a (account, domain, stack), mapped read-only into user space. Counters only ever grow. */
struct total {
	struct stack_key key;
	__u64 allocated_bytes;
	__u64 allocated_count;
	__u64 freed_bytes;
	__u64 freed_count;
	__u64 ready; /* 1 once key may be read */
	__u64 reserved;
};

struct loss_counter {
	__u64 events;
	__u64 bytes;
};

/* Counters that are no losses. The first three are entries by what the probed instruction costs (enum
 * site_cost). */
enum tally {
	TALLY_ENTRY_NOP5,
	TALLY_ENTRY_EMULATED,
	TALLY_ENTRY_STEPPED,
	TALLY_RETURN,
	TALLY_FREE_UNKNOWN, /* frees of blocks that were allocated before they could be seen (or were lost,
			       see above) */
	TALLY_FAILED,       /* allocations that the allocator refused */
	TALLY_COUNT
};

/* events: what user space is told at once, through the ring buffer */
enum event_type {
	EVENT_FORK = 1, /* other = child's pid (0-namespace) */
	EVENT_GROW,     /* the newest level of live fills up */
	EVENT_EXEC,     /* account has been closed, other = the new account */
	EVENT_EXIT,     /* account has been closed; arg[0] = exit code as wait(2) gives it */
	EVENT_MMAP,     /* arg = addr, length, flags; followed in order by EVENT_MUNMAP, EVENT_MREMAP */
	EVENT_MUNMAP,   /* arg = addr, length */
	EVENT_MREMAP,   /* arg = old addr, old length, new addr, new length */
	EVENT_CODE,     /* a Python code object has got number other; arg = address, identity */
	EVENT_MAPPINGS, /* a stack of the account went through a mapping that is not known */
};

struct event {
	__u32 type;
	__u32 account;
	__u32 pid; /* tgid in the initial pid namespace */
	__u32 other;
	__u64 time_ns;    /* CLOCK_MONOTONIC */
	__u64 entered_ns; /* EVENT_MREMAP: when the call was entered: what was mapped later is not what it
			     moved */
	__u64 arg[4];
	__u32 total; /* EVENT_MMAP, EVENT_MREMAP: index into totals, which then only names the stack */
	__u32 reserved;
};

_Static_assert(sizeof(struct live_key) == 16, "live_key");
_Static_assert(sizeof(struct live_value) == 32, "live_value");
_Static_assert(sizeof(struct recent_block) == 32, "recent_block");
_Static_assert(sizeof(struct stack_key) == 16, "stack_key");
_Static_assert(sizeof(struct stack_value) == 8 + 8 * STACK_FRAMES_MAX, "stack_value");
_Static_assert(sizeof(struct total) == 64, "total");
_Static_assert(sizeof(struct event) == 72, "event");

#endif
