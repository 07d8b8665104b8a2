// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attach/calls.h"

#include <errno.h>
#include <string.h>
#include "attach/decode.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Enough for every operator new in use (they have some 60); a function with more is taken to do its own work.
 */
#define MAX_INSTRUCTIONS 1024

/* The largest programs have some 20 MB of relocations. */
#define MAX_RELOCATIONS_SIZE (256u << 20)

struct callee {
	uint64_t address; /* of the function, or of the GOT slot that holds its address */
	const struct allocator_function *function; /* NULL: never returns */
	UT_hash_handle hh;
};

struct calls {
	const struct image *image;
	struct callee *functions;
	struct callee *slots;
};

/* One function's ways, while they are followed. */
struct trail {
	const struct calls *calls;
	const struct allocator_function *function;
	uint64_t start;
	struct callee *visited; /* addresses of instructions */
	VEC(uint64_t) pending;  /* targets of conditional jumps */
	unsigned forwarded;
	uint64_t window_start;
	size_t window_size;
	uint8_t window[256];
};

/* What ends a way without a return: the C++ ABI's throwing functions and the C library's ends. */
static bool never_returns(const char *name)
{
	static const char *const names[] = {
		"__cxa_throw",
		"__cxa_rethrow",
		"__cxa_throw_bad_array_new_length",
		"__cxa_call_unexpected",
		"__cxa_call_terminate",
		"_Unwind_Resume",
		"_ZSt9terminatev",
		"_ZSt17__throw_bad_allocv",
		"_ZSt28__throw_bad_array_new_lengthv",
		"__stack_chk_fail",
		"abort",
		"_exit",
	};

	if (*name != '_' && *name != 'a')
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

static const struct callee *find(const struct callee *table, uint64_t address)
{
	struct callee *found;

	HASH_FIND(hh, table, &address, sizeof(address), found);
	return found;
}

static int add(struct callee **table, uint64_t address, const struct allocator_function *function)
{
	struct callee *callee;

	if (find(*table, address))
		return 0;
	callee = calloc(1, sizeof(*callee));
	if (!callee)
		return -ENOMEM;
	callee->address = address;
	callee->function = function;
	HASH_ADD(hh, *table, address, sizeof(callee->address), callee);
	if (!callee->hh.tbl) {
		free(callee);
		return -ENOMEM;
	}
	return 0;
}

static int add_named(struct callee **table, const char *name, uint64_t address)
{
	const struct allocator_function *function = allocators__find(name);

	if (function && function->domain == DOMAIN_HEAP)
		return add(table, address, function);
	return never_returns(name) ? add(table, address, NULL) : 0;
}

static void clear(struct callee **table)
{
	struct callee *callee, *next;

	HASH_ITER (hh, *table, callee, next) {
		HASH_DEL(*table, callee);
		free(callee);
	}
}

int calls__define(struct calls *calls, const char *name, uint64_t vaddr)
{
	return add_named(&calls->functions, name, vaddr);
}

static const char *symbol_name(const Elf_Data *symbols, const Elf_Data *strings, size_t index)
{
	GElf_Sym symbol;

	if (index > INT32_MAX || !gelf_getsym((Elf_Data *)symbols, (int)index, &symbol) || !strings->d_buf ||
	    symbol.st_name >= strings->d_size)
		return NULL;
	if (!memchr((const char *)strings->d_buf + symbol.st_name, '\0', strings->d_size - symbol.st_name))
		return NULL;
	return (const char *)strings->d_buf + symbol.st_name;
}

static int read_relocations(struct calls *calls, Elf_Data *relocations, const Elf_Data *symbols,
			    const Elf_Data *strings)
{
	GElf_Rela relocation;

	for (int i = 0; gelf_getrela(relocations, i, &relocation); i++) {
		uint32_t type = GELF_R_TYPE(relocation.r_info);
		const char *name;
		int err;

		if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT && type != R_X86_64_64)
			continue;
		name = symbol_name(symbols, strings, GELF_R_SYM(relocation.r_info));
		err = name ? add_named(&calls->slots, name, relocation.r_offset) : 0;
		if (err)
			return err;
	}
	return 0;
}

static Elf_Data *section_data(Elf *elf, size_t index, GElf_Shdr *header)
{
	Elf_Scn *section = elf_getscn(elf, index);

	if (!section || !gelf_getshdr(section, header) || header->sh_size > MAX_RELOCATIONS_SIZE ||
	    header->sh_flags & SHF_COMPRESSED)
		return NULL;
	return elf_getdata(section, NULL);
}

static int read_section(struct calls *calls, size_t index)
{
	Elf *elf = calls->image->elf;
	GElf_Shdr header, symbols_header, strings_header;
	Elf_Data *relocations, *symbols, *strings;
	Elf_Scn *section = elf_getscn(elf, index);

	/* Those of an object file's debugging sections are none of the dynamic linker's. */
	if (!section || !gelf_getshdr(section, &header) || header.sh_type != SHT_RELA ||
	    !(header.sh_flags & SHF_ALLOC))
		return 0;
	relocations = section_data(elf, index, &header);
	symbols = section_data(elf, header.sh_link, &symbols_header);
	if (!relocations || !symbols || symbols_header.sh_type != SHT_DYNSYM)
		return 0;
	strings = section_data(elf, symbols_header.sh_link, &strings_header);
	if (!strings || strings_header.sh_type != SHT_STRTAB)
		return 0;
	return read_relocations(calls, relocations, symbols, strings);
}

int calls__new(const struct image *image, struct calls **result, struct error *error)
{
	struct calls *calls = calloc(1, sizeof(*calls));
	size_t sections = 0;

	if (!calls)
		return error__set(error, ENOMEM, "out of memory");
	calls->image = image;
	/* A file without section headers has no slots here: its operators are kept, which is right, if
	 * dearer. */
	if (elf_getshdrnum(image->elf, &sections))
		sections = 0;
	for (size_t i = 1; i < sections; i++) {
		if (read_section(calls, i)) {
			calls__free(calls);
			return error__set(error, ENOMEM, "out of memory");
		}
	}
	*result = calls;
	return 0;
}

void calls__free(struct calls *calls)
{
	if (!calls)
		return;
	clear(&calls->functions);
	clear(&calls->slots);
	free(calls);
}

static bool fetch(struct trail *trail, uint64_t address, struct decoded *decoded)
{
	uint64_t within = address - trail->window_start;
	ssize_t got;

	if (within > trail->window_size || trail->window_size - within < 16) {
		got = image__read(trail->calls->image, address, trail->window, sizeof(trail->window));
		trail->window_start = address;
		trail->window_size = got > 0 ? (size_t)got : 0;
		within = 0;
	}
	return decode__instruction(trail->window + within, trail->window_size - within, address, decoded);
}

/* What a call reaches: the function at its target, or what a PLT stub or thunk there jumps to. */
static const struct callee *resolve_call(struct trail *trail, const struct decoded *call)
{
	const struct callee *callee;
	uint64_t address = call->target;
	struct decoded decoded;

	if (call->has_slot)
		return find(trail->calls->slots, call->slot);
	if (!call->has_target)
		return NULL;
	callee = find(trail->calls->functions, address);
	/* .plt, .plt.sec and .plt.got: endbr64 or not, then a jump through the slot */
	for (int i = 0; !callee && i < 2 && fetch(trail, address, &decoded); i++) {
		if (decoded.flow == FLOW_JUMP && decoded.has_slot)
			return find(trail->calls->slots, decoded.slot);
		if (decoded.flow == FLOW_JUMP && decoded.has_target)
			return find(trail->calls->functions, decoded.target);
		if (!decoded.filler)
			break;
		address += decoded.length;
	}
	return callee;
}

/* Whether a way ends at @callee: it does the function's work, or does not come back. */
static bool ends_at(struct trail *trail, const struct callee *callee)
{
	if (!callee)
		return false;
	if (!callee->function)
		return true;
	if (callee->function == trail->function ||
	    (callee->function->kind == CALL_FREE) != (trail->function->kind == CALL_FREE))
		return false;
	trail->forwarded++;
	return true;
}

/* Follows one way from @address to its end; the other ways out of it go to pending. Returns false at a
 * return. */
static bool follow(struct trail *trail, uint64_t address)
{
	while (true) {
		struct decoded decoded;

		if (find(trail->visited, address))
			return true;
		if (HASH_COUNT(trail->visited) >= MAX_INSTRUCTIONS || add(&trail->visited, address, NULL))
			return false;
		if (address != trail->start && ends_at(trail, find(trail->calls->functions, address)))
			return true;
		if (!fetch(trail, address, &decoded))
			return false;
		switch (decoded.flow) {
		case FLOW_NEXT:
		case FLOW_SYSTEM:
			break;
		case FLOW_CALL:
			if (ends_at(trail, resolve_call(trail, &decoded)))
				return true;
			break;
		case FLOW_CONDITIONAL:
			if (!decoded.has_target || vec_push(&trail->pending, decoded.target))
				return false;
			break;
		case FLOW_JUMP:
			if (decoded.has_slot && ends_at(trail, find(trail->calls->slots, decoded.slot)))
				return true;
			if (!decoded.has_target)
				return false;
			address = decoded.target;
			continue;
		case FLOW_RETURN:
			return false;
		case FLOW_TRAP:
			return true;
		}
		address += decoded.length;
	}
}

bool calls__always_forwarded(const struct calls *calls, const struct allocator_function *function,
			     uint64_t vaddr)
{
	struct trail trail = {.calls = calls, .function = function, .start = vaddr};
	bool forwarded = follow(&trail, vaddr);

	while (forwarded && trail.pending.count)
		forwarded = follow(&trail, trail.pending.items[--trail.pending.count]);
	clear(&trail.visited);
	vec_free(&trail.pending);
	return forwarded && trail.forwarded;
}
