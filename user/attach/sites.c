// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The probe sites of an ELF file. The choice within a function is in choose.c. */
#include "attach/sites.h"

#include <stdio.h>
#include <string.h>
#include "attach/calls.h"

/* The table has some 170 names; a file that defines more functions by them than this is not what it seems. */
#define MAX_FUNCTIONS 512

/* A function that may become a site. */
struct function {
	const struct allocator_function *row;
	uint64_t vaddr;
	uint64_t size; /* 0: the symbol does not tell */
	uint64_t next; /* where the next function starts */
	char aliases[sizeof(((struct site *)0)->aliases)];
};

struct finder {
	const struct image *image;
	unsigned domains;
	struct sites *sites;
	VEC(struct function) functions;
	struct calls *calls; /* NULL where there is no C++ function to look into */
};

static int skip(struct finder *finder, const char *symbol, uint64_t vaddr, const char *reason)
{
	struct site_skip skipped = {.vaddr = vaddr};

	vec_each (known, &finder->sites->skipped) {
		if (known->vaddr == vaddr && strcmp(known->symbol, symbol) == 0)
			return 0;
	}
	if (finder->sites->skipped.count > 64 * (size_t)MAX_FUNCTIONS)
		return 0;
	snprintf(skipped.symbol, sizeof(skipped.symbol), "%s", symbol);
	snprintf(skipped.reason, sizeof(skipped.reason), "%s", reason);
	return vec_push(&finder->sites->skipped, skipped);
}

static bool is_code(const struct image *image, uint64_t vaddr)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];

		if (segment->executable && vaddr >= segment->vaddr &&
		    vaddr - segment->vaddr < segment->file_size)
			return true;
	}
	return false;
}

/* The C name goes before the C++ operators that share its code, the plain name before the prefixed. */
static bool is_plainer(const struct allocator_function *row, const struct allocator_function *than)
{
	size_t length = strlen(row->symbol), than_length = strlen(than->symbol);

	if (row->cpp != than->cpp)
		return than->cpp;
	if (length != than_length)
		return length < than_length;
	return strcmp(row->symbol, than->symbol) < 0;
}

static int merge(struct finder *finder, struct function *function, const struct allocator_function *row,
		 uint64_t size)
{
	if (function->row->kind != row->kind)
		return skip(finder, row->symbol, function->vaddr,
			    "shares its code with a function of another shape");
	if (is_plainer(row, function->row))
		function->row = row;
	if (size > function->size)
		function->size = size;
	return 0;
}

static int collect(const struct image_symbol *symbol, void *context)
{
	struct finder *finder = context;
	const struct allocator_function *row;
	struct function function;

	if (symbol->type == STT_OBJECT)
		return 0;
	row = allocators__find(symbol->name);
	if (!row || !(finder->domains & (1u << row->domain)))
		return 0;
	if (symbol->type == STT_GNU_IFUNC)
		return skip(
			finder, row->symbol, symbol->value,
			"the dynamic linker picks it at run time (IFUNC), the symbol is only its resolver");
	if (!is_code(finder->image, symbol->value))
		return skip(finder, row->symbol, symbol->value, "no executable segment of the file holds it");
	vec_each (known, &finder->functions) {
		if (known->vaddr == symbol->value)
			return merge(finder, known, row, symbol->size);
	}
	if (finder->functions.count >= MAX_FUNCTIONS)
		return skip(finder, row->symbol, symbol->value,
			    "the file defines too many functions by such names");
	function = (struct function){
		.row = row, .vaddr = symbol->value, .size = symbol->size, .next = UINT64_MAX};
	return vec_push(&finder->functions, function);
}

static bool is_listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; (at = strstr(at, name)); at += length) {
		if ((at == list || at[-1] == ',') && (at[length] == ',' || !at[length]))
			return true;
	}
	return false;
}

static void add_alias(struct function *function, const char *name)
{
	static const char cut[] = ",…";
	size_t used = strlen(function->aliases), length = strlen(name);

	if (strcmp(name, function->row->symbol) == 0 || is_listed(function->aliases, name) ||
	    is_listed(function->aliases, cut + 1))
		return;
	if (used + 1 + length + sizeof(cut) > sizeof(function->aliases)) {
		snprintf(function->aliases + used, sizeof(function->aliases) - used, "%s",
			 used ? cut : cut + 1);
		return;
	}
	snprintf(function->aliases + used, sizeof(function->aliases) - used, "%s%s", used ? "," : "", name);
}

/* With the functions known: their other names, what stands behind them, and what they may call. */
static int survey(const struct image_symbol *symbol, void *context)
{
	struct finder *finder = context;

	if (symbol->type == STT_OBJECT)
		return 0;
	vec_each (function, &finder->functions) {
		if (symbol->value == function->vaddr)
			add_alias(function, symbol->name);
		else if (symbol->type == STT_FUNC && symbol->size && symbol->value > function->vaddr &&
			 symbol->value < function->next)
			function->next = symbol->value;
	}
	return finder->calls ? calls__define(finder->calls, symbol->name, symbol->value) : 0;
}

/*
 * How many bytes of the function's code are to be looked at. Where another function begins among its first
 * instructions, those behind would be hit by that one's calls, too: only the first instruction is left then.
 */
static size_t code_size(const struct function *function, const uint8_t *code, size_t got)
{
	uint64_t room = function->next - function->vaddr;
	size_t length;

	if (room < SITES_CHOICE_BYTES && (!function->size || room < function->size)) {
		sites__classify(code, got, function->vaddr, &length);
		return length < got ? length : got;
	}
	if (function->size)
		return function->size < got ? function->size : got;
	return room < got ? room : got;
}

static int add_site(struct finder *finder, const struct function *function, uint8_t *code)
{
	struct site site = {.function = function->row, .vaddr = function->vaddr};
	enum call_kind kind = function->row->kind;
	ssize_t got = image__read(finder->image, function->vaddr, code, SITES_FUNCTION_BYTES);
	size_t size;

	if (got <= 0)
		return skip(finder, function->row->symbol, function->vaddr, "its code cannot be read");
	size = code_size(function, code, (size_t)got);
	sites__choose(code, size, site.vaddr, sites__wants_return(kind), sites__arguments(kind), &site);
	if (site.cost == SITE_REFUSED)
		return skip(finder, function->row->symbol, function->vaddr, site.reason);
	if (!image__offset_of(finder->image, site.vaddr + site.offset, &site.file_offset))
		return skip(finder, function->row->symbol, function->vaddr,
			    "no segment of the file holds it");
	snprintf(site.symbol, sizeof(site.symbol), "%s", function->row->symbol);
	snprintf(site.aliases, sizeof(site.aliases), "%s", function->aliases);
	return vec_push(finder->sites, site);
}

static int compare_sites(const void *a, const void *b)
{
	const struct site *left = a, *right = b;
	bool left_frees = !sites__wants_return(left->function->kind);
	bool right_frees = !sites__wants_return(right->function->kind);

	if (left_frees != right_frees)
		return left_frees ? -1 : 1;
	return left->vaddr < right->vaddr ? -1 : left->vaddr > right->vaddr;
}

static int add_sites(struct finder *finder)
{
	size_t first = finder->sites->count;
	uint8_t *code = malloc(SITES_FUNCTION_BYTES);
	int err = code ? 0 : -ENOMEM;

	vec_each (function, &finder->functions) {
		if (err)
			break;
		if (function->row->cpp &&
		    calls__always_forwarded(finder->calls, function->row, function->vaddr))
			err = skip(finder, function->row->symbol, function->vaddr,
				   "hands every call on to a function that is probed");
		else
			err = add_site(finder, function, code);
	}
	free(code);
	if (finder->sites->count > first)
		qsort(finder->sites->items + first, finder->sites->count - first, sizeof(struct site),
		      compare_sites);
	return err;
}

static bool any_cpp(struct finder *finder)
{
	vec_each (function, &finder->functions) {
		if (function->row->cpp)
			return true;
	}
	return false;
}

int sites__find(const struct image *image, unsigned domains, struct sites *sites, struct error *error)
{
	struct finder finder = {.image = image, .domains = domains, .sites = sites};
	int err;

	if (image->machine != EM_X86_64 || image->elf_class != ELFCLASS64)
		return error__set(error, ENOEXEC,
				  "%s is not for x86-64, the only machine that memwatch knows", image->path);
	if (error)
		error->text[0] = '\0';
	err = image__symbols(image, collect, &finder, error);
	if (!err && finder.functions.count && any_cpp(&finder))
		err = calls__new(image, &finder.calls, error);
	if (!err && finder.functions.count)
		err = image__symbols(image, survey, &finder, error);
	if (!err)
		err = add_sites(&finder);
	if (err && error && !error->text[0])
		error__set(error, -err, "%s: %s", image->path, strerror(-err));
	calls__free(finder.calls);
	vec_free(&finder.functions);
	return err;
}

void sites__free(struct sites *sites)
{
	if (!sites)
		return;
	vec_free(sites);
	vec_free(&sites->skipped);
}
