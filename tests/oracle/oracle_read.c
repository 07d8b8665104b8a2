// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The recorder's file → JSON: totals, sites as module and file address. The outstanding blocks are summed up
 * twice, from the sites' counters and from the block table; the two must agree.
 *
 * usage: oracle_read FILE
 */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "oracle.h"

struct sums {
	uint64_t size, count;
};

static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\' || (unsigned char)*text < ' ')
			printf("\\u%04x", (unsigned char)*text);
		else
			putchar(*text);
	}
	putchar('"');
}

/* File offset → address as the file's program headers count it; the offset itself where they cannot be read.
 */
static uint64_t vaddr_of(const char *path, uint64_t offset)
{
	FILE *file = fopen(path, "rb");
	uint64_t vaddr = offset;
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	if (!file)
		return offset;
	if (fread(&header, sizeof(header), 1, file) != 1 || memcmp(header.e_ident, ELFMAG, SELFMAG) ||
	    header.e_phentsize != sizeof(segment) || fseek(file, header.e_phoff, SEEK_SET))
		goto out;
	for (unsigned i = 0; i < header.e_phnum && fread(&segment, sizeof(segment), 1, file) == 1; i++)
		if (segment.p_type == PT_LOAD && segment.p_offset <= offset &&
		    offset - segment.p_offset < segment.p_filesz)
			vaddr = offset - segment.p_offset + segment.p_vaddr;
out:
	fclose(file);
	return vaddr;
}

static void print_site(const struct oracle_site *site, const struct oracle_module *module)
{
	uint64_t offset = site->address;

	if (module->path[0] == '/')
		offset = vaddr_of(module->path, site->address - module->start + module->offset);
	printf("{\"module\":");
	print_string(module->path);
	printf(",\"offset\":%lu,\"address\":%lu,\"size\":%lu,\"count\":%lu,\"allocated\":%lu,"
	       "\"allocated_count\":%lu,\"freed\":%lu,\"freed_count\":%lu}",
	       offset, site->address, site->allocated_bytes - site->freed_bytes,
	       site->allocated_count - site->freed_count, site->allocated_bytes, site->allocated_count,
	       site->freed_bytes, site->freed_count);
}

static void print_sites(const struct oracle_site *sites, const struct oracle_module *modules,
			struct oracle_site *total)
{
	const char *separator = "";

	printf("\"sites\":[");
	for (unsigned i = 0; i < ORACLE_SITES; i++) {
		if (!sites[i].address)
			continue;
		printf("%s", separator);
		print_site(&sites[i], &modules[sites[i].module % ORACLE_MODULES]);
		separator = ",\n";
		total->allocated_bytes += sites[i].allocated_bytes;
		total->allocated_count += sites[i].allocated_count;
		total->freed_bytes += sites[i].freed_bytes;
		total->freed_count += sites[i].freed_count;
	}
	printf("],\n");
}

static struct sums sum_blocks(const struct oracle_block *blocks, uint64_t slots)
{
	struct sums sums = {0};

	for (uint64_t i = 0; i < slots; i++) {
		if (!blocks[i].address)
			continue;
		sums.size += blocks[i].size;
		sums.count++;
	}
	return sums;
}

int main(int argc, char **argv)
{
	const struct oracle_header *header;
	struct oracle_site total = {0};
	struct sums blocks;
	struct stat stat;
	const char *base;
	int fd;

	if (argc != 2)
		errx(2, "usage: oracle_read FILE");
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &stat))
		err(1, "%s", argv[1]);
	if ((size_t)stat.st_size < ORACLE_BLOCKS_AT)
		errx(1, "%s: cut short", argv[1]);
	base = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (base == MAP_FAILED)
		err(1, "%s", argv[1]);
	header = (const void *)base;
	if (header->magic != ORACLE_MAGIC ||
	    header->block_slots > (stat.st_size - ORACLE_BLOCKS_AT) / sizeof(struct oracle_block))
		errx(1, "%s: not the recorder's", argv[1]);

	printf("{\"pid\":%u,\"parent\":%u,\"exe\":", header->pid, header->parent);
	print_string(header->exe);
	printf(",\n");
	print_sites((const void *)(base + ORACLE_SITES_AT), (const void *)(base + ORACLE_MODULES_AT), &total);
	blocks = sum_blocks((const void *)(base + ORACLE_BLOCKS_AT), header->block_slots);
	printf("\"total\":{\"size\":%lu,\"count\":%lu,\"allocated\":%lu,\"allocated_count\":%lu,\"freed\":%"
	       "lu,"
	       "\"freed_count\":%lu},\n",
	       total.allocated_bytes - total.freed_bytes, total.allocated_count - total.freed_count,
	       total.allocated_bytes, total.allocated_count, total.freed_bytes, total.freed_count);
	printf("\"blocks\":{\"size\":%lu,\"count\":%lu},\n", blocks.size, blocks.count);
	printf("\"calls\":%lu,\"failed\":%lu,\"unknown_frees\":%lu,\"replaced\":%lu,\"blocks_full\":%lu,"
	       "\"sites_full\":%lu,\"modules_full\":%lu,\"foreign\":%lu}\n",
	       header->calls, header->failed, header->unknown_frees, header->replaced, header->blocks_full,
	       header->sites_full, header->modules_full, header->foreign);
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
