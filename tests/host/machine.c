// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "machine.h"

struct machine_process *machine__process(int number, enum machine_mode mode)
{
	struct machine_process *process = calloc(1, sizeof(*process));

	process->number = number;
	process->mode = mode;
	process->xol.vaddr = TRAMPOLINE;
	process->mm.uprobes_state.xol_area = &process->xol;
	/* Where the outermost frame's rbp points, which is 0: there is no return address. */
	fake_memory__add(&process->memory, 0, 16);
	return process;
}

struct machine_thread *machine__thread(struct machine_process *process, int number, __u64 start)
{
	struct machine_thread *thread = calloc(1, sizeof(*thread));

	if (!process->leader)
		process->leader = thread;
	thread->process = process;
	thread->task.mm = &process->mm;
	thread->task.pid = number;
	thread->task.tgid = process->number;
	thread->task.start_time = start;
	thread->task.start_boottime = start + 7;
	thread->task.group_leader = &process->leader->task;
	thread->task.signal = &process->signal;
	thread->stack = STACKS_LOWEST + process->memory.regions.count * STACKS_APART;
	fake_memory__add(&process->memory, thread->stack, STACK_BYTES);
	return thread;
}

void machine__free(struct machine_process *process)
{
	if (!process)
		return;
	fake_memory__free(&process->memory);
	free(process);
}

__u32 machine__watch(int number)
{
	struct process_entry entry = {.account = next_account, .space = next_account};
	struct unwind_space space = {.count = 3, .generation = next_account++};
	__u64 end = MACHINE_CODE + FAKE_FRAME_CODE;
	__u32 key = number;

	space.mappings[0] = (struct unwind_mapping){4096, MACHINE_CODE, 4096, FAKE_NO_ROWS};
	space.mappings[1] = (struct unwind_mapping){MACHINE_CODE, end, 0, FAKE_FRAME_ROWS};
	space.mappings[2] = (struct unwind_mapping){end, USER_LIMIT, 4096, FAKE_NO_ROWS};
	bpf_map_update_elem(&spaces, &entry.space, &space, BPF_ANY);
	bpf_map_update_elem(&processes, &key, &entry, BPF_ANY);
	return entry.account;
}

void machine__switch(struct machine_thread *thread)
{
	fake.task = &thread->task;
	fake.memory = &thread->process->memory;
	fake.cpu = (fake.cpu + 1) % FAKE_CPUS;
}

/* Whether the return is to be seen. */
static bool run_entry(struct machine_thread *thread, __u64 cookie, struct registers *regs)
{
	__u32 kind = COOKIE_KIND(cookie);

	fake.cookie = cookie;
	fake.is_return = false;
	if (thread->process->mode == MACHINE_SESSION)
		return !call_session(regs);
	if (thread->process->mode == MACHINE_MULTI)
		call_multi_entry(regs);
	else
		call_perf_entry(regs);
	return kind != CALL_FREE && kind != CALL_MUNMAP;
}

static void run_return(struct machine_thread *thread, __u64 cookie, struct registers *regs)
{
	fake.cookie = cookie;
	fake.is_return = true;
	if (thread->process->mode == MACHINE_SESSION)
		call_session(regs);
	else if (thread->process->mode == MACHINE_MULTI)
		call_multi_return(regs);
	else
		call_perf_return(regs);
}

/* prepare_uretprobe(), cleanup_return_instances(), arch_uretprobe_is_alive() of x86 */
static void prepare_return(struct machine_thread *thread, __u64 cookie, __u64 sp)
{
	struct fake_memory *memory = &thread->process->memory;
	struct machine_return *top, made = {.sp = sp, .cookie = cookie};

	fake_memory__read(memory, sp, &made.return_address, 8);
	made.chained = made.return_address == TRAMPOLINE;
	while (thread->instance_count) {
		top = &thread->instances[thread->instance_count - 1];
		if (made.chained ? sp <= top->sp : sp < top->sp)
			break;
		thread->instance_count--;
	}
	if (made.chained) {
		if (!thread->instance_count)
			abort(); /* the kernel would have had a return address of nobody's */
		made.return_address = thread->instances[thread->instance_count - 1].return_address;
	}
	if (thread->instance_count == INSTANCES_MAX)
		return;
	thread->instances[thread->instance_count++] = made;
	fake_memory__put(memory, sp, TRAMPOLINE);
}

static void show_returns(struct machine_thread *thread)
{
	struct return_instance *outer = NULL;

	for (size_t i = 0; i < thread->instance_count; i++) {
		thread->returns[i].stack = thread->instances[i].sp;
		thread->returns[i].orig_ret_vaddr = thread->instances[i].return_address;
		thread->returns[i].next = outer;
		outer = &thread->returns[i];
	}
	thread->utask.return_instances = outer;
	thread->task.utask = &thread->utask;
}

bool machine__enter(struct machine_thread *thread, __u64 cookie, struct registers regs, __u64 sp, __u64 from)
{
	machine__switch(thread);
	if (from)
		fake_memory__put(&thread->process->memory, sp, from);
	regs.rsp = sp - COOKIE_SP_ADJUST(cookie);
	if (!run_entry(thread, cookie, &regs))
		return false;
	prepare_return(thread, cookie, sp);
	show_returns(thread);
	return true;
}

void machine__probe_return(struct machine_thread *thread, __u64 sp)
{
	prepare_return(thread, 0, sp);
	show_returns(thread);
}

/* The first instance of the next chain out from @index: how many instances are left then. */
static size_t next_chain(struct machine_thread *thread, size_t count)
{
	while (count && thread->instances[count - 1].chained)
		count--;
	return count ? count - 1 : 0;
}

/* handle_trampoline() */
bool machine__leave(struct machine_thread *thread, __u64 sp, __u64 result, __u64 fp)
{
	struct registers regs = {.rax = result, .rbp = fp, .rsp = sp + 8};
	__u64 word = 0;
	size_t next;
	bool valid;

	machine__switch(thread);
	fake_memory__read(&thread->process->memory, sp, &word, sizeof(word));
	if (word != TRAMPOLINE)
		return false;
	do {
		if (!thread->instance_count)
			abort(); /* the kernel would kill the process */
		next = next_chain(thread, thread->instance_count);
		valid = !next || regs.rsp <= thread->instances[next - 1].sp;
		while (thread->instance_count > next) {
			struct machine_return *top = &thread->instances[--thread->instance_count];

			regs.rip = top->return_address;
			show_returns(thread);
			if (valid)
				run_return(thread, top->cookie, &regs);
		}
	} while (!valid);
	return true;
}

void machine__exit(struct machine_thread *thread, int rest, int code)
{
	__u64 context[1] = {(uintptr_t)&thread->task};

	machine__switch(thread);
	thread->process->signal.live.counter = rest;
	thread->task.exit_code = code;
	process_on_exit(context);
}
