// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "session/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "attach/cost.h"
#include "base/clock.h"
#include "session/images.h"
#include "session/session_private.h"

int session__note(struct session *session, const char *format, ...)
{
	char *note = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&note, format, args);
	va_end(args);
	if (length < 0)
		return -ENOMEM;
	vec_each (said, &session->notes) {
		if (*said && !strcmp(*said, note)) {
			free(note);
			return 0;
		}
	}
	if (vec_reserve(&session->notes, session->notes.count + 2)) {
		free(note);
		return -ENOMEM;
	}
	session->notes.items[session->notes.count++] = note;
	session->notes.items[session->notes.count] = NULL;
	return 0;
}

const char *const *session__notes(const struct session *session)
{
	return (const char *const *)session->notes.items;
}

int session__new(const struct session_options *options, const struct log *log, struct session **made,
		 struct error *error)
{
	struct symbolizer_options symbolizer = {.no_debuginfod = options->no_debuginfod};
	struct session *session = calloc(1, sizeof(*session));
	struct features features;
	int err;

	if (!session)
		return error__set(error, ENOMEM, "out of memory");
	session->options = *options;
	session->log = log;
	session->seccomp_kills = -1;
	err = features__probe(&features, options->engine.mode, log, error);
	err = err ? err
		  : attach_mode__choose(options->engine.mode, &features, &session->options.engine.mode,
					error);
	if (err)
		goto fail;
	session->options.engine.keep_birth = options->older_ns != 0;
	session->options.engine.multi_pid = features.multi_pid;
	err = engine__new(&session->options.engine, log, &session->engine, error);
	err = err ? err : map_events__new(&session->map_events, error);
	if (err)
		goto fail;
	session->images = image_cache__new();
	session->symbolizer = symbolizer__new(&symbolizer, log);
	if (!session->images || !session->symbolizer) {
		err = error__set(error, ENOMEM, "out of memory");
		goto fail;
	}
	*made = session;
	return 0;
fail:
	session__free(session);
	return err;
}

static void free_strings(char **strings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(strings[i]);
}

void session__free(struct session *session)
{
	if (!session)
		return;
	engine__free(session->engine);
	vec_each (watched, &session->watched)
		watched__free(*watched);
	vec_free(&session->watched);
	symbolizer__free(session->symbolizer);
	image_cache__free(session->images);
	map_events__free(session->map_events);
	timeline__free(&session->timeline);
	vec_each (coming, &session->coming)
		maps__free(&coming->maps);
	vec_free(&session->coming);
	vec_free(&session->rows);
	vec_free(&session->probed);
	vec_free(&session->old);
	vec_each (note, &session->notes)
		free(*note);
	vec_free(&session->notes);
	free(session);
}

void session__on_end(struct session *session, session_ended_fn *fn, void *context)
{
	session->ended_fn = fn;
	session->ended_context = context;
}

/* A process under seccomp may be killed by the system call that a return probe ends in (DESIGN: return
 * probes). */
static int check_seccomp(struct session *session, const struct process *process, struct error *error)
{
	if (!process->seccomp || session->options.allow_seccomp)
		return 0;
	if (session->seccomp_kills < 0)
		session->seccomp_kills = features__seccomp_kills(session->options.engine.mode, error);
	if (session->seccomp_kills < 0)
		return session->seccomp_kills;
	if (session->seccomp_kills)
		return error__set(error, EPERM,
				  "%s (pid %d) runs under seccomp, and this kernel kills such processes when "
				  "a return is probed "
				  "(fixed in Linux 6.14): update the kernel, or risk it with --allow-seccomp",
				  process->comm, process->pid);
	return 0;
}

static int add_watched(struct session *session, const struct process *process, uint32_t account,
		       struct watched **made, struct error *error)
{
	struct watched *watched = NULL;
	int err;

	err = watched__new(process, account, session->symbolizer, session->images, &watched, error);
	if (err)
		return err;
	watched->opened_ns = clock__monotonic();
	if (vec_push(&session->watched, watched)) {
		watched__free(watched);
		return error__set(error, ENOMEM, "out of memory");
	}
	*made = watched;
	return 0;
}

static int no_allocator(const struct watched *watched, struct error *error)
{
	return error__set(error, ENOENT,
			  "no allocator found in %s (pid %d): none of its %zu mapped files defines malloc or "
			  "the like. Statically "
			  "linked and stripped, or a runtime with an allocator of its own (Go, JVM)? "
			  "`memwatch sites -p %d` shows "
			  "what was looked at",
			  watched->process.comm, watched->process.pid, watched->image_count,
			  watched->process.pid);
}

int session__add(struct session *session, pid_t pid, struct error *error)
{
	struct watched *watched = NULL;
	struct process process;
	uint32_t account = 0;
	int err;

	err = process__read(pid, &process, error);
	err = err ? err : process__check(&process, error);
	err = err ? err : check_seccomp(session, &process, error);
	err = err ? err : engine__watch(session->engine, pid, &account, error);
	err = err ? err : add_watched(session, &process, account, &watched, error);
	err = err ? err : images__update(session, watched, error);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): without an error there is one */
	if (!err && !watched->site_count && !mapped__has_execed(session, watched))
		err = no_allocator(watched, error);
	if (err && !process__alive(&process) && process.start_ticks)
		return error__set(error, ESRCH, "process %d ended while it was being attached to", pid);
	return err;
}

struct launching {
	struct session *session;
	struct watched *watched;
	struct error *error;
};

static int probe_mapped(void *context)
{
	struct launching *launching = context;

	return images__update(launching->session, launching->watched, launching->error);
}

int session__launch(struct session *session, char *const *argv, struct launch *launch, struct error *error)
{
	struct launching launching = {session, NULL, error};
	struct process process;
	uint32_t account = 0;
	int err;

	err = launch__start(argv, launch, error);
	if (err)
		return err;
	err = process__read(launch->pid, &process, error);
	err = err ? err : process__check(&process, error);
	err = err ? err : engine__watch(session->engine, launch->pid, &account, error);
	err = err ? err : add_watched(session, &process, account, &launching.watched, error);
	if (!err) {
		/* Nothing has run yet: recording can begin with the first probe. */
		engine__set_phase(session->engine, PHASE_RECORD);
		err = launch__run(launch, probe_mapped, &launching, error);
	}
	if (!err && !launching.watched->site_count)
		err = no_allocator(launching.watched, error);
	if (err)
		launch__kill(launch);
	return err;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec left = {ns / 1000000000, ns % 1000000000};

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

void session__start(struct session *session, uint64_t ns)
{
	uint64_t before[TALLY_COUNT], after[TALLY_COUNT];

	if (ns) {
		engine__tallies(session->engine, before);
		engine__set_phase(session->engine, PHASE_COUNT);
		sleep_ns(ns);
		engine__tallies(session->engine, after);
		session->projection = cost__project(before, after, ns, session->options.engine.mode);
	}
	engine__set_phase(session->engine, PHASE_RECORD);
	engine__tallies(session->engine, session->tallies);
}

struct session_projection session__projection(const struct session *session)
{
	return session->projection;
}

/* Single-stepped sites have been hit: a fact that explains what watching costs here. */
static void tell_stepped(struct session *session)
{
	char names[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < session->stepped.count && used < sizeof(names) - 1; i++)
		used += snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
				 session->stepped.items[i]);
	session__note(session, "this kernel single-steps the probes on %s%s: about 14 µs a call instead of 1",
		      names, used >= sizeof(names) ? "…" : "");
	free_strings(session->stepped.items, session->stepped.count);
	session->stepped.count = 0;
}

double session__overhead(struct session *session, uint64_t elapsed_ns, uint64_t *events)
{
	uint64_t now[TALLY_COUNT], spent;

	engine__tallies(session->engine, now);
	spent = cost__spent(session->tallies, now, session->options.engine.mode, events);
	memcpy(session->tallies, now, sizeof(now));
	if (now[TALLY_ENTRY_STEPPED] && session->stepped.count)
		tell_stepped(session);
	return elapsed_ns ? 100.0 * spent / elapsed_ns : 0;
}

size_t session__count(const struct session *session)
{
	return session->watched.count;
}

struct watched *session__watched(const struct session *session, size_t index)
{
	return session->watched.items[index];
}

size_t session__open_count(const struct session *session)
{
	size_t open = 0;

	vec_each (watched, &session->watched)
		open += !(*watched)->ended;
	return open;
}

struct engine *session__engine(struct session *session)
{
	return session->engine;
}
