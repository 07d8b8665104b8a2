// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel puts probes in and takes them out in the address space of the watched process, with the means of
 * ptrace: __get_user_pages(), which gives up with -EINTR once a fatal signal is pending for the task that
 * asks. Where that happens to uprobe_unregister() the kernel says "failed to unregister, leaking uprobe" and
 * leaves the breakpoints in the process for the rest of its life. A task that is killed at rest is not
 * concerned: its signal is no longer pending when its exit closes the links. So what sets and takes out
 * probes is done by a task which no signal to memwatch, its process group or its terminal reaches.
 */
#include "base/shield.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_BYTES (256u << 10)
#define GUARD_BYTES (4u << 10)

struct shielded {
	int (*fn)(void *context);
	void *context;
	int result;
	bool done;
};

/* All 64 signals: sigprocmask() keeps those of the C library's own out of what may be blocked. */
static uint64_t set_signals(int how, uint64_t set)
{
	uint64_t before = 0;

	syscall(SYS_rt_sigprocmask, how, &set, &before, sizeof(set));
	return before;
}

/*
 * In the process. Its memory is memwatch's, also the C library's thread structure with errno in it, as
 * between vfork and exec; nothing of that notices, as memwatch stands still or is gone. The end is the system
 * call: exit handlers and stdio's buffers are memwatch's.
 */
static int run_shielded(void *argument)
{
	struct shielded *shielded = argument;

	setpgid(0, 0);
	prctl(PR_SET_NAME, "mw-shield"); /* not what `killall memwatch` and `pkill memwatch` look for */
	shielded->result = shielded->fn(shielded->context);
	shielded->done = true;
	syscall(SYS_exit_group, 0);
	return 0;
}

/* Below the stack is a page that nobody may touch. NULL: no memory. */
static char *map_stack(void)
{
	char *stack = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		return NULL;
	mprotect(stack, GUARD_BYTES, PROT_NONE);
	return stack;
}

/*
 * Without an exit signal nobody is told of its end, and nobody's wait() for another child gets it: only
 * __WCLONE does. CLONE_VFORK makes memwatch wait, as its memory and C library are good for one at a time.
 */
static bool run_in_process(struct shielded *shielded)
{
	char *stack = map_stack();
	pid_t pid;

	if (!stack)
		return false;
	pid = clone(run_shielded, stack + GUARD_BYTES + STACK_BYTES, CLONE_VM | CLONE_FILES | CLONE_VFORK,
		    shielded);
	if (pid > 0) {
		while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
			;
	}
	munmap(stack, GUARD_BYTES + STACK_BYTES);
	return pid > 0;
}

int shield__run(int (*fn)(void *context), void *context)
{
	struct shielded shielded = {.fn = fn, .context = context};
	uint64_t before = set_signals(SIG_BLOCK, UINT64_MAX);

	/*
	 * A limit on processes is no reason not to watch, and none at all not to take the probes out: here,
	 * too, they come to harm only by a SIGKILL at the wrong moment.
	 */
	if (!run_in_process(&shielded)) {
		shielded.result = fn(context);
		shielded.done = true;
	}
	set_signals(SIG_SETMASK, before);
	return shielded.done ? shielded.result : -EINTR;
}
