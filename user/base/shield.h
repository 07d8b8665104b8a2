/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Work that must come to its end even if memwatch is killed while it is under way. */
#ifndef MEMWATCH_BASE_SHIELD_H
#define MEMWATCH_BASE_SHIELD_H

/*
 * Calls @fn with @context in a process of its own that shares memwatch's memory and descriptors, and waits
 * for its end. Signals are held back meanwhile, except for SIGKILL: that ends memwatch at once, while the
 * process goes on to the end of @fn and then closes, as their last holder, all the descriptors.
 *
 * @fn may do what memwatch itself may: use its memory, open and close its descriptors. It has another pid, is
 * nobody's ptracer, and has 256 KiB of stack. Where no process can be made @fn is called here.
 *
 * Returns what @fn returns, or -EINTR if its process was killed, at a point that nobody can tell.
 */
int shield__run(int (*fn)(void *context), void *context);

#endif
