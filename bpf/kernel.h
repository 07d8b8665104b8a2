/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The few kernel structs that are read, with the few members that are read; CO-RE finds the members in the
 * running kernel. Names of the kernel's own (include/linux/sched.h, pid.h, mm_types.h,
 * kernel/events/uprobes.c).
 */
#ifndef MEMWATCH_BPF_KERNEL_H
#define MEMWATCH_BPF_KERNEL_H

#include <linux/types.h>

/* struct pt_regs as BPF programs on uprobes get it: arch/x86/include/uapi/asm/ptrace.h, x86-64. */
struct registers {
	__u64 r15, r14, r13, r12, rbp, rbx;
	__u64 r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	__u64 orig_rax, rip, cs, eflags, rsp, ss;
};

#ifdef __bpf__ /* the tests compile this for the host */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
#endif

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct xol_area {
	unsigned long vaddr;
};

struct uprobes_state {
	struct xol_area *xol_area;
};

struct mm_struct {
	struct uprobes_state uprobes_state;
};

typedef struct {
	int counter;
} atomic_t;

struct return_instance {
	unsigned long stack;
	unsigned long orig_ret_vaddr;
	struct return_instance *next;
};

struct uprobe_task {
	struct return_instance *return_instances;
};

struct thread_struct {
	unsigned long fsbase;
};

struct signal_struct {
	atomic_t live;
};

struct task_struct {
	struct mm_struct *mm;
	struct uprobe_task *utask;
	int pid;
	int tgid;
	int exit_code;
	__u64 start_time;
	__u64 start_boottime;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct signal_struct *signal;
	struct thread_struct thread;
};

#ifdef __bpf__
#pragma clang attribute pop
#endif

#endif
