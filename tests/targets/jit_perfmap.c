// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Calls malloc from code that it made itself, named by /tmp/perf-PID.map as JIT compilers do. "jit_keep"
 * keeps 10 blocks of 333 bytes. Handshake: "ready", "done". Removes its map at the end.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "handshake.h"

/* push rbp; mov rbp,rsp; movabs rax,IMM64; call rax; pop rbp; ret */
static const uint8_t template[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xb8, 0,    0,    0,
				   0,    0,    0,    0,    0,    0xff, 0xd0, 0x5d, 0xc3};

typedef void *jit_function(size_t);

static jit_function *generate(char *map, size_t map_size)
{
	void *(*target)(size_t) = malloc;
	uint8_t *code =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *file;

	if (code == MAP_FAILED)
		err(1, "mmap");
	memcpy(code, template, sizeof(template));
	memcpy(code + 6, &target, sizeof(target));
	snprintf(map, map_size, "/tmp/perf-%d.map", getpid());
	file = fopen(map, "w");
	if (!file)
		err(1, "%s", map);
	fprintf(file, "%lx %zx jit_keep\n", (unsigned long)code, sizeof(template));
	fclose(file);
	return (jit_function *)code;
}

int main(void)
{
	char map[64];
	jit_function *keep = generate(map, sizeof(map));

	reach("ready");
	for (int i = 0; i < 10; i++)
		opaque(keep(333));
	reach("done");
	unlink(map);
	return 0;
}
