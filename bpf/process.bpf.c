// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which processes are watched: their accounts, and fork, exec and exit, which open and close them. */
#include "memwatch.h"

#define PID_LEVELS_MAX 32 /* MAX_PID_NS_LEVEL, include/linux/pid_namespace.h */

/* @task's process number as memwatch's own pid namespace has it; 0 where it is not visible there. */
static __u32 process_number(struct task_struct *task)
{
	struct task_struct *leader;
	struct pid *pid;
	__u32 level, i;

	if (!pid_namespace_inum)
		return BPF_CORE_READ(task, tgid);
	leader = BPF_CORE_READ(task, group_leader);
	pid = BPF_CORE_READ(leader, thread_pid);
	level = BPF_CORE_READ(pid, level);
	for (i = 0; i < PID_LEVELS_MAX; i++) {
		struct upid upid;

		if (i > level)
			break;
		if (bpf_core_read(&upid, sizeof(upid), &pid->numbers[i]))
			break;
		if (BPF_CORE_READ(upid.ns, ns.inum) == pid_namespace_inum)
			return upid.nr;
	}
	return 0;
}

__hidden int send_event(struct event *event)
{
	event->time_ns = bpf_ktime_get_ns();
	if (!bpf_ringbuf_output(&events, event, sizeof(*event), 0))
		return 0;
	count_loss(LOSS_RING_FULL, 0);
	return -1;
}

/* The current thread's state, if it has one: its number may have passed on to it from another. */
__hidden struct thread *thread__known(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	__u32 tid = bpf_get_current_pid_tgid();
	struct thread *thread = bpf_map_lookup_elem(&threads, &tid);

	return thread && thread->start_time == task->start_time ? thread : NULL;
}

/* The slow path of a thread's first event. */
__hidden struct thread *thread__make(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	__u32 number = process_number(task), tid = bpf_get_current_pid_tgid();
	struct process_entry *process = bpf_map_lookup_elem(&processes, &number);
	struct thread *thread;
	__u64 leader_start;
	__u32 zero = 0;

	if (!process)
		return NULL;
	leader_start = BPF_CORE_READ(task, group_leader, start_boottime);
	if (!process->start_ns)
		process->start_ns = leader_start;
	else if (process->start_ns != leader_start)
		return NULL; /* the number has passed on to another process */

	/* The state does not fit the BPF stack: a zeroed entry of the map serves as the image of a new one.
	 */
	thread = bpf_map_lookup_elem(&threads, &zero);
	if (!thread)
		return NULL;
	if (bpf_map_update_elem(&threads, &tid, thread, BPF_ANY)) {
		count_loss(LOSS_THREAD_STATE, 0);
		return NULL;
	}
	thread = bpf_map_lookup_elem(&threads, &tid);
	if (!thread)
		return NULL;
	thread->account = process->account;
	thread->space = process->space;
	thread->start_time = task->start_time;
	return thread;
}

__hidden struct thread *thread__current(void)
{
	struct thread *thread = thread__known();

	return thread ? thread : thread__make();
}

/* A forked child begins with its parent's mappings and gets its own when they have been read. 1: they are
 * others now. */
__hidden int thread__renew_space(struct thread *thread)
{
	__u32 number = process_number((struct task_struct *)bpf_get_current_task_btf());
	struct process_entry *process = bpf_map_lookup_elem(&processes, &number);

	if (!process || process->space == thread->space)
		return 0;
	thread->space = process->space;
	return 1;
}

/* Forgets a thread that is going; what it had under way will not be seen to end. */
static void end_thread(__u32 tid)
{
	struct thread *thread = bpf_map_lookup_elem(&threads, &tid);
	int domain;

	if (!thread || !tid)
		return;
	for (domain = 0; domain < DOMAIN_COUNT; domain++)
		call__abandon(&thread->calls[domain]);
	ledger__end_thread(thread);
	bpf_map_delete_elem(&threads, &tid);
}

SEC("tp_btf/sched_process_fork")
int on_fork(__u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	struct event event = {.type = EVENT_FORK};
	struct process_entry *process, opened = {};
	__u32 number;

	if (!follow_forks || BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0; /* of no interest, or a thread */
	number = process_number(parent);
	process = bpf_map_lookup_elem(&processes, &number);
	if (!process)
		return 0;
	event.account = process->account;
	event.pid = number;
	event.other = process_number(child);
	if (event.other) {
		opened.account = __sync_fetch_and_add(&next_account, 1);
		opened.space = process->space; /* a copy of the parent's, until user space has read its own */
		opened.start_ns = BPF_CORE_READ(child, start_boottime);
		if (bpf_map_update_elem(&processes, &event.other, &opened, BPF_ANY))
			count_loss(LOSS_ACCOUNTS_FULL, 0);
		else
			event.arg[0] = opened.account;
	}
	send_event(&event);
	return 0;
}

/* (task, old pid, binprm): by now the other threads are gone and the task has its leader's number. */
SEC("tp_btf/sched_process_exec")
int on_exec(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct event event = {.type = EVENT_EXEC};
	struct process_entry *process;

	event.pid = process_number(task);
	process = bpf_map_lookup_elem(&processes, &event.pid);
	if (!process)
		return 0;
	end_thread((__u32)ctx[1]);
	end_thread(BPF_CORE_READ(task, pid));
	event.account = process->account;
	event.other = __sync_fetch_and_add(&next_account, 1);
	process->account = event.other;
	process->space = event.other;
	send_event(&event);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int on_exit(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct event event = {.type = EVENT_EXIT};
	struct process_entry *process;

	end_thread(BPF_CORE_READ(task, pid));
	if (BPF_CORE_READ(task, signal, live.counter))
		return 0; /* other threads go on */
	event.pid = process_number(task);
	process = bpf_map_lookup_elem(&processes, &event.pid);
	if (!process)
		return 0;
	event.account = process->account;
	event.arg[0] = BPF_CORE_READ(task, exit_code);
	bpf_map_delete_elem(&processes, &event.pid);
	send_event(&event);
	return 0;
}
