// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "session/control.h"

static void one_mark(void **state)
{
	char name[MARK_NAME_MAX + 1] = "";
	struct error error = {0};
	int fd = control__listen(getpid());

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(control__receive(fd, name), 0);
	assert_int_equal(control__send_mark(getpid(), "request 1", &error), 0);
	assert_int_equal(control__send_mark(getpid(), "", &error), 0);
	assert_int_equal(control__receive(fd, name), 1);
	assert_string_equal(name, "request 1");
	assert_int_equal(control__receive(fd, name), 1);
	assert_string_equal(name, "");
	assert_int_equal(control__receive(fd, name), 0);
	assert_string_equal(error.text, "");
	close(fd);
}

static void nobody_listens(void **state)
{
	struct error error = {0};
	char number[16];

	(void)state;
	assert_int_equal(control__send_mark(getpid(), "x", &error), -ESRCH);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	assert_non_null(strstr(error.text, number));
	assert_null(strchr(error.text, '\n'));
}

static void one_listener(void **state)
{
	int fd = control__listen(getpid());

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(control__listen(getpid()), -EADDRINUSE);
	close(fd);
	/* The name goes with the socket. */
	fd = control__listen(getpid());
	assert_true(fd >= 0);
	close(fd);
}

/* A mark is printed: it must not speak to the terminal, nor be longer than its room. */
static void hostile_names(void **state)
{
	char name[MARK_NAME_MAX + 1], sent[4096];
	int fd = control__listen(getpid());

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(control__send_mark(getpid(), "a\033[2Jb\nc\x7f\td", NULL), 0);
	assert_int_equal(control__receive(fd, name), 1);
	assert_string_equal(name, "a?[2Jb?c??d");
	memset(sent, 'x', sizeof(sent) - 1);
	sent[sizeof(sent) - 1] = '\0';
	assert_int_equal(control__send_mark(getpid(), sent, NULL), 0);
	memset(name, 'y', sizeof(name));
	assert_int_equal(control__receive(fd, name), 1);
	assert_int_equal(strlen(name), MARK_NAME_MAX);
	assert_int_equal(strspn(name, "x"), MARK_NAME_MAX);
	assert_int_equal(control__receive(fd, name), 0);
	close(fd);
}

/* What another user sends does not count, and does not hide what comes after it. */
static void other_users(void **state)
{
	char name[MARK_NAME_MAX + 1];
	pid_t pid = getpid(), child;
	int fd, status;

	(void)state;
	if (geteuid()) {
		print_message("skipped: only root can be somebody else\n");
		skip();
	}
	fd = control__listen(pid);
	assert_true(fd >= 0);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(setuid(65534) || control__send_mark(pid, "stranger", NULL) ? 1 : 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(control__receive(fd, name), 0);
	assert_int_equal(control__send_mark(pid, "own", NULL), 0);
	assert_int_equal(control__receive(fd, name), 1);
	assert_string_equal(name, "own");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_mark),     cmocka_unit_test(nobody_listens),
		cmocka_unit_test(one_listener), cmocka_unit_test(hostile_names),
		cmocka_unit_test(other_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
