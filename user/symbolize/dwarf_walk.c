// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dwarf_attr_integrate and dwarf_cu_info are not used: for a skeleton unit libdw opens the file that the
 * DWARF names, whatever that is.
 */
#include "symbolize/dwarf_walk.h"

#include <dwarf.h>
#include <gelf.h>
#include <string.h>

/* concrete → abstract → declaration, and one more for an alternate file; the rest are cycles. */
#define MAX_ORIGINS 8

bool dwarf_walk__spend(struct walk_budget *budget)
{
	if (budget->left == 0)
		return false;
	budget->left--;
	return true;
}

bool dwarf_walk__first(Dwarf_Die *die, Dwarf_Die *child, struct walk_budget *budget)
{
	return dwarf_walk__spend(budget) && dwarf_child(die, child) == 0;
}

bool dwarf_walk__next(Dwarf_Die *child, struct walk_budget *budget)
{
	/* libdw refuses siblings that lie backwards, so this ends. */
	return dwarf_walk__spend(budget) && dwarf_siblingof(child, child) == 0;
}

void dwarf_walk__ranges(Dwarf_Die *die, struct walk_budget *budget, bool (*visit)(uint64_t, uint64_t, void *),
			void *context)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t offset = 0;

	while (dwarf_walk__spend(budget) && (offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0) {
		if (!visit(start, end, context))
			return;
	}
}

struct holding {
	uint64_t vaddr;
	bool found;
};

static bool check_range(uint64_t start, uint64_t end, void *context)
{
	struct holding *holding = context;

	holding->found = holding->vaddr >= start && holding->vaddr < end;
	return !holding->found;
}

bool dwarf_walk__holds(Dwarf_Die *die, uint64_t vaddr, struct walk_budget *budget)
{
	struct holding holding = {.vaddr = vaddr};

	dwarf_walk__ranges(die, budget, check_range, &holding);
	return holding.found;
}

/* The attribute of @die or of one that it is an instance of; @holder is the one that has it. */
static Dwarf_Attribute *find_attribute(Dwarf_Die *die, unsigned int name, Dwarf_Attribute *attribute,
				       Dwarf_Die *holder)
{
	Dwarf_Die current = *die, next;

	for (int hops = 0; hops < MAX_ORIGINS; hops++) {
		if (dwarf_attr(&current, name, attribute)) {
			*holder = current;
			return attribute;
		}
		if (!dwarf_attr(&current, DW_AT_abstract_origin, attribute) &&
		    !dwarf_attr(&current, DW_AT_specification, attribute))
			return NULL;
		if (!dwarf_formref_die(attribute, &next))
			return NULL;
		current = next;
	}
	return NULL;
}

static int skip_attribute(Dwarf_Attribute *attribute, void *context)
{
	(void)attribute;
	(void)context;
	return DWARF_CB_OK;
}

static bool is_string_section(const char *name)
{
	return name && (strcmp(name, ".debug_str") == 0 || strcmp(name, ".debug_line_str") == 0 ||
			strcmp(name, ".zdebug_str") == 0);
}

/* Whether @text lies in a string section of @dwarf and ends there. */
static bool ends_in_section(Dwarf *dwarf, const char *text)
{
	Elf *elf = dwarf_getelf(dwarf);
	uintptr_t at = (uintptr_t)text, start;
	Elf_Scn *scn = NULL;
	GElf_Shdr header;
	Elf_Data *data;
	size_t names;

	if (!elf || elf_getshdrstrndx(elf, &names))
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, &header) || header.sh_type == SHT_NOBITS ||
		    !is_string_section(elf_strptr(elf, names, header.sh_name)))
			continue;
		data = elf_getdata(scn, NULL);
		start = data ? (uintptr_t)data->d_buf : 0;
		if (start && at >= start && at - start < data->d_size)
			return memchr(text, '\0', data->d_size - (at - start)) != NULL;
	}
	return false;
}

/*
 * dwarf_formstring gives out strings without looking for their end, which a damaged file may not have, and
 * from string indices one that lies behind its section.
 */
static bool is_terminated(Dwarf_Attribute *attribute, Dwarf_Die *holder, const char *text)
{
	Dwarf *dwarf = dwarf_cu_getdwarf(holder->cu);

	switch (dwarf_whatform(attribute)) {
	case DW_FORM_string:
		/* It stands in the entry itself: stepping over all attributes looks for its end. */
		return dwarf_getattrs(holder, skip_attribute, NULL, 0) == 1;
	case DW_FORM_GNU_strp_alt:
	case DW_FORM_strp_sup:
		dwarf = dwarf_getalt(dwarf);
		break;
	}
	return dwarf && ends_in_section(dwarf, text);
}

const char *dwarf_walk__string(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;
	Dwarf_Die holder;
	const char *text;

	if (!find_attribute(die, name, &attribute, &holder))
		return NULL;
	text = dwarf_formstring(&attribute);
	return text && is_terminated(&attribute, &holder, text) ? text : NULL;
}

bool dwarf_walk__number(Dwarf_Die *die, unsigned int name, uint64_t *value)
{
	Dwarf_Attribute attribute;
	Dwarf_Word word;

	if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &word))
		return false;
	*value = word;
	return true;
}
