// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/shield.h"

struct seen {
	pid_t pid, group;
	uint64_t blocked;
	int fd;
	char *text;
	int result;
};

static uint64_t blocked_signals(void)
{
	uint64_t set = 0;

	assert_int_equal(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &set, sizeof(set)), 0);
	return set;
}

static int look(void *context)
{
	struct seen *seen = context;

	seen->pid = getpid();
	seen->group = getpgid(0);
	seen->blocked = blocked_signals();
	seen->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	seen->text = strdup("from over there");
	return seen->result;
}

static void runs_elsewhere_in_the_same_memory(void **state)
{
	uint64_t every = ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1)), before = blocked_signals();
	struct seen seen = {.result = -ENOTSUP};

	(void)state;
	assert_int_equal(shield__run(look, &seen), -ENOTSUP);
	assert_int_not_equal(seen.pid, getpid());
	assert_int_equal(seen.group, seen.pid);
	assert_true(seen.blocked == every);
	assert_true(blocked_signals() == before);
	assert_string_equal(seen.text, "from over there");
	free(seen.text);
	/* A descriptor that was opened there is open here; one that was closed there is closed here. */
	assert_int_equal(fcntl(seen.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(close(seen.fd), 0);
}

static int close_it(void *context)
{
	return close(*(int *)context);
}

static void closes_for_everybody(void **state)
{
	int pipe_fds[2];
	char byte;

	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(shield__run(close_it, &pipe_fds[1]), 0);
	assert_int_equal(fcntl(pipe_fds[1], F_GETFD), -1);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 0);
	close(pipe_fds[0]);
}

static volatile sig_atomic_t children_told, terminated;

static void count_signal(int number)
{
	if (number == SIGCHLD)
		children_told++;
	else
		terminated++;
}

static int terminate_both(void *context)
{
	kill(getppid(), SIGTERM);
	kill(getpid(), SIGTERM);
	kill(getpid(), SIGSEGV); /* sent, not caused: held back, too */
	return terminated + *(int *)context;
}

/* Nobody is told of the process or left to wait for it; what is sent meanwhile arrives later, and here only.
 */
static void leaves_signals_and_children_alone(void **state)
{
	struct sigaction count = {.sa_handler = count_signal}, old_child, old_term;
	int zero = 0, status = 0;
	pid_t child;

	(void)state;
	sigaction(SIGCHLD, &count, &old_child);
	sigaction(SIGTERM, &count, &old_term);
	assert_int_equal(shield__run(terminate_both, &zero), 0);
	assert_int_equal(terminated, 1);
	assert_int_equal(children_told, 0);
	assert_int_equal(waitpid(-1, NULL, __WALL | WNOHANG), -1);
	assert_int_equal(errno, ECHILD);

	/* Another child's end before and during a run is still there to be waited for. */
	child = fork();
	if (!child)
		_exit(7);
	for (int i = 0; i < 20; i++)
		assert_int_equal(shield__run(terminate_both, &zero), i + 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(children_told, 1);
	sigaction(SIGCHLD, &old_child, NULL);
	sigaction(SIGTERM, &old_term, NULL);
}

static int kill_own_process(void *context)
{
	(void)context;
	kill(getpid(), SIGKILL);
	return 0;
}

static void says_that_it_was_killed(void **state)
{
	uint64_t before = blocked_signals();

	(void)state;
	assert_int_equal(shield__run(kill_own_process, NULL), -EINTR);
	assert_true(blocked_signals() == before);
}

struct slow_work {
	int go, done;
};

/* Both ends are the work's own: it says that it has begun, waits for leave, and says that it is through. */
static int work_slowly(void *context)
{
	struct slow_work *work = context;
	char byte = 'b';

	if (write(work->done, &byte, 1) != 1 || read(work->go, &byte, 1) != 1)
		return -EIO;
	byte = 'e';
	return write(work->done, &byte, 1) == 1 ? 0 : -EIO;
}

/* @to_group: the signal is for the whole process group, as a terminal's is. */
static void outlives(int number, bool to_group)
{
	int go[2], done[2], status = 0;
	char byte = 0;
	pid_t child;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		struct slow_work work = {go[0], done[1]};

		setpgid(0, 0);
		signal(number, SIG_DFL); /* whoever runs the tests may ignore it */
		close(go[1]);
		close(done[0]);
		shield__run(work_slowly, &work);
		_exit(0); /* not reached: the signal comes first */
	}
	close(go[0]);
	close(done[1]);
	assert_int_equal(read(done[0], &byte, 1), 1);
	assert_int_equal(byte, 'b');
	assert_int_equal(kill(to_group ? -child : child, number), 0);
	/* A SIGKILL ends it at once, with its work under way; what can be held back waits. */
	if (number == SIGKILL)
		assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(write(go[1], "g", 1), 1);
	assert_int_equal(read(done[0], &byte, 1), 1);
	assert_int_equal(byte, 'e');
	if (number != SIGKILL)
		assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), number);
	/* The last holder of the descriptors has gone, too: the pipe ends. */
	assert_int_equal(read(done[0], &byte, 1), 0);
	close(go[1]);
	close(done[0]);
}

static void outlives_its_caller(void **state)
{
	(void)state;
	outlives(SIGKILL, false);
	outlives(SIGKILL, true);
	outlives(SIGINT, true);
	outlives(SIGTERM, false);
	outlives(SIGUSR1, true);
}

static int own_pid(void *context)
{
	*(pid_t *)context = getpid();
	return 5;
}

/* As another user: root's processes are not limited. */
static void works_without_a_process(void **state)
{
	struct rlimit none = {0, 0};
	int status = 0;
	pid_t child;

	(void)state;
	child = fork();
	if (!child) {
		pid_t pid = 0;

		if ((geteuid() == 0 && setuid(65534)) || setrlimit(RLIMIT_NPROC, &none))
			_exit(2);
		_exit(shield__run(own_pid, &pid) == 5 && pid == getpid() && !blocked_signals() ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int use_stack(void *context)
{
	volatile char bytes[200 << 10];

	memset((void *)bytes, *(int *)context, sizeof(bytes));
	return bytes[0] + bytes[sizeof(bytes) - 1];
}

static long mapped_pages(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = -1;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%ld", &pages), 1);
	fclose(file);
	return pages;
}

static void gives_its_stack_back(void **state)
{
	int seven = 7;
	long before;

	(void)state;
	assert_int_equal(shield__run(use_stack, &seven), 14);
	before = mapped_pages();
	for (int i = 0; i < 100; i++)
		assert_int_equal(shield__run(use_stack, &seven), 14);
	assert_true(mapped_pages() - before < 64); /* one stack */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_elsewhere_in_the_same_memory),
		cmocka_unit_test(closes_for_everybody),
		cmocka_unit_test(leaves_signals_and_children_alone),
		cmocka_unit_test(says_that_it_was_killed),
		cmocka_unit_test(outlives_its_caller),
		cmocka_unit_test(works_without_a_process),
		cmocka_unit_test(gives_its_stack_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
