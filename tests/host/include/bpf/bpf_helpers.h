/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What libbpf's header of this name offers the kernel side, for programs that run on the host: see fake.h. */
#ifndef MEMWATCH_HOST_BPF_HELPERS_H
#define MEMWATCH_HOST_BPF_HELPERS_H

#include <linux/types.h>

#define __uint(name, value)  int(*name)[value]
#define __type(name, value)  __typeof__(value) *name
#define __array(name, value) __typeof__(value) *name[]
#define SEC(name)
#define __hidden
#define __ksym
#undef __noinline
#define __noinline __attribute__((noinline))
#undef __weak
#define __weak                  __attribute__((weak))
#define barrier()               __asm__ volatile("" ::: "memory")
#define barrier_var(variable)   __asm__ volatile("" : "+r"(variable))
#define bpf_ksym_exists(symbol) (!!(symbol))

#ifndef NULL
#define NULL ((void *)0)
#endif

struct task_struct;

void *bpf_map_lookup_elem(void *map, const void *key);
long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags);
long bpf_map_delete_elem(void *map, const void *key);
long bpf_map_push_elem(void *map, const void *value, __u64 flags);
long bpf_loop(__u32 count, void *callback, void *context, __u64 flags);
long bpf_map_pop_elem(void *map, void *value);
long bpf_ringbuf_output(void *ring, void *data, __u64 size, __u64 flags);
void *bpf_ringbuf_reserve(void *ring, __u64 size, __u64 flags);
void bpf_ringbuf_submit(void *data, __u64 flags);
long bpf_probe_read_user(void *to, __u32 size, const void *address);
__u64 bpf_ktime_get_ns(void);
__u64 bpf_get_current_pid_tgid(void);
struct task_struct *bpf_get_current_task_btf(void);
__u64 bpf_get_attach_cookie(void *context);

/* The C library has a function of this name. */
#define on_exit process_on_exit

/* A loader writes the constants among the settings before the programs are loaded; a test writes them, too.
 */
#define const

#endif
