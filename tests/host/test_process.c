// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which processes are watched: fork, exec, exit, numbers that are used again, pid namespaces. */
#include "bench.h"

static struct bench bench;

static int begin(void **state)
{
	(void)state;
	start(&bench, MACHINE_MULTI, NULL);
	follow_forks = 1;
	return 0;
}

static int end(void **state)
{
	(void)state;
	stop(&bench);
	return 0;
}

static void allocate(struct machine_thread *thread, __u64 block, __u64 size)
{
	__u64 sp = thread->stack + STACK_BYTES - 512;

	machine__enter(thread, malloc_site, args(size, 0, 0), sp, SITE_A);
	machine__leave(thread, sp, block, 0);
}

static void fork_to(struct machine_thread *parent, struct machine_thread *child)
{
	__u64 context[2] = {(uintptr_t)&parent->task, (uintptr_t)&child->task};

	machine__switch(parent);
	on_fork(context);
}

static void exec_from(struct machine_thread *thread, int old_number)
{
	__u64 context[3] = {(uintptr_t)&thread->task, old_number, 0};

	machine__switch(thread);
	on_exec(context);
}

static struct event *last_event(void)
{
	assert_true(fake.events.count > 0);
	return &fake.events.items[fake.events.count - 1];
}

static __u32 account_of(int number)
{
	__u32 key = number;
	struct process_entry *entry = bpf_map_lookup_elem(&processes, &key);

	return entry ? entry->account : 0;
}

static void unwatched(void **state)
{
	struct machine_process *process = machine__process(5, MACHINE_MULTI);
	struct machine_thread *thread = machine__thread(process, 5, 300);

	(void)state;
	allocate(thread, 0x5000, 10);
	machine__exit(thread, 0, 0);
	assert_int_equal(fake__live_count(), 0);
	assert_int_equal(fake__tally(TALLY_ENTRY_EMULATED), 0);
	assert_int_equal(fake.events.count, 0);
	assert_int_equal(HASH_COUNT(fake.threads.entries), 1); /* the image */
	assert_int_equal(fake__losses(), 0);
	free(thread);
	machine__free(process);
}

static void follows_a_child(void **state)
{
	struct machine_process *process = machine__process(500, MACHINE_MULTI);
	struct machine_thread *child = machine__thread(process, 500, 300);

	(void)state;
	allocate(bench.a, 0x5000, 10);
	fork_to(bench.a, bench.b); /* a thread: no process of its own */
	assert_int_equal(fake.events.count, 0);
	fork_to(bench.a, child);
	assert_int_equal(last_event()->type, EVENT_FORK);
	assert_int_equal(last_event()->account, bench.account);
	assert_int_equal(last_event()->pid, PID);
	assert_int_equal(last_event()->other, 500);
	assert_int_equal(last_event()->arg[0], account_of(500));
	assert_int_not_equal(account_of(500), 0);
	assert_int_not_equal(account_of(500), bench.account);
	allocate(child, 0x5000, 30); /* its copy of the parent's memory is its own */
	assert_int_equal(fake__live(bench.account, DOMAIN_HEAP, 0x5000)->size, 10);
	assert_int_equal(fake__live(account_of(500), DOMAIN_HEAP, 0x5000)->size, 30);
	assert_int_equal(fake__losses(), 0);
	free(child);
	machine__free(process);
}

static void does_not_follow(void **state)
{
	struct machine_process *process = machine__process(500, MACHINE_MULTI);
	struct machine_thread *child = machine__thread(process, 500, 300);

	(void)state;
	follow_forks = 0;
	fork_to(bench.a, child);
	allocate(child, 0x5000, 30);
	assert_int_equal(account_of(500), 0);
	assert_int_equal(fake__live_count(), 0);
	assert_int_equal(fake__losses(), 0);
	free(child);
	machine__free(process);
}

static void too_many_processes(void **state)
{
	struct machine_process *process = machine__process(500, MACHINE_MULTI);
	struct machine_thread *child = machine__thread(process, 500, 300);

	(void)state;
	fake.processes.max_entries = 1;
	fork_to(bench.a, child);
	assert_int_equal(fake__loss(LOSS_ACCOUNTS_FULL).events, 1);
	assert_int_equal(last_event()->type, EVENT_FORK);
	assert_int_equal(last_event()->arg[0], 0); /* no account was opened */
	assert_int_equal(fake__losses(), 1);
	free(child);
	machine__free(process);
}

/* One of two threads executes another program: it gets the leader's number, the rest are gone. */
static void exec_closes_the_account(void **state)
{
	__u32 before = bench.account, after;

	(void)state;
	allocate(bench.a, 0x5000, 10);
	machine__enter(bench.b, malloc_site, args(20, 0, 0), bench.sp_b, SITE_B);
	machine__exit(bench.a, 1, 0);
	bench.b->task.pid = PID;
	bench.b->task.group_leader = &bench.b->task;
	bench.b->task.start_boottime = bench.a->task.start_boottime; /* as de_thread() has it */
	exec_from(bench.b, PID + 1);
	after = account_of(PID);
	assert_int_equal(last_event()->type, EVENT_EXEC);
	assert_int_equal(last_event()->account, before);
	assert_int_equal(last_event()->other, after);
	assert_int_equal(last_event()->pid, PID);
	assert_int_not_equal(after, before);
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).bytes, 20);
	assert_int_equal(HASH_COUNT(fake.threads.entries), 1);
	allocate(bench.b, 0x5000, 30);
	assert_int_equal(fake__live(before, DOMAIN_HEAP, 0x5000)->size, 10);
	assert_int_equal(fake__live(after, DOMAIN_HEAP, 0x5000)->size, 30);
	/* What the new program has mapped is not known yet. */
	assert_int_equal(fake__loss(LOSS_STACK_NO_MAPPING).events, 1);
	assert_int_equal(fake__losses(), 2);
}

static void exit_closes_the_account(void **state)
{
	(void)state;
	allocate(bench.a, 0x5000, 10);
	allocate(bench.b, 0x6000, 10);
	machine__exit(bench.b, 1, 0);
	assert_int_equal(account_of(PID), bench.account);
	assert_int_equal(fake.events.count, 0);
	machine__exit(bench.a, 0, 0x0b00);
	assert_int_equal(account_of(PID), 0);
	assert_int_equal(last_event()->type, EVENT_EXIT);
	assert_int_equal(last_event()->account, bench.account);
	assert_int_equal(last_event()->pid, PID);
	assert_int_equal(last_event()->arg[0], 0x0b00);
	assert_int_equal(HASH_COUNT(fake.threads.entries), 1);
	assert_int_equal(fake__losses(), 0);
}

/* Seen running, its end missed, its number given to another. */
static void number_of_another_process(void **state)
{
	struct machine_process *process = machine__process(PID, MACHINE_MULTI);
	struct machine_thread *thread = machine__thread(process, PID, 900);

	(void)state;
	allocate(bench.a, 0x5000, 10);
	allocate(thread, 0x6000, 20);
	assert_int_equal(fake__live_count(), 1);
	assert_null(fake__live(bench.account, DOMAIN_HEAP, 0x6000));
	allocate(bench.a, 0x7000, 30);
	assert_int_equal(fake__live_count(), 2);
	assert_int_equal(fake__losses(), 0);
	free(thread);
	machine__free(process);
}

/* A thread's number that is another's now does not inherit the call under way. */
static void number_of_another_thread(void **state)
{
	(void)state;
	machine__enter(bench.b, malloc_site, args(20, 0, 0), bench.sp_b, SITE_B);
	bench.b->task.start_time = 5000;
	bench.b->instance_count = 0;
	allocate(bench.b, 0x5000, 30);
	assert_int_equal(fake__live_count(), 1);
	assert_int_equal(fake__live(bench.account, DOMAIN_HEAP, 0x5000)->size, 30);
}

/* A pid as pid.h has it, with numbers in namespaces from the initial one down. */
static struct pid *make_pid(const int *numbers, struct pid_namespace *namespaces, unsigned levels)
{
	struct pid *pid = calloc(1, sizeof(*pid) + levels * sizeof(struct upid));

	pid->level = levels - 1;
	for (unsigned i = 0; i < levels; i++) {
		pid->numbers[i].nr = numbers[i];
		pid->numbers[i].ns = &namespaces[i];
	}
	return pid;
}

static void pid_namespaces(void **state)
{
	struct pid_namespace namespaces[3] = {{{100}}, {{200}}, {{300}}};
	struct pid *pid = make_pid((const int[]){PID, 42, 7}, namespaces, 3);
	static const int expected[] = {PID, 42, 7};

	(void)state;
	bench.a->task.thread_pid = pid;
	for (unsigned level = 0; level < 3; level++) {
		__u32 account = level ? machine__watch(expected[level]) : bench.account;

		pid_namespace_inum = namespaces[level].ns.inum;
		allocate(bench.b, 0x5000 + level, 10); /* number by way of its leader */
		assert_int_equal(fake__live_count(), level + 1);
		assert_non_null(fake__live(account, DOMAIN_HEAP, 0x5000 + level));
		machine__exit(bench.b, 1, 0);
	}
	machine__exit(bench.a, 0, 0);
	assert_int_equal(last_event()->pid, 7);
	/* Not visible where memwatch is. */
	pid_namespace_inum = 999;
	allocate(bench.b, 0x9000, 10);
	assert_int_equal(fake__live_count(), 3);
	assert_int_equal(fake__losses(), 0);
	free(pid);
}

/* A child in a namespace that memwatch cannot see is told of, but is nobody whom one could watch. */
static void invisible_child(void **state)
{
	struct pid_namespace namespaces[2] = {{{100}}, {{200}}};
	struct machine_process *process = machine__process(500, MACHINE_MULTI);
	struct machine_thread *child = machine__thread(process, 500, 300);
	struct pid *parent_pid = make_pid((const int[]){1000, PID}, namespaces, 2);
	struct pid *child_pid = make_pid((const int[]){500}, namespaces, 1);

	(void)state;
	pid_namespace_inum = 200;
	bench.a->task.thread_pid = parent_pid;
	child->task.thread_pid = child_pid;
	fork_to(bench.a, child);
	assert_int_equal(last_event()->other, 0);
	assert_int_equal(last_event()->arg[0], 0);
	assert_int_equal(HASH_COUNT(fake.processes.entries), 1);
	free(parent_pid);
	free(child_pid);
	free(child);
	machine__free(process);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(unwatched, begin, end),
		cmocka_unit_test_setup_teardown(follows_a_child, begin, end),
		cmocka_unit_test_setup_teardown(does_not_follow, begin, end),
		cmocka_unit_test_setup_teardown(too_many_processes, begin, end),
		cmocka_unit_test_setup_teardown(exec_closes_the_account, begin, end),
		cmocka_unit_test_setup_teardown(exit_closes_the_account, begin, end),
		cmocka_unit_test_setup_teardown(number_of_another_process, begin, end),
		cmocka_unit_test_setup_teardown(number_of_another_thread, begin, end),
		cmocka_unit_test_setup_teardown(pid_namespaces, begin, end),
		cmocka_unit_test_setup_teardown(invisible_child, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
