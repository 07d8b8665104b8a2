/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the kernel side share: maps, settings, and the functions that one stage offers the next.
 *
 *	probe_*.bpf.c ─▶ inflight ─▶ capture ─▶ ledger
 *	process.bpf.c: which processes are watched; fork, exec, exit
 *
 * Functions are __hidden: they are linked by `bpftool gen object` and verified in their callers' context.
 */
#ifndef MEMWATCH_BPF_MEMWATCH_H
#define MEMWATCH_BPF_MEMWATCH_H

#include "abi.h"
#include "kernel.h"
#include "python_abi.h"
#include "unwind_abi.h"

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* Set before loading. */
extern const volatile __u32 pid_namespace_inum; /* memwatch's own, where it is not the initial one; else 0 */
extern const volatile _Bool follow_forks;
extern const volatile __u32 max_totals;
extern const volatile __u32 recent_bits;    /* the binary logarithm of recent's size; 0: it is not used */
extern const volatile __u64 throwing_limit; /* bytes; an operator new of more is let alone, see enter_heap */
extern const volatile _Bool keep_birth;     /* blocks' ages are asked for */

/* enum phase. Flipped once all probes are in: a block must not be seen allocated before its free can be seen.
 */
extern volatile __u32 phase;
extern __u32 next_account;
extern __u32 next_total; /* index 0 stays empty */
/* Totals in use: counted up here, down by user space. */
extern volatile __u32 used_totals;
extern __u32 next_code; /* 0 is none */

/* The newest level of live, about how many blocks are in it, and at how many user space is asked for another.
 */
extern volatile __u32 live_newest;
extern volatile __s64 live_fill;
extern volatile __s64 live_fill_limit;

/* An allocation call that has been entered and not left. */
struct call {
	__u64 sp;     /* where its return address stands */
	__u64 cookie; /* its site; 0: none under way */
	__u64 size;   /* requested bytes */
	__u64 arg;    /* realloc: the old block; posix_memalign: where the result goes; mremap: old address */
	__u64 arg2;   /* mmap: flags; mremap: old length */
	__u64 entered_ns; /* mremap */
	/* realloc: the old block's entry, taken out of live until it is known what became of it */
	struct live_value parked;
	__u32 is_parked;
	__u32 reserved;
};

#define STACK_SPAN_MAX (64ULL << 20) /* a frame pointer further up than this is no frame pointer */
#define USER_LIMIT     (1ULL << 47)

/* The registers that a walk begins with. */
struct walk_begin {
	__u64 ip, sp, fp, bx;
};

/* A frame on the way up a stack: its registers, and how its instruction pointer is meant. */
struct walk {
	__u64 ip, sp, fp;
	__u64 bx_place, r10_place; /* where these were saved; 0: not known; IN_REGISTER: begin.bx has it */
	__u64 window;              /* address of the thread's window on its stack */
	__u64 trampoline;          /* what stands in a return address's place while its return is probed */
	__u32 exact; /* the instruction at ip is the frame's (a signal came before it); else the one before
			is, a call */
	__u32 flags; /* STACK_… */
	__u32 core;  /* frames up to Python's innermost, at most STACK_FRAMES_SHORT; else STACK_FRAMES_CORE */
	__u32 generation;    /* of the mappings; 0: none are known */
	__u32 python;        /* slot in pythons; 0: no interpreter is known */
	__u64 python_frame;  /* the one to be looked at next */
	__u64 python_word;   /* what python__step has found */
	__u64 python_cframe; /* of the native frame whose run comes next, and */
	__u64 python_next;   /* where that begins */
	__u64 hash_before;   /* thread->hash without the last frame */
	__u16 python_run;    /* enum python_run */
	__u16 python_begun;  /* python_frame has been found */
	__u16 python_done;   /* the frame at ip is an evaluation frame whose run has been begun */
	__u16 python_left;   /* the native stack has ended, and Python frames are left */
	__u16 python_first;  /* the run's first frame is still to come: it takes that one's place */
};
#define IN_REGISTER  1
#define WINDOW_WORDS 64
#define NO_WINDOW    (1ULL << 63) /* far from every user address */

/* How the run of Python frames that one native evaluation frame stands for goes on. */
enum python_run { PYTHON_NOT_BEGUN, PYTHON_GOES_ON, PYTHON_RUN_ENDS, PYTHON_UNREADABLE };

/* What unwind__search finds: the rule, and these. 0: the address is in no mapping that is known. */
#define RULE_MAPPING (1ULL << 63)
#define RULE_PYTHON  (1ULL << 62) /* the address is in Python's evaluation function */

/*
 * A thread's state. Uprobe programs are preemptible, so a per-CPU buffer could be overwritten by another
 * thread on the same CPU; no two programs run for one thread at a time.
 */
struct thread {
	__u32 account;
	__s32 fill; /* blocks that it added to the newest level and that live_fill does not count yet */
	__u64 start_time;
	__u64 last_freed; /* block of the free that was this thread's last event, else 0 */
	struct call calls[DOMAIN_COUNT];
	__u32 space; /* key of spaces: its process's mappings */
	__u32 reserved;
	/* scratch for capture: the frame that the walk has come to, and what it has found */
	struct walk_begin begin;
	struct walk walk;
	__u64 hash;
	/* The stack that is captured and the one before: a site that allocates again needs no look-up. */
	struct stack_value stacks[2];
	__u32 current; /* 0 or 1: which of the two is captured next */
	__u32 last_domain;
	struct event event; /* one that is sent from deep in the stack */
	__u64 window[WINDOW_WORDS];
	__u64 python_frame[PYTHON_FRAME_BYTES / 8];
	__u64 python_code[PYTHON_CODE_BYTES / 8];
};

/* Sizes, not types: clang leaves the types of a map within a map as forward declarations. */
struct live_level {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__uint(key_size, sizeof(struct live_key));
	__uint(value_size, sizeof(struct live_value));
};
struct live_map {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LIVE_LEVELS);
	__type(key, __u32);
	__array(values, struct live_level);
};
struct recent_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct recent_block);
};
#define STACKS_MAP(n)                                                                                        \
	struct stack_##n {                                                                                   \
		__u32 total;                                                                                 \
		__u16 nframes;                                                                               \
		__u16 flags;                                                                                 \
		__u64 frames[n];                                                                             \
	};                                                                                                   \
	struct stacks_##n##_map {                                                                            \
		__uint(type, BPF_MAP_TYPE_HASH);                                                             \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                                        \
		__uint(max_entries, 1 << 16);                                                                \
		__type(key, struct stack_key);                                                               \
		__type(value, struct stack_##n);                                                             \
	};
STACKS_MAP(22)
STACKS_MAP(54)
STACKS_MAP(118)
STACKS_MAP(127)
struct totals_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << 16);
	__type(key, __u32);
	__type(value, struct total);
};
/* Indices into totals that can be used again: their process is gone. */
struct free_totals_map {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1 << 16);
	__uint(key_size, 0);
	__uint(value_size, sizeof(__u32));
};
/* Address spaces by number, and the pages of unwind tables. */
struct spaces_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 14);
	__type(key, __u32);
	__type(value, struct unwind_space);
};
struct unwind_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_CHUNK_PAGES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct unwind_page));
};
struct unwind_chunks_map {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, UNWIND_CHUNKS_MAX);
	__type(key, __u32);
	__array(values, struct unwind_chunk);
};
struct rules_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << UNWIND_RULES_BITS);
	__type(key, __u32);
	__type(value, struct unwind_cached);
};
struct pythons_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PYTHONS_MAX);
	__type(key, __u32);
	__type(value, struct python_layout);
};
struct codes_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 17);
	__type(key, struct code_key);
	__type(value, __u32);
};
struct threads_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 16);
	__type(key, __u32);
	__type(value, struct thread);
};
struct processes_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 14);
	__type(key, __u32);
	__type(value, struct process_entry);
};
struct losses_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOSS_COUNT);
	__type(key, __u32);
	__type(value, struct loss_counter);
};
struct tallies_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TALLY_COUNT);
	__type(key, __u32);
	__type(value, __u64);
};
struct events_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
};

extern struct live_map live SEC(".maps");
extern struct recent_map recent SEC(".maps");
extern struct stacks_22_map stacks_22 SEC(".maps");
extern struct stacks_54_map stacks_54 SEC(".maps");
extern struct stacks_118_map stacks_118 SEC(".maps");
extern struct stacks_127_map stacks_127 SEC(".maps");
extern struct totals_map totals SEC(".maps");
extern struct free_totals_map free_totals SEC(".maps");
extern struct spaces_map spaces SEC(".maps");
extern struct unwind_chunks_map unwind_chunks SEC(".maps");
extern struct rules_map rules SEC(".maps");
extern struct pythons_map pythons SEC(".maps");
extern struct codes_map codes SEC(".maps");
extern struct threads_map threads SEC(".maps");
extern struct processes_map processes SEC(".maps");
extern struct losses_map losses SEC(".maps");
extern struct tallies_map tallies SEC(".maps");
extern struct events_map events SEC(".maps");

/* The one place in rules where an address's rule can be. */
static __always_inline struct unwind_cached *unwind__cached(__u64 tag)
{
	__u32 place = tag * 0x9e3779b97f4a7c15ULL >> (64 - UNWIND_RULES_BITS);

	return bpf_map_lookup_elem(&rules, &place);
}

/* A stack's hash, frame by frame. */
static __always_inline __u64 unwind__mix(__u64 hash, __u64 frame)
{
	hash = (hash ^ frame) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

/* counters */
void count_loss(__u32 reason, __u64 bytes);
void count_tally(__u32 tally);

/* process.bpf.c: the current thread's state, or NULL where its process is not watched. */
struct thread *thread__known(void);
struct thread *thread__current(void);
struct thread *thread__make(void);
int thread__renew_space(struct thread *thread);
int send_event(struct event *event);

/* inflight.bpf.c: return 0 where the return is wanted, 1 where not */
int call__enter(struct registers *regs, __u64 cookie);
int call__leave(struct registers *regs, __u64 cookie);
__u64 trampoline_address(void);
__u64 fs_base(void);
void call__abandon(struct call *call);

/*
 * capture.bpf.c: the stack at a function's return (instruction pointer and registers are the caller's) → the
 * index of its entry in totals, or -1 where there is none (counted, with @bytes).
 */
long capture__total(struct registers *regs, struct thread *thread, __u32 domain, __u64 bytes);

/* unwind.bpf.c: the stack from thread->begin on, into thread->stacks[current] and thread->hash. */
int unwind__walk(struct thread *thread);

/* unwind_rules.bpf.c: searches for the rule at @address and keeps it in rules. 0: no mapping is known there.
 */
__u64 unwind__search(struct thread *thread, __u64 address);
__u32 unwind__generation(struct thread *thread);
void unwind__ask(struct thread *thread);

/* python.bpf.c */
__u64 python__begin(struct thread *thread);
int python__step(struct thread *thread);

/* ledger.bpf.c */
void ledger__add(struct registers *regs, struct thread *thread, __u32 domain, __u64 addr, __u64 size);
void ledger__remove(struct thread *thread, __u32 domain, __u64 addr);
int ledger__park(struct thread *thread, __u32 domain, __u64 addr, struct live_value *parked);
void ledger__unpark(struct thread *thread, __u32 domain, __u64 addr, struct live_value *parked);
void ledger__freed(struct live_value *value);
void ledger__end_thread(struct thread *thread);

#endif
