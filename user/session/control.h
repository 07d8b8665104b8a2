/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How `memwatch mark` reaches the memwatch that watches a process: a datagram to a socket in Linux's abstract
 * namespace (unix(7)), which leaves no file behind and goes with its process.
 */
#ifndef MEMWATCH_SESSION_CONTROL_H
#define MEMWATCH_SESSION_CONTROL_H

#include <sys/types.h>
#include "base/error.h"

#define MARK_NAME_MAX 63

/* Listens for marks on @pid. Returns a descriptor, or a negative errno (-EADDRINUSE: another memwatch does).
 */
int control__listen(pid_t pid);

/* Takes one mark: its name, made printable, goes to @name. 1: there was one; 0: none; only root's and our own
 * count. */
int control__receive(int fd, char name[MARK_NAME_MAX + 1]);

/* Sends a mark. Returns 0 or a negative errno. */
int control__send_mark(pid_t pid, const char *name, struct error *error);

#endif
