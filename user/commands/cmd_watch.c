// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "commands/cmd_watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "commands/publisher.h"
#include "commands/whole_stacks.h"
#include "session/control.h"
#include "session/session.h"
#include "snapshot/engine_unwind.h"

#define COUNTING_NS 100000000ull /* hits are only counted that long, to project the cost */
#define SHORTEST_NS 50000000ull  /* an interval in which overhead can be told */
#define FDS_MAX     512

struct watch {
	const struct options *options;
	struct log log;
	struct session *session;
	struct publisher publisher;
	struct launch launch;
	bool launched;
	VEC(int) control_fds;
	int signal_fd, timer_fd;
	uint64_t reports;
	uint64_t last_ns;      /* CLOCK_MONOTONIC of the last look at the overhead */
	uint64_t leaked_bytes; /* outstanding when CMD ended */
	bool stop;
	struct error failure; /* of a report that a closing account asked for */
	int failed;
};

static void look_at_overhead(struct watch *watch)
{
	uint64_t now = clock__monotonic();

	/* Accounts that close together share what was measured when the first of them did. */
	if (now - watch->last_ns < SHORTEST_NS && watch->publisher.overhead_percent >= 0)
		return;
	watch->publisher.overhead_percent =
		session__overhead(watch->session, now - watch->last_ns, &watch->publisher.events);
	watch->last_ns = now;
}

static int64_t outstanding_bytes(const struct watched *watched)
{
	int64_t bytes = 0;

	vec_each (sample, &watched->profile->samples)
		bytes += sample->values[VALUE_INUSE_SPACE];
	return bytes;
}

static void say_unwinding(struct watch *watch)
{
	struct engine_unwind_stats stats = engine__unwind_stats(session__engine(watch->session));

	for (size_t i = 0; i < session__count(watch->session); i++) {
		if (!session__watched(watch->session, i)->ended)
			whole_stacks__say(&watch->log, session__watched(watch->session, i));
	}
	log__say(&watch->log, 1,
		 "unwind tables: %zu, %llu rows, %llu KiB of kernel memory, compiled in %llu ms",
		 stats.images, (unsigned long long)stats.rows, (unsigned long long)stats.bytes >> 10,
		 (unsigned long long)stats.compile_ns / 1000000);
}

/* The last report of an account. */
static void on_end(struct watched *watched, void *context)
{
	struct watch *watch = context;

	if (watch->launched && watched->process.pid == watch->launch.pid)
		watch->leaked_bytes = outstanding_bytes(watched);
	look_at_overhead(watch);
	whole_stacks__say(&watch->log, watched);
	/* What a shell forks and execs at once has no books worth a report. */
	if (!watch->failed && (watched->profile->samples.count || !watch->options->follow))
		watch->failed = publisher__report(&watch->publisher, watch->session, watched, BASE_LAST,
						  watched->ending, &watch->failure);
}

static int report_all(struct watch *watch, enum report_base base, const char *title, struct error *error)
{
	int err;

	err = session__refresh(watch->session, error);
	if (base == BASE_LAST)
		look_at_overhead(watch);
	for (size_t i = 0; !err && i < session__count(watch->session); i++) {
		struct watched *watched = session__watched(watch->session, i);

		if (!watched->ended)
			err = publisher__report(&watch->publisher, watch->session, watched, base, title,
						error);
	}
	return err;
}

/*
 * SIGINT and SIGTERM come by descriptor the first time; after that they have their default effect, so that a
 * second Ctrl-C always ends memwatch. SIGPIPE would end it before it could say that the reader went away.
 */
static int catch_signals(struct watch *watch, struct error *error)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return error__set(error, errno, "cannot block signals: %s", strerror(errno));
	watch->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (watch->signal_fd < 0)
		return error__set(error, errno, "cannot receive signals: %s", strerror(errno));
	return 0;
}

static void let_signals_end_us(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int start_timer(struct watch *watch, struct error *error)
{
	uint64_t ns = watch->options->interval_ns;
	struct itimerspec every = {{ns / 1000000000, ns % 1000000000}, {ns / 1000000000, ns % 1000000000}};

	watch->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watch->timer_fd < 0)
		return error__set(error, errno, "cannot make a timer: %s", strerror(errno));
	/* A program that memwatch starts is reported on at its end, unless an interval was asked for. */
	if (watch->launched && !watch->options->interval_given)
		return 0;
	if (timerfd_settime(watch->timer_fd, 0, &every, NULL))
		return error__set(error, errno, "cannot set the timer: %s", strerror(errno));
	return 0;
}

static void listen_for_marks(struct watch *watch)
{
	for (size_t i = 0; i < session__count(watch->session); i++) {
		pid_t pid = session__watched(watch->session, i)->process.pid;
		int fd = control__listen(pid);

		if (fd < 0)
			log__say(&watch->log, 1, "marks for process %d do not reach this memwatch: %s", pid,
				 strerror(-fd));
		else if (vec_push(&watch->control_fds, fd))
			close(fd);
	}
}

/* What exact recording will cost this process, before it begins (unasked-for slowness is the one thing not to
 * be). */
static void say_projection(struct watch *watch)
{
	struct session_projection projection = session__projection(watch->session);

	if (watch->options->quiet)
		return;
	fprintf(stderr,
		"memwatch: exact: about %.0f allocator calls a second here; watching them takes about %.1f "
		"%% of one CPU",
		projection.calls_per_second, projection.percent);
	if (projection.percent >= 10)
		fprintf(stderr, " and makes the code that allocates about %.1f× slower", projection.slowdown);
	fputc('\n', stderr);
}

static int begin_pids(struct watch *watch, struct error *error)
{
	vec_each (pid, &watch->options->pids) {
		int err = session__add(watch->session, *pid, error);

		if (err)
			return err;
	}
	session__start(watch->session, COUNTING_NS);
	say_projection(watch);
	return 0;
}

static int begin(struct watch *watch, struct error *error)
{
	const struct options *options = watch->options;
	struct session_options session = {
		.engine = {.mode = options->attach_mode,
			   .follow = options->follow,
			   .max_live = options->max_live,
			   .max_stacks = options->max_stacks,
			   .ring_size = options->ring_size},
		.domains = options->domains,
		.allow_seccomp = options->allow_seccomp,
		.no_debuginfod = options->no_debuginfod,
		.older_ns = options->older_ns,
		.skip = {options->no_skip, options->skip.items, options->skip.count},
	};
	int err;

	err = session__new(&session, &watch->log, &watch->session, error);
	if (err)
		return err;
	session__on_end(watch->session, on_end, watch);
	watch->last_ns = clock__monotonic();
	if (options->command) {
		err = session__launch(watch->session, options->command, &watch->launch, error);
		watch->launched = !err;
	} else {
		err = begin_pids(watch, error);
	}
	if (err)
		return err;
	watch->last_ns = clock__monotonic();
	listen_for_marks(watch);
	return start_timer(watch, error);
}

static void on_signal(struct watch *watch)
{
	struct signalfd_siginfo info;

	while (read(watch->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		let_signals_end_us();
		/* The terminal sent a Ctrl-C to CMD, too; its end is worth waiting for. */
		if (!watch->launched)
			watch->stop = true;
		else if (info.ssi_signo != SIGINT)
			kill(watch->launch.pid, info.ssi_signo);
	}
}

static int on_timer(struct watch *watch, struct error *error)
{
	uint64_t times;
	int err;

	if (read(watch->timer_fd, &times, sizeof(times)) != sizeof(times))
		return 0;
	err = report_all(watch, BASE_LAST, NULL, error);
	if (++watch->reports == watch->options->count && !watch->launched)
		watch->stop = true;
	return err;
}

static int on_control(struct watch *watch, int fd, struct error *error)
{
	char name[MARK_NAME_MAX + 1], title[MARK_NAME_MAX + 32];
	int err = 0;

	while (!err && control__receive(fd, name)) {
		snprintf(title, sizeof(title), "mark '%s'", name);
		err = report_all(watch, BASE_MARK, title, error);
	}
	return err;
}

/* Whether the program that memwatch started has ended; its books are closed by the event, which comes before.
 */
static bool launch_ended(struct watch *watch)
{
	struct launch *launch = &watch->launch;

	if (watch->launched && !launch->ended &&
	    waitpid(launch->pid, &launch->status, WNOHANG) == launch->pid)
		launch->ended = true;
	return watch->launched && launch->ended;
}

static size_t collect_fds(const struct watch *watch, struct pollfd *fds, int *wait_ms)
{
	int session_fds[FDS_MAX / 2];
	size_t count = 0, more = session__fds(watch->session, session_fds, FDS_MAX / 2, wait_ms);

	fds[count++] = (struct pollfd){.fd = watch->signal_fd, .events = POLLIN};
	fds[count++] = (struct pollfd){.fd = watch->timer_fd, .events = POLLIN};
	for (size_t i = 0; i < more; i++)
		fds[count++] = (struct pollfd){.fd = session_fds[i], .events = POLLIN};
	vec_each (fd, &watch->control_fds) {
		if (count < FDS_MAX)
			fds[count++] = (struct pollfd){.fd = *fd, .events = POLLIN};
	}
	return count;
}

static int turn(struct watch *watch, struct error *error)
{
	struct pollfd fds[FDS_MAX];
	int wait_ms = -1, err = 0;
	size_t count = collect_fds(watch, fds, &wait_ms);
	bool ended;

	if (poll(fds, count, wait_ms) < 0 && errno != EINTR)
		return error__set(error, errno, "cannot wait for events: %s", strerror(errno));
	on_signal(watch);
	ended = launch_ended(watch);
	err = session__handle(watch->session, error);
	if (!err && watch->failed) {
		*error = watch->failure;
		err = watch->failed;
	}
	if (!err)
		err = on_timer(watch, error);
	vec_each (fd, &watch->control_fds) {
		if (!err)
			err = on_control(watch, *fd, error);
	}
	session__drop_ended(watch->session);
	if (!session__open_count(watch->session) && (!watch->launched || ended))
		watch->stop = true;
	/* Its children may live on: without -f nobody watches them. */
	if (ended && !watch->options->follow)
		watch->stop = true;
	return err;
}

static int exit_status(const struct watch *watch)
{
	int status = watch->launch.status;

	if (!watch->launched || !watch->launch.ended)
		return 0;
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	if (WEXITSTATUS(status))
		return WEXITSTATUS(status);
	return watch->options->fail_on_leak && watch->leaked_bytes > watch->options->fail_size ? 3 : 0;
}

int cmd_watch__run(const struct options *options, struct error *error)
{
	struct watch watch = {
		.options = options, .log = {stderr, options->verbose}, .signal_fd = -1, .timer_fd = -1};
	struct error ignored;
	int err, closed;

	err = publisher__init(&watch.publisher, options, error);
	err = err ? err : catch_signals(&watch, error);
	err = err ? err : begin(&watch, error);
	while (!err && !watch.stop)
		err = turn(&watch, error);
	/* What has happened since the last report is not lost when memwatch is told to stop. */
	if (!err && (!options->count || watch.reports != options->count) &&
	    session__open_count(watch.session))
		err = report_all(&watch, BASE_LAST, "until now", error);
	if (watch.session)
		say_unwinding(&watch);
	if (watch.session)
		log__say(&watch.log, 1, "kernel memory in use at the end: %llu KiB",
			 (unsigned long long)(engine__kernel_memory(session__engine(watch.session)) >> 10));
	closed = publisher__close(&watch.publisher, err ? &ignored : error);
	err = err ? err : closed;
	vec_each (fd, &watch.control_fds)
		close(*fd);
	vec_free(&watch.control_fds);
	session__free(watch.session);
	if (watch.signal_fd >= 0)
		close(watch.signal_fd);
	if (watch.timer_fd >= 0)
		close(watch.timer_fd);
	return err ? err : exit_status(&watch);
}
