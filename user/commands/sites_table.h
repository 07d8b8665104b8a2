/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How memwatch sites shows what was found. */
#ifndef MEMWATCH_COMMANDS_SITES_TABLE_H
#define MEMWATCH_COMMANDS_SITES_TABLE_H

#include <stdio.h>
#include "attach/sites.h"

/* The sites of one file. */
struct site_list {
	char *module; /* the file's path; owned */
	struct sites sites;
};

struct site_lists {
	struct site_list *items;
	size_t count, capacity;
};

void site_lists__free(struct site_lists *lists);

/* The table; with @verbose also the functions that were left out, and the costs' legend. */
void site_lists__print(struct site_lists *lists, bool verbose, FILE *out);

/* A JSON object a line and site, schema memwatch.sites/1. Returns 0 or -ENOMEM. */
int site_lists__print_json(struct site_lists *lists, FILE *out);

#endif
