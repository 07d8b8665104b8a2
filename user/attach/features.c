// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attach/features.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "attach/trial.h"

static const struct {
	enum attach_mode mode;
	const char *name;
} modes[] = {
	{ATTACH_AUTO, "auto"},
	{ATTACH_SESSION, "session"},
	{ATTACH_MULTI, "multi"},
	{ATTACH_PERF, "perf"},
};

int attach_mode__parse(const char *text, enum attach_mode *mode, struct error *error)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(text, modes[i].name)) {
			*mode = modes[i].mode;
			return 0;
		}
	}
	return error__set(error, EINVAL, "unknown attach mode '%s': use auto, session, multi or perf", text);
}

const char *attach_mode__name(enum attach_mode mode)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (mode == modes[i].mode)
			return modes[i].name;
	}
	return "unknown";
}

static bool has_mode(const struct features *features, enum attach_mode mode)
{
	switch (mode) {
	case ATTACH_SESSION:
		return features->session;
	case ATTACH_MULTI:
		return features->multi;
	case ATTACH_PERF:
		return features->perf;
	default:
		return false;
	}
}

int attach_mode__choose(enum attach_mode wanted, const struct features *features, enum attach_mode *mode,
			struct error *error)
{
	static const enum attach_mode ladder[] = {ATTACH_SESSION, ATTACH_MULTI, ATTACH_PERF};

	if (wanted != ATTACH_AUTO) {
		if (!has_mode(features, wanted))
			return error__set(error, ENOTSUP,
					  "this kernel cannot attach in mode '%s'; leave --attach-mode out, "
					  "or see -v for "
					  "what it can",
					  attach_mode__name(wanted));
		*mode = wanted;
		return 0;
	}
	for (size_t i = 0; i < sizeof(ladder) / sizeof(ladder[0]); i++) {
		if (has_mode(features, ladder[i])) {
			*mode = ladder[i];
			return 0;
		}
	}
	return error__set(error, ENOTSUP,
			  "this kernel has no uprobes; memwatch needs CONFIG_UPROBES and Linux 6.1 or later");
}

/* Hits that a trial with @mode counts for one call, made from @thread or from this thread; 0 where it cannot
 * attach. */
static uint64_t hits_of(enum attach_mode mode, pid_t pid, bool thread, int *why)
{
	struct trial *trial = NULL;
	uint64_t hits = 0;
	int err;

	err = trial__new(mode, pid, &trial);
	if (!err) {
		trial__call(thread);
		hits = trial__hits(trial);
	}
	trial__free(trial);
	*why = err;
	return hits;
}

static int explain_nothing(int why, struct error *error)
{
	if (why == -EPERM || why == -EACCES)
		return error__set(error, EPERM,
				  "not permitted to use BPF: run as root (sudo memwatch …), or with the "
				  "capabilities CAP_BPF, "
				  "CAP_PERFMON, CAP_SYS_PTRACE and CAP_SYS_ADMIN");
	if (access("/sys/bus/event_source/devices/uprobe", F_OK))
		return error__set(
			error, ENOTSUP,
			"this kernel has no uprobes: it needs CONFIG_UPROBES and CONFIG_UPROBE_EVENTS");
	return error__set(error, -why ? -why : ENOTSUP,
			  "no probe could be set on a function of memwatch's own: %s",
			  strerror(why ? -why : ENOTSUP));
}

/* Whether @mode must be tried: it was asked for, or nothing better was found, or the user wants to see
 * everything. */
static bool is_needed(enum attach_mode mode, enum attach_mode wanted, const struct log *log,
		      const struct features *found)
{
	if (log && log->level > 0)
		return true;
	if (wanted != ATTACH_AUTO)
		return mode == wanted;
	return !found->session && !found->multi && !found->perf;
}

int features__probe(struct features *features, enum attach_mode wanted, const struct log *log,
		    struct error *error)
{
	int why = 0, ignored;

	memset(features, 0, sizeof(*features));
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return error__set(error, ENOTSUP,
				  "this kernel has no type information (/sys/kernel/btf/vmlinux): it needs "
				  "CONFIG_DEBUG_INFO_BTF, which distributions' kernels have");
	if (is_needed(ATTACH_SESSION, wanted, log, features))
		features->session = hits_of(ATTACH_SESSION, 0, false, &why) == 2;
	if (is_needed(ATTACH_MULTI, wanted, log, features))
		features->multi = hits_of(ATTACH_MULTI, 0, false, &why) == 2;
	if (is_needed(ATTACH_PERF, wanted, log, features))
		features->perf = hits_of(ATTACH_PERF, getpid(), false, &why) == 2;
	/* Sessions came with 6.13, long after the pid filter was mended in 6.10. */
	features->multi_pid = features->session;
	if (features->multi && !features->session)
		features->multi_pid = hits_of(ATTACH_MULTI, getpid(), true, &ignored) == 2;
	log__say(log, 1, "kernel: session uprobes %s, multi uprobes %s%s, perf uprobes %s",
		 features->session ? "yes" : "no", features->multi ? "yes" : "no",
		 features->multi && !features->multi_pid ? " (their pid filter is broken, ours is used)" : "",
		 features->perf ? "yes" : "no");
	if (features->perf || features->multi || features->session)
		return 0;
	/* A mode that was asked for and is not there is told of by attach_mode__choose. */
	if (wanted == ATTACH_AUTO || why == -EPERM || why == -EACCES)
		return explain_nothing(why, error);
	return 0;
}
