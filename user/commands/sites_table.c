// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "commands/sites_table.h"

#include <errno.h>
#include <string.h>
#include <yajl/yajl_gen.h>

enum { MODULE, SYMBOL, OFFSET, INSTRUCTION, COST, WHY, COLUMNS };

/* A row's texts; control characters, which a file's symbols may hold, are made '?'. */
struct row {
	char cell[COLUMNS][208];
};

void site_lists__free(struct site_lists *lists)
{
	vec_each (list, lists) {
		free(list->module);
		sites__free(&list->sites);
	}
	vec_free(lists);
}

static void make_printable(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void fill_row(const struct site_list *list, const struct site *site, struct row *row)
{
	snprintf(row->cell[MODULE], sizeof(row->cell[0]), "%s", base_name(list->module));
	snprintf(row->cell[SYMBOL], sizeof(row->cell[0]), site->aliases[0] ? "%s (%s)" : "%s", site->symbol,
		 site->aliases);
	snprintf(row->cell[OFFSET], sizeof(row->cell[0]), "+%u", site->offset);
	snprintf(row->cell[INSTRUCTION], sizeof(row->cell[0]), "%s", site->instruction);
	snprintf(row->cell[COST], sizeof(row->cell[0]), "%s", site_cost__name(site->cost));
	snprintf(row->cell[WHY], sizeof(row->cell[0]), "%s", site->reason);
	for (int i = 0; i < COLUMNS; i++)
		make_printable(row->cell[i]);
}

static const struct row heading = {
	.cell = {"MODULE", "SYMBOL", "OFFSET", "INSTRUCTION", "COST", "WHY"},
};

static void widen(int *widths, const struct row *row)
{
	for (int i = 0; i < COLUMNS; i++) {
		int length = (int)strlen(row->cell[i]);

		if (length > widths[i])
			widths[i] = length;
	}
}

static void print_row(const int *widths, const struct row *row, FILE *out)
{
	for (int i = 0; i < COLUMNS - 1; i++)
		fprintf(out, "%-*s  ", widths[i], row->cell[i]);
	fprintf(out, "%s\n", row->cell[COLUMNS - 1]);
}

static void print_skipped(struct site_list *list, FILE *out)
{
	vec_each (skipped, &list->sites.skipped) {
		char symbol[sizeof(skipped->symbol)];

		memcpy(symbol, skipped->symbol, sizeof(symbol));
		make_printable(symbol);
		fprintf(out, "%s: %s is not probed: %s\n", base_name(list->module), symbol, skipped->reason);
	}
}

void site_lists__print(struct site_lists *lists, bool verbose, FILE *out)
{
	int widths[COLUMNS] = {0};
	struct row row;

	widen(widths, &heading);
	vec_each (list, lists) {
		vec_each (site, &list->sites) {
			fill_row(list, site, &row);
			widen(widths, &row);
		}
	}
	print_row(widths, &heading, out);
	vec_each (list, lists) {
		vec_each (site, &list->sites) {
			fill_row(list, site, &row);
			print_row(widths, &row, out);
		}
	}
	if (!verbose)
		return;
	fputs("\n", out);
	vec_each (list, lists)
		print_skipped(list, out);
	fputs("Cost of a hit: nop5, a call on Linux from 6.18 (0.6 µs); emulated, one trap (0.8 µs);\n"
	      "single-stepped, two traps, and a VM exit in a virtual machine (13 µs there).\n",
	      out);
}

/* File names and symbols need not be UTF-8, and JSON must be: a text that is not loses its bytes above 7f. */
static void put_string(yajl_gen generator, const char *text, size_t length)
{
	char plain[4096];

	if (yajl_gen_string(generator, (const unsigned char *)text, length) != yajl_gen_invalid_string)
		return;
	if (length > sizeof(plain))
		length = sizeof(plain);
	for (size_t i = 0; i < length; i++)
		plain[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	yajl_gen_string(generator, (const unsigned char *)plain, length);
}

static void put_text(yajl_gen generator, const char *key, const char *text)
{
	put_string(generator, key, strlen(key));
	put_string(generator, text, strlen(text));
}

static void put_number(yajl_gen generator, const char *key, uint64_t number)
{
	put_string(generator, key, strlen(key));
	yajl_gen_integer(generator, (long long)number);
}

static void put_aliases(yajl_gen generator, const char *aliases)
{
	put_string(generator, "aliases", strlen("aliases"));
	yajl_gen_array_open(generator);
	while (*aliases) {
		size_t length = strcspn(aliases, ",");

		put_string(generator, aliases, length);
		aliases += length + (aliases[length] == ',');
	}
	yajl_gen_array_close(generator);
}

static void put_site(yajl_gen generator, const char *module, const struct site *site)
{
	yajl_gen_map_open(generator);
	put_text(generator, "schema", "memwatch.sites/1");
	put_text(generator, "module", module);
	put_text(generator, "symbol", site->symbol);
	put_aliases(generator, site->aliases);
	put_text(generator, "domain", site->function->domain == DOMAIN_MMAP ? "mmap" : "heap");
	put_number(generator, "address", site->vaddr);
	put_number(generator, "offset", site->offset);
	put_number(generator, "file_offset", site->file_offset);
	put_number(generator, "sp_adjust", site->sp_adjust);
	put_text(generator, "instruction", site->instruction);
	put_text(generator, "cost", site_cost__name(site->cost));
	put_text(generator, "why", site->reason);
	yajl_gen_map_close(generator);
}

int site_lists__print_json(struct site_lists *lists, FILE *out)
{
	vec_each (list, lists) {
		vec_each (site, &list->sites) {
			yajl_gen generator = yajl_gen_alloc(NULL);
			const unsigned char *text;
			size_t length;

			if (!generator)
				return -ENOMEM;
			yajl_gen_config(generator, yajl_gen_validate_utf8, 1);
			put_site(generator, list->module, site);
			if (yajl_gen_get_buf(generator, &text, &length) == yajl_gen_status_ok)
				fwrite(text, 1, length, out);
			fputc('\n', out);
			yajl_gen_free(generator);
		}
	}
	return 0;
}
