/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Mangled linker names → what the programmer wrote: C++ (Itanium ABI), Rust (legacy and v0). */
#ifndef MEMWATCH_SYMBOLIZE_DEMANGLE_H
#define MEMWATCH_SYMBOLIZE_DEMANGLE_H

/*
 * The demangled form of @name, with parameters for C++, without the hash for Rust; the caller frees it. NULL
 * where
 * @name is not mangled, is malformed, or would unfold beyond all reason.
 */
char *demangle__name(const char *name);

#endif
