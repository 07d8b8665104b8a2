/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Processes and threads whose functions are probed, as kernel/events/uprobes.c does it: an entry program
 * runs; the return address is replaced where a return is wanted; at the trampoline the return programs run.
 */
#ifndef MEMWATCH_HOST_MACHINE_H
#define MEMWATCH_HOST_MACHINE_H

#include "fake.h"

enum machine_mode { MACHINE_SESSION, MACHINE_MULTI, MACHINE_PERF, MACHINE_MODES };

#define TRAMPOLINE    0x7fffffffe000ull
#define INSTANCES_MAX 64
#define STACK_BYTES   0x4000u
#define STACKS_LOWEST 0x7f0000000000ull
#define STACKS_APART  0x100000ull
#define MACHINE_CODE  0x400000ull /* and FAKE_FRAME_CODE bytes on */

struct machine_thread;

struct machine_process {
	enum machine_mode mode;
	struct mm_struct mm;
	struct xol_area xol;
	struct signal_struct signal;
	struct fake_memory memory;
	struct machine_thread *leader;
	int number;
};

struct machine_return {
	__u64 sp, return_address, cookie;
	bool chained;
};

struct machine_thread {
	struct task_struct task;
	struct machine_process *process;
	__u64 stack;                                    /* lowest address of STACK_BYTES */
	struct machine_return instances[INSTANCES_MAX]; /* innermost last */
	size_t instance_count;
	struct uprobe_task utask; /* the same as the kernel has them */
	struct return_instance returns[INSTANCES_MAX];
};

struct machine_process *machine__process(int number, enum machine_mode mode);
/* A thread with a stack of its own; the first one is the leader. @start tells reused numbers apart. */
struct machine_thread *machine__thread(struct machine_process *process, int number, __u64 start);
/* Frees a process, but not its threads, which go by free(). */
void machine__free(struct machine_process *process);
/* Adds the process to those watched, as user/snapshot/engine.c does; its account. Its code keeps frame
 * pointers, the outermost being 0: at MACHINE_CODE it has rows that say so, elsewhere none. */
__u32 machine__watch(int number);

void machine__switch(struct machine_thread *thread);
/*
 * A call has come to its probe: its return address stands at @sp, and so far is @from (0: leave what is
 * there, a tail call), its arguments are in @regs. Returns whether the return address was replaced.
 */
bool machine__enter(struct machine_thread *thread, __u64 cookie, struct registers regs, __u64 sp, __u64 from);
/* Somebody else's probe waits for the return to the address at @sp. */
void machine__probe_return(struct machine_thread *thread, __u64 sp);
/* It returns, with what the caller's frame pointer and the result are. True where the trampoline was met. */
bool machine__leave(struct machine_thread *thread, __u64 sp, __u64 result, __u64 fp);
/* The thread ends; @rest: how many go on. */
void machine__exit(struct machine_thread *thread, int rest, int code);

#endif
