/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads of kernel memory as plain member access. A fault reads as zeros; the only one that there can be is
 * NULL. */
#ifndef MEMWATCH_HOST_BPF_CORE_READ_H
#define MEMWATCH_HOST_BPF_CORE_READ_H

#define HOST_READ(result, source, member)                                                                    \
	({                                                                                                   \
		__typeof__((source)->member) result = 0;                                                     \
		if (source)                                                                                  \
			result = (source)->member;                                                           \
		result;                                                                                      \
	})
#define HOST_READ_1(s, a)                    HOST_READ(host_read_1, s, a)
#define HOST_READ_2(s, a, b)                 HOST_READ(host_read_2, HOST_READ_1(s, a), b)
#define HOST_READ_3(s, a, b, c)              HOST_READ(host_read_3, HOST_READ_2(s, a, b), c)
#define HOST_PICK(_1, _2, _3, _4, name, ...) name
#define BPF_CORE_READ(...)                                                                                   \
	HOST_PICK(__VA_ARGS__, HOST_READ_3, HOST_READ_2, HOST_READ_1, HOST_READ_0)(__VA_ARGS__)

long bpf_core_read(void *to, __u32 size, const void *from);

#endif
