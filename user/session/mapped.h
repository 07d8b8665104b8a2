/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What watched processes map, as the kernel records it: who of a process's accounts it belongs to. */
#ifndef MEMWATCH_SESSION_MAPPED_H
#define MEMWATCH_SESSION_MAPPED_H

#include "session/session.h"

/*
 * A program image whose account is not open yet. An exec empties the address space and maps the program and
 * its dynamic linker; only then our kernel side tells that there is a new account.
 */
struct coming_image {
	pid_t pid;
	char comm[16];
	struct maps maps;
};

/* Books a record, which must come in the order of time with forks, execs and exits. 0 or -ENOMEM. */
int mapped__book(struct session *session, const struct map_event *event);

/* @watched is @pid's new image: what came before it is its own. */
void mapped__open_image(struct session *session, struct watched *watched);

/* There will be no new image of @pid: it has ended, or is a new process. */
void mapped__forget(struct session *session, pid_t pid);

/*
 * Whether @watched's process has, or is about to have, another image, as far as can be told by now: then what
 * /proc shows of it is no longer @watched's. To be asked after /proc was read.
 */
bool mapped__has_execed(struct session *session, const struct watched *watched);

#endif
