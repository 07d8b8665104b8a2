// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "target/process.h"

/* A child that does @prepare, says so, and then waits to be killed. */
static pid_t start_child(void (*prepare)(void))
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (prepare)
			prepare();
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void take_a_bad_name(void)
{
	prctl(PR_SET_NAME, ") R 1 (\n\xff x)");
}

static uint64_t boot_ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 100 + (uint64_t)now.tv_nsec / 10000000;
}

static void name_and_start(void **state)
{
	struct process process;
	uint64_t before, after;
	pid_t pid;

	(void)state;
	assert_int_equal(sysconf(_SC_CLK_TCK), 100);
	before = boot_ticks();
	pid = start_child(take_a_bad_name);
	after = boot_ticks();
	assert_int_equal(process__read(pid, &process, NULL), 0);
	assert_int_equal(process.pid, pid);
	assert_string_equal(process.comm, ") R 1 (?? x)");
	assert_in_range(process.start_ticks, before, after);
	assert_int_equal(process.seccomp, 0);
	assert_false(process.kernel_thread);
	assert_false(process.zombie);
	assert_true(process__alive(&process));
	assert_int_equal(process__check(&process, NULL), 0);
	process.start_ticks++;
	assert_false(process__alive(&process));
	end_child(pid);
}

static void ended(void **state)
{
	struct process process, zombie;
	struct error error = {0};
	uint64_t bytes;
	siginfo_t info;
	pid_t pid;

	(void)state;
	pid = start_child(NULL);
	assert_int_equal(process__read(pid, &process, &error), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(process__read(pid, &zombie, &error), 0);
	assert_true(zombie.zombie);
	assert_int_equal(process__check(&zombie, &error), -ESRCH);
	assert_false(process__alive(&process));
	assert_int_equal(process__rss(pid, &bytes), -ESRCH);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(process__check(&process, &error), -ESRCH);
	assert_non_null(strstr(error.text, "has ended"));
	assert_int_equal(process__read(pid, &process, &error), -ESRCH);
	assert_non_null(strstr(error.text, "no process"));
	assert_int_equal(process__rss(pid, &bytes), -ESRCH);
	assert_int_equal(process__read(0, &process, &error), -ESRCH);
	assert_int_equal(process__read(-1, &process, &error), -ESRCH);
}

static void *report_tid(void *context)
{
	int *pipes = context;
	pid_t tid = (pid_t)syscall(SYS_gettid);
	char byte;

	if (write(pipes[1], &tid, sizeof(tid)) != sizeof(tid) || read(pipes[2], &byte, 1) != 1)
		return context;
	return NULL;
}

static void a_thread_is_no_process(void **state)
{
	struct error error = {0};
	struct process process;
	pthread_t thread;
	int pipes[4];
	void *result;
	pid_t tid;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(pipe(pipes + 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, report_tid, pipes), 0);
	assert_int_equal(read(pipes[0], &tid, sizeof(tid)), sizeof(tid));
	assert_int_equal(process__read(tid, &process, &error), -ESRCH);
	assert_non_null(strstr(error.text, "is a thread of process"));
	assert_int_equal(write(pipes[3], "", 1), 1);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
	for (int i = 0; i < 4; i++)
		close(pipes[i]);
}

static void a_kernel_thread_is_refused(void **state)
{
	struct error error = {0};
	struct process process;

	(void)state;
	/* In a pid namespace of its own there are no kernel threads to be seen. */
	if (process__read(2, &process, &error) || strcmp(process.comm, "kthreadd"))
		skip();
	assert_true(process.kernel_thread);
	assert_int_equal(process__check(&process, &error), -EINVAL);
	assert_non_null(strstr(error.text, "kernel thread"));
}

static void filter_system_calls(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = 1, .filter = &allow};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(1);
}

static void seccomp_mode(void **state)
{
	struct process process;
	pid_t pid;

	(void)state;
	pid = start_child(filter_system_calls);
	assert_int_equal(process__read(pid, &process, NULL), 0);
	assert_int_equal(process.seccomp, 2);
	end_child(pid);
}

static void resident_size(void **state)
{
	const size_t size = 32u << 20;
	uint64_t before, after;
	char *memory;

	(void)state;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED);
	assert_int_equal(process__rss(getpid(), &before), 0);
	memset(memory, 1, size);
	assert_int_equal(process__rss(getpid(), &after), 0);
	/* The kernel counts in batches per CPU, so a little may be on its way. */
	assert_in_range(after - before, size - (2u << 20), size + (2u << 20));
	munmap(memory, size);
}

/* A 32-bit program that waits: pause() by int 0x80, again and again. */
static const struct {
	Elf32_Ehdr header;
	Elf32_Phdr segment;
	unsigned char code[16];
} narrow_program = {
	.header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
		   .e_type = ET_EXEC,
		   .e_machine = EM_386,
		   .e_version = EV_CURRENT,
		   .e_entry = 0x10000 + sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr),
		   .e_phoff = sizeof(Elf32_Ehdr),
		   .e_ehsize = sizeof(Elf32_Ehdr),
		   .e_phentsize = sizeof(Elf32_Phdr),
		   .e_phnum = 1},
	.segment = {.p_type = PT_LOAD,
		    .p_vaddr = 0x10000,
		    .p_filesz = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr) + 16,
		    .p_memsz = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr) + 16,
		    .p_flags = PF_R | PF_X,
		    .p_align = 0x1000},
	.code = {0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7},
};

static void a_32_bit_program_is_refused(void **state)
{
	char *const arguments[] = {"narrow", NULL};
	struct error error = {0};
	struct process process;
	int fd, gone[2], code;
	ssize_t got;
	pid_t pid;

	(void)state;
	fd = memfd_create("narrow", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, &narrow_program, sizeof(narrow_program)), sizeof(narrow_program));
	assert_int_equal(pipe2(gone, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fexecve(fd, arguments, arguments + 1);
		code = errno;
		_exit(write(gone[1], &code, sizeof(code)) != sizeof(code));
	}
	close(gone[1]);
	close(fd);
	/* The pipe closes when the program runs; otherwise it brings the reason. */
	got = read(gone[0], &code, sizeof(code));
	close(gone[0]);
	if (got) {
		end_child(pid);
		/* A kernel without IA32 emulation has no such processes. */
		assert_int_equal(code, ENOEXEC);
		skip();
	}
	assert_int_equal(process__read(pid, &process, &error), 0);
	assert_int_equal(process__check(&process, &error), -ENOTSUP);
	assert_non_null(strstr(error.text, "32-bit"));
	end_child(pid);
}

static void not_ours_to_look_into(void **state)
{
	struct error error = {0};
	struct process process;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(process__read(geteuid() ? 1 : getpid(), &process, &error), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (!geteuid() && setuid(65534))
			_exit(1);
		if (process__check(&process, &error) != -EACCES)
			_exit(2);
		_exit(strstr(error.text, "CAP_SYS_PTRACE") ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_and_start),
		cmocka_unit_test(ended),
		cmocka_unit_test(a_thread_is_no_process),
		cmocka_unit_test(a_kernel_thread_is_refused),
		cmocka_unit_test(seccomp_mode),
		cmocka_unit_test(resident_size),
		cmocka_unit_test(a_32_bit_program_is_refused),
		cmocka_unit_test(not_ours_to_look_into),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
