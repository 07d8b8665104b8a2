/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For cppcheck, which is not given the libraries' headers: macros that it cannot parse the code without. */
#include <stddef.h>
void *cppcheck_next(const void *item);
#define LIBBPF_OPTS(type, name, ...) struct type name = {__VA_ARGS__}
#define HASH_ITER(hh, head, item, after)                                                                     \
	for (item = (head), after = cppcheck_next(item); item; item = after, after = cppcheck_next(item))
