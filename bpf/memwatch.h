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

/* A frame on the way up a stack: its registers, and how its instruction pointer is meant. */
struct walk {
	__u64 ip, sp, fp;
	__u32 exact;    /* the instruction at ip is the frame's (a signal came before it); else the one before
			   is, a call */
	__u32 flags;    /* STACK_… */
	__u64 place;    /* where the last step read the return address; 0: elsewhere than below a CFA */
	__u64 fp_place; /* and the frame pointer; 0: that stayed */
};

/* What a walk has read, so that the next one from the same registers can see that it would read the same. */
#define MEMO_FRAMES 24
struct memo {
	__u64 ip, sp, fp;
	__u32 count; /* steps; 0: not to be had, or more than there is room for */
	__u32 reserved;
	__u64 places[MEMO_FRAMES];
	__u64 fp_places[MEMO_FRAMES];
	__u64 fps[MEMO_FRAMES];
};

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
	struct walk walk;
	__u64 hash;
	/* The stack that is captured and the one before: a site that allocates again needs no look-up. */
	struct stack_value stacks[2];
	struct memo memos[2];
	__u32 current; /* 0 or 1: which of the two is captured next */
	__u32 last_domain;
	struct event grow; /* what ask_for_level sends */
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
struct stacks_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 16);
	__type(key, struct stack_key);
	__type(value, struct stack_value);
};
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
/* Address spaces by number, and images' rows by image number. */
struct spaces_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 14);
	__type(key, __u32);
	__type(value, struct unwind_space);
};
struct unwind_pages {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct unwind_page));
};
struct unwind_images_map {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, UNWIND_IMAGES_MAX);
	__type(key, __u32);
	__array(values, struct unwind_pages);
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
extern struct stacks_map stacks SEC(".maps");
extern struct totals_map totals SEC(".maps");
extern struct free_totals_map free_totals SEC(".maps");
extern struct spaces_map spaces SEC(".maps");
extern struct unwind_images_map unwind_images SEC(".maps");
extern struct threads_map threads SEC(".maps");
extern struct processes_map processes SEC(".maps");
extern struct losses_map losses SEC(".maps");
extern struct tallies_map tallies SEC(".maps");
extern struct events_map events SEC(".maps");

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
void call__abandon(struct call *call);

/*
 * capture.bpf.c: the stack at a function's return (instruction pointer and registers are the caller's) → the
 * index of its entry in totals, or -1 where there is none (counted, with @bytes).
 */
long capture__total(struct registers *regs, struct thread *thread, __u32 domain, __u64 bytes);

/* unwind.bpf.c */
int unwind__walk(struct thread *thread);
int unwind__unchanged(struct thread *thread);

/* ledger.bpf.c */
void ledger__add(struct registers *regs, struct thread *thread, __u32 domain, __u64 addr, __u64 size);
void ledger__remove(struct thread *thread, __u32 domain, __u64 addr);
int ledger__park(struct thread *thread, __u32 domain, __u64 addr, struct live_value *parked);
void ledger__unpark(struct thread *thread, __u32 domain, __u64 addr, struct live_value *parked);
void ledger__freed(struct live_value *value);
void ledger__end_thread(struct thread *thread);

#endif
