// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A service that answers requests, keeps a small cache, and forgets every session. One line leaks.
 *
 * usage: leak [-r REQUESTS] [-i INTERVAL_MS] [-s SESSION_BYTES] [-x EXIT_STATUS] [-k SIGNAL] [-h]
 *   -r  stop after so many (0: never); -i  wait between two; -k  end by this signal; -h  handshake before the
 * first and after the last
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "handshake.h"

#define CACHE 64

struct session {
	struct session *previous;
	char user[];
};

static struct session *sessions;
static char *cache[CACHE];

static __attribute__((noinline)) void open_session(size_t bytes)
{
	struct session *session = malloc(sizeof(*session) + bytes); /* the leak */

	if (!session)
		exit(1);
	session->previous = sessions;
	memset(session->user, 'u', bytes);
	sessions = session;
}

static __attribute__((noinline)) void answer(unsigned long request)
{
	char **place = &cache[request % CACHE];

	free(*place);
	*place = calloc(1, 100 + request % 1000);
}

static void pause_ms(long ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&time, NULL);
}

int main(int argc, char **argv)
{
	unsigned long requests = 0, bytes = 1000;
	int status = 0, signal_number = 0, handshake = 0, option;
	long interval = 1;

	while ((option = getopt(argc, argv, "r:i:s:x:k:h")) != -1) {
		if (option == 'r')
			requests = strtoul(optarg, NULL, 0);
		else if (option == 'i')
			interval = strtol(optarg, NULL, 0);
		else if (option == 's')
			bytes = strtoul(optarg, NULL, 0);
		else if (option == 'x')
			status = atoi(optarg);
		else if (option == 'k')
			signal_number = atoi(optarg);
		else if (option == 'h')
			handshake = 1;
		else
			return 2;
	}
	if (handshake)
		reach("ready");
	for (unsigned long request = 0; !requests || request < requests; request++) {
		answer(request);
		open_session(bytes);
		if (interval)
			pause_ms(interval);
	}
	if (handshake)
		reach("done");
	if (signal_number)
		raise(signal_number);
	return status;
}
