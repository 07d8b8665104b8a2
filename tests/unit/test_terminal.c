// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmocka.h>

#include "report/terminal.h"

/* A terminal @columns wide; @controller keeps it alive. */
static int open_terminal(unsigned short columns, int *controller)
{
	struct winsize size = {.ws_row = 24, .ws_col = columns};
	int fd;

	*controller = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(*controller >= 0);
	assert_int_equal(grantpt(*controller), 0);
	assert_int_equal(unlockpt(*controller), 0);
	fd = open(ptsname(*controller), O_RDWR | O_NOCTTY);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
	return fd;
}

static int set_up(void **state)
{
	(void)state;
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	unsetenv("COLUMNS");
	return 0;
}

static void pipes_are_plain(void **state)
{
	struct terminal terminal;
	int ends[2];

	(void)state;
	setenv("COLUMNS", "70", 1);
	assert_int_equal(pipe(ends), 0);
	terminal = terminal__detect(ends[1]);
	assert_false(terminal.colour);
	assert_int_equal(terminal.width, 0);
	close(ends[0]);
	close(ends[1]);
}

static void width(void **state)
{
	int controller, fd = open_terminal(123, &controller);
	struct winsize size = {0};

	(void)state;
	assert_int_equal(terminal__detect(fd).width, 123);
	setenv("COLUMNS", "70", 1);
	assert_int_equal(terminal__detect(fd).width, 123);
	assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
	assert_int_equal(terminal__detect(fd).width, 70);
	setenv("COLUMNS", "-5", 1);
	assert_int_equal(terminal__detect(fd).width, 80);
	close(fd);
	close(controller);
}

static void colour(void **state)
{
	int controller, fd = open_terminal(80, &controller);

	(void)state;
	assert_true(terminal__detect(fd).colour);
	setenv("NO_COLOR", "", 1); /* no-color.org: "when present and not an empty string" */
	assert_true(terminal__detect(fd).colour);
	setenv("NO_COLOR", "1", 1);
	assert_false(terminal__detect(fd).colour);
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	assert_false(terminal__detect(fd).colour);
	unsetenv("TERM");
	assert_false(terminal__detect(fd).colour);
	close(fd);
	close(controller);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(pipes_are_plain, set_up),
		cmocka_unit_test_setup(width, set_up),
		cmocka_unit_test_setup(colour, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
