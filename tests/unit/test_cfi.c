// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Call frame information written by hand, in a file of one segment and no sections. What is expected was
 * worked out from DWARF's text.
 */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "unwind/unwind_table.h"

#define CODE      0x2000 /* where the function is that most of these describe */
#define CODE_SIZE 0x100
#define FRAMES    0x200

struct made_file {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	uint8_t room[FRAMES - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr) - 16];
	uint8_t index[16];
	uint8_t frames[0x600];
	size_t used; /* of frames; from here on not in the file */
};

static struct made_file made_file(void)
{
	struct made_file file = {
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_DYN,
			   .e_machine = EM_X86_64,
			   .e_version = EV_CURRENT,
			   .e_phoff = sizeof(Elf64_Ehdr),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 2},
		.segments = {{.p_type = PT_LOAD,
			      .p_flags = PF_R | PF_X,
			      .p_filesz = offsetof(struct made_file, used),
			      .p_memsz = 0x10000},
			     {.p_type = PT_GNU_EH_FRAME, .p_vaddr = FRAMES - 16, .p_filesz = 16}},
		/* version 1; the pointer is pcrel sdata4: 12 bytes on */
		.index = {1, 0x1b, 0xff, 0xff, 12},
	};

	assert_int_equal(offsetof(struct made_file, frames), FRAMES);
	return file;
}

static void put(struct made_file *file, const void *bytes, size_t size)
{
	assert_true(file->used + size <= sizeof(file->frames));
	memcpy(file->frames + file->used, bytes, size);
	file->used += size;
}

static size_t put_entry(struct made_file *file, const void *bytes, size_t size)
{
	uint32_t length = (uint32_t)size;
	size_t offset = file->used;

	put(file, &length, 4);
	put(file, bytes, size);
	return offset;
}

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

/* def_cfa rsp+8, ra at c-8 */
#define USUAL 0x0c, 7, 8, 0x80 + 16, 1

/* A CIE of version 1 with addresses in @encoding; @signal: "zRS". Returns its offset. */
static size_t put_cie(struct made_file *file, uint8_t encoding, bool signal, const uint8_t *code, size_t size)
{
	uint8_t cie[128] = {0, 0, 0, 0, 1, 'z', 'R', signal ? 'S' : 0};
	size_t at = signal ? 9 : 8;

	/* code factor 1, data factor −8, the return address in 16, a byte of augmentation */
	memcpy(cie + at, (const uint8_t[]){1, 0x78, 16, 1, encoding}, 5);
	memcpy(cie + at + 5, code, size);
	return put_entry(file, cie, at + 5 + size);
}

/* An FDE in 8-byte absolute addresses. */
static void put_fde(struct made_file *file, size_t cie, uint64_t start, uint64_t length, const uint8_t *code,
		    size_t size)
{
	uint8_t fde[512];
	uint32_t back = (uint32_t)(file->used + 4 - cie);

	memcpy(fde, &back, 4);
	memcpy(fde + 4, &start, 8);
	memcpy(fde + 12, &length, 8);
	fde[20] = 0;
	memcpy(fde + 21, code, size);
	put_entry(file, fde, 21 + size);
}

/*
 * The table of @file in words: "0:rsp+8 4:rsp+16,c-16,b-24 100:none", places counted from CODE, in hex; c is
 * where rbp was saved, b where rbx was, b? that it is lost; "plt+8,11" is pushed at 11.
 */
static const char *rows_of(const struct made_file *file)
{
	static const char *const names[] = {
		[UNWIND_NONE] = "none", [UNWIND_RSP] = "rsp",           [UNWIND_RBP] = "rbp",
		[UNWIND_RBX] = "rbx",   [UNWIND_DEREF_RBP] = "*rbp",    [UNWIND_DEREF_RSP] = "*rsp",
		[UNWIND_PLT] = "plt",   [UNWIND_SIGNAL] = "signal",     [UNWIND_END] = "end",
		[UNWIND_R10] = "r10",   [UNWIND_DEREF_RSP8] = "8+*rsp", [UNWIND_UNSUPPORTED] = "unsupported",
	};
	static char text[1024];
	struct unwind_table table;
	struct error error = {0};
	struct image *image;
	int used = 0;

	if (image__from_memory("made", file, offsetof(struct made_file, used), &image, &error) ||
	    unwind_table__compile(image, &table, &error))
		fail_msg("%s", error.text);
	image__put(image);
	text[0] = 0;
	for (size_t i = 0; i < table.count && used < (int)sizeof(text) - 64; i++) {
		const struct unwind_row *row = &table.items[i];

		used += sprintf(text + used, "%s%x:%s", i ? " " : "", row->pc - CODE,
				names[UNWIND_CFA(row->rule)]);
		if (UNWIND_OFFSET(row->rule) != 0)
			used += sprintf(text + used, "%+d", UNWIND_OFFSET(row->rule));
		if (UNWIND_RBP_AT(row->rule))
			used += sprintf(text + used, ",c%+d", UNWIND_SAVED(UNWIND_RBP_AT(row->rule)));
		if (UNWIND_CFA(row->rule) == UNWIND_PLT)
			used += sprintf(text + used, ",%u", UNWIND_PUSHED_AT(row->rule));
		else if (UNWIND_RBX_AT(row->rule) == UNWIND_RBX_LOST)
			used += sprintf(text + used, ",b?");
		else if (UNWIND_RBX_AT(row->rule))
			used += sprintf(text + used, ",b%+d", UNWIND_SAVED(UNWIND_RBX_AT(row->rule)));
	}
	unwind_table__free(&table);
	return text;
}

static const char *rows_of_code(const uint8_t *code, size_t size)
{
	struct made_file file = made_file();
	size_t cie = put_cie(&file, 0, false, BYTES(USUAL));

	put_fde(&file, cie, CODE, CODE_SIZE, code, size);
	return rows_of(&file);
}

#define ROWS(expected, ...) assert_string_equal(rows_of_code(BYTES(__VA_ARGS__)), expected)

static void usual_function(void **state)
{
	(void)state;
	ROWS("0:rsp+8 100:none", 0);
	/* push rbp; mov rsp,rbp; …; leave */
	ROWS("0:rsp+8 1:rsp+16,c-16 4:rbp+16,c-16 24:rsp+8 100:none", 0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6,
	     0x60, 0x0c, 7, 8, 0xc6);
	/* push rbx as well */
	ROWS("0:rsp+8 1:rsp+16,c-16 2:rsp+24,c-16,b-24 100:none", 0x41, 0x0e, 16, 0x86, 2, 0x41, 0x0e, 24,
	     0x83, 3);
	/* what is the same is no new row; r12 is not followed */
	ROWS("0:rsp+8 100:none", 0x41, 0x0e, 8, 0x41, 0x8c, 3);
}

static void advances(void **state)
{
	(void)state;
	ROWS("0:rsp+8 4:rsp+16 9:rsp+24 b:rsp+32 f:rsp+40 17:rsp+48 100:none", 0x02, 4, 0x0e, 16, 0x03, 5, 0,
	     0x0e, 24, 0x04, 2, 0, 0, 0, 0x0e, 32, 0x1d, 4, 0, 0, 0, 0, 0, 0, 0, 0x0e, 40, 0x01, 0x17, 0x20,
	     0, 0, 0, 0, 0, 0, 0x0e, 48);
	/* two definitions at one place: the second holds */
	ROWS("0:rsp+8 4:rsp+24 100:none", 0x44, 0x0e, 16, 0x40, 0x0e, 24);
	/* at the end and behind it: nothing is left to describe */
	ROWS("0:rsp+8 100:none", 0x03, 0, 1, 0x0e, 16);
	ROWS("0:rsp+8 100:none", 0x03, 0, 2, 0x0e, 16);
	/* back, and around the end of addresses: broken */
	ROWS("", 0x44, 0x0e, 16, 0x01, 0, 0x20, 0, 0, 0, 0, 0, 0);
	ROWS("", 0x44, 0x0e, 16, 0x1d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
}

static void states(void **state)
{
	uint8_t deep[80];

	(void)state;
	ROWS("0:rsp+8 1:rsp+16,c-16 2:rsp+24,c-16 3:rsp+8 4:rsp+24,c-16 5:rsp+16,c-16 100:none", 0x41, 0x0e,
	     16, 0x86, 2, 0x0a, 0x41, 0x0e, 24, 0x0a, 0x41, 0x0e, 8, 0xc6, 0x41, 0x0b, 0x41, 0x0b);
	ROWS("", 0x41, 0x0e, 16, 0x0b);
	memset(deep, 0x0a, sizeof(deep));
	assert_string_equal(rows_of_code(deep, 32), "0:rsp+8 100:none");
	assert_string_equal(rows_of_code(deep, 33), "");
}

static void registers(void **state)
{
	(void)state;
	ROWS("0:rbx+16 1:r10 2:unsupported 100:none", 0x0c, 3, 16, 0x41, 0x0c, 10, 0, 0x41, 0x0c, 5, 0);
	/* restore, restore_extended, same_value, undefined, of rbp */
	ROWS("0:rsp+8,c-16 1:rsp+8 2:rsp+8,c-24 3:rsp+8 4:rsp+8,c-16 5:rsp+8 6:rsp+8,c-16 7:rsp+8 100:none",
	     0x86, 2, 0x41, 0xc6, 0x41, 0x05, 6, 3, 0x41, 0x06, 6, 0x41, 0x86, 2, 0x41, 0x08, 6, 0x41, 0x86,
	     2, 0x41, 0x07, 6);
	/* and of rbx, whose place is not needed for most: nothing is unsupported for it */
	ROWS("0:rsp+8,b-16 1:rsp+8 2:rsp+8,b-24 3:rsp+8 4:rsp+8,b-16 5:rsp+8 6:rsp+8,b? 7:rsp+8 100:none",
	     0x83, 2, 0x41, 0xc3, 0x41, 0x05, 3, 3, 0x41, 0x06, 3, 0x41, 0x83, 2, 0x41, 0x08, 3, 0x41, 0x07,
	     3, 0x41, 0xc3);
	ROWS("0:rsp+8,b? 1:rsp+8 2:rsp+8,b? 3:rsp+8 4:rsp+8,b? 5:rsp+8 6:rsp+8,b? 7:rsp+16,b? 8:rsp+24,b? "
	     "9:rsp+32,b? 100:none",
	     0x09, 3, 0, 0x41, 0xc3, 0x41, 0x14, 3, 2, 0x41, 0xc3, 0x41, 0x15, 3, 2, 0x41, 0xc3, 0x41, 0x16,
	     3, 1, 0x30, 0x41, 0x0e, 16, 0x10, 3, 2, 0x76, 0x68, 0x41, 0x0e, 24, 0x10, 3, 2, 0x76, 0, 0x41,
	     0x0e, 32, 0x83, 1);
	/* the signed forms: def_cfa_sf, offset_extended_sf, def_cfa_offset_sf; GNU's negative one */
	ROWS("0:rsp+16,c-16,b-24 1:rsp-8,c-24,b-24 100:none", 0x12, 7, 0x7e, 0x11, 6, 2, 0x11, 3, 3, 0x41,
	     0x13, 1, 0x11, 6, 3);
	ROWS("0:unsupported 1:rsp+8,c-16 2:unsupported 100:none", 0x11, 6, 0x7e, 0x41, 0x11, 6, 2, 0x41, 0x2f,
	     6, 2);
	/* in another register, or a value rather than a place: no row can say it */
	ROWS("0:unsupported 1:rsp+8 2:unsupported 3:rsp+8 4:unsupported 5:rsp+8 6:unsupported 100:none", 0x09,
	     6, 0, 0x41, 0xc6, 0x41, 0x14, 6, 2, 0x41, 0xc6, 0x41, 0x15, 6, 2, 0x41, 0xc6, 0x41, 0x16, 6, 1,
	     0x30);
	/* those of no interest, with their operands passed over */
	ROWS("0:rsp+8 1:rsp+16 100:none", 0x09, 12, 3, 0x14, 12, 2, 0x16, 12, 2, 0x70, 0, 0x10, 12, 1, 0x30,
	     0x2e, 0x80, 1, 0x2d, 0, 0x41, 0x0e, 16);
	/* the return address: undefined; in its place; in another */
	ROWS("0:end 1:rsp+8 2:unsupported 100:none", 0x07, 16, 0x41, 0xd0, 0x41, 0x90, 2);
}

static void sizes(void **state)
{
	(void)state;
	/* the largest frame, one too large, one that is no multiple of 8 */
	ROWS("0:rsp+1048568 1:unsupported 2:rsp+8 3:unsupported 100:none", 0x0e, 0xf8, 0xff, 0x3f, 0x41, 0x0e,
	     0x80, 0x80, 0x40, 0x41, 0x0e, 8, 0x41, 0x0e, 12);
	/* below rsp, as far as it goes: def_cfa_offset_sf of 131072 × −8, of 131073 */
	ROWS("0:rsp-1048576 1:unsupported 100:none", 0x13, 0x80, 0x80, 0x08, 0x41, 0x13, 0x81, 0x80, 0x08);
	/* rbp at −248, below; in the return address's place; at the frame address itself; at no multiple of 8
	 */
	ROWS("0:rsp+8,c-248 1:unsupported 2:rsp+8 3:unsupported 4:rsp+8 5:unsupported 100:none", 0x86, 31,
	     0x41, 0x86, 32, 0x41, 0xc6, 0x41, 0x86, 1, 0x41, 0xc6, 0x41, 0x86, 0);
	/* rbx at −248, below */
	ROWS("0:rsp+8,b-248 1:rsp+8,b? 2:rsp+8 3:rsp+8,b? 100:none", 0x83, 31, 0x41, 0x83, 32, 0x41, 0xc3,
	     0x41, 0x83, 0);
	/* numbers of more than 64 bits, and products */
	ROWS("", 0x0e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
	ROWS("", 0x86, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f);
}

#define PLT(low, limit) 0x0f, 11, 0x77, low, 0x80, 0, 0x3f, 0x1a, limit, 0x2a, 0x33, 0x24, 0x22

static void expressions(void **state)
{
	(void)state;
	/* lit11; lit10, lit9, lit5, as linkers wrote them for stubs with bnd or endbr64; the least and the
	 * largest */
	ROWS("0:plt+8,11 100:none", PLT(8, 0x3b));
	ROWS("0:plt+8,10 1:plt+8,9 2:plt+8,5 3:plt+16,0 4:plt+8,15 100:none", PLT(8, 0x3a), 0x41,
	     PLT(8, 0x39), 0x41, PLT(8, 0x35), 0x41, PLT(16, 0x30), 0x41, PLT(8, 0x3f));
	/* what is no such number */
	ROWS("0:unsupported 2:rsp+8 100:none", PLT(8, 0x2f), 0x41, PLT(8, 0x40), 0x41, 0x0c, 7, 8);
	/* rbp may be saved, rbx not: its place is taken */
	ROWS("0:plt+8,c-16,9 1:unsupported 2:plt+8,c-16,9 100:none", PLT(8, 0x39), 0x86, 2, 0x41, 0x83, 3,
	     0x41, 0x08, 3);
	ROWS("0:unsupported 100:none", PLT(8, 0x39), 0x07, 3);
	ROWS("0:*rsp+16,c-16 100:none", 0x0f, 3, 0x77, 16, 0x06, 0x86, 2);
	/* DRAP: both expressions, or no row can say it */
	ROWS("0:*rbp-8 100:none", 0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0);
	ROWS("0:*rbp-8,b? 100:none", 0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0, 0x10, 3, 2, 0x76, 0x68);
	ROWS("0:unsupported 100:none", 0x0f, 3, 0x76, 0x78, 0x06);
	ROWS("0:unsupported 100:none", 0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 8);
	ROWS("0:unsupported 100:none", 0x0c, 10, 0, 0x10, 6, 2, 0x76, 0);
	/* OpenSSL's, with rbx and rbp where they were pushed; 16 more, none more */
	ROWS("0:8+*rsp+264,c-24,b-16 100:none", 0x0f, 6, 0x77, 0x88, 2, 0x06, 0x23, 8, 0x86, 3, 0x83, 2);
	ROWS("0:unsupported 100:none", 0x0f, 5, 0x77, 16, 0x06, 0x23, 16);
	ROWS("0:unsupported 100:none", 0x0f, 5, 0x76, 16, 0x06, 0x23, 8);
	ROWS("0:unsupported 100:none", 0x0f, 6, 0x77, 16, 0x06, 0x23, 8, 0x06);
	/* with something behind; of another register; empty; longer than the entry */
	ROWS("0:unsupported 100:none", 0x0f, 4, 0x77, 16, 0x06, 0x96);
	ROWS("0:unsupported 100:none", 0x0f, 3, 0x73, 16, 0x06);
	ROWS("0:unsupported 100:none", 0x0f, 0);
	ROWS("", 0x0f, 4, 0x77, 16, 0x06);
	/* a register again */
	ROWS("0:*rsp+16 1:rsp+8 100:none", 0x0f, 3, 0x77, 16, 0x06, 0x41, 0x0d, 7);
}

static void signal_frames(void **state)
{
	struct made_file file = made_file();
	size_t cie = put_cie(&file, 0, true, BYTES(USUAL));

	(void)state;
	/* *(rsp + 160), and no rule for the return address that a row could have */
	put_fde(&file, cie, CODE, 9, BYTES(0x0f, 4, 0x77, 0xa0, 0x01, 0x06, 0x10, 16, 3, 0x77, 0xa8, 0x01));
	put_fde(&file, cie, CODE + 9, 7, BYTES(0x0e, 16));
	assert_string_equal(rows_of(&file), "0:signal 9:rsp+16 10:none");
}

static void broken_entries(void **state)
{
	struct made_file file;
	size_t cie;

	(void)state;
	/* opcodes of no meaning, operands that are cut off: the function is passed over, its neighbours stay
	 */
	for (unsigned i = 0; i < 5; i++) {
		static const uint8_t codes[][3] = {
			{0x41, 0x0e, 0x80}, {0x17, 0, 0}, {0x41, 0x3f, 0}, {0, 0x04, 1}, {0, 0, 0x90}};

		file = made_file();
		cie = put_cie(&file, 0, false, BYTES(USUAL));
		put_fde(&file, cie, CODE, 16, BYTES(0x0e, 16));
		put_fde(&file, cie, CODE + 16, 16, codes[i], 3);
		put_fde(&file, cie, CODE + 32, 16, BYTES(0x0e, 24));
		assert_string_equal(rows_of(&file), "0:rsp+16 10:none 20:rsp+24 30:none");
	}
	/* a CIE that advances, one that restores: its functions are not known */
	file = made_file();
	put_fde(&file, put_cie(&file, 0, false, BYTES(USUAL, 0x41)), CODE, 16, BYTES(0));
	put_fde(&file, put_cie(&file, 0, false, BYTES(USUAL, 0xc6)), CODE, 16, BYTES(0));
	/* an FDE of no CIE; of no length; around the end of addresses; outside all code */
	put_fde(&file, 1, CODE, 16, BYTES(0));
	cie = put_cie(&file, 0, false, BYTES(USUAL));
	put_fde(&file, cie, CODE, 0, BYTES(0));
	put_fde(&file, cie, UINT64_MAX - 4, 16, BYTES(0));
	put_fde(&file, cie, 0x10000, 16, BYTES(0));
	assert_string_equal(rows_of(&file), "");
	/* an entry that claims more than there is ends the list */
	put_fde(&file, cie, CODE, 16, BYTES(0));
	put(&file, BYTES(0xf0, 0xff, 0, 0, 0, 0, 0, 0));
	put_fde(&file, cie, CODE + 16, 16, BYTES(0x0e, 16));
	assert_string_equal(rows_of(&file), "0:rsp+8 10:none");
}

static void overlaps(void **state)
{
	struct made_file file = made_file();
	size_t cie = put_cie(&file, 0, false, BYTES(USUAL));

	(void)state;
	put_fde(&file, cie, CODE + 0x80, 0x10, BYTES(0x0e, 48));
	put_fde(&file, cie, CODE + 0x10, 0x10, BYTES(0x0e, 24, 0x48, 0x0e, 32));
	put_fde(&file, cie, CODE, 0x14, BYTES(0x0e, 16));
	put_fde(&file, cie, CODE, 0x18, BYTES(0x0e, 40));
	/* cut off at the end of the code */
	put_fde(&file, cie, 0xfff0, 0x100, BYTES(0x0e, 56));
	assert_string_equal(rows_of(&file),
			    "0:rsp+16 14:rsp+40 18:rsp+32 20:none 80:rsp+48 90:none dff0:rsp+56 e000:none");
}

/* Each encoding of the same function at CODE, 16 bytes. Where the address field is: FRAMES + its offset. */
static void encodings(void **state)
{
	static const struct {
		uint8_t encoding;
		size_t width;
		bool known;
	} cases[] = {{0x00, 8, true},  {0x02, 2, true},  {0x03, 4, true},  {0x04, 8, true},  {0x0a, 2, true},
		     {0x0b, 4, true},  {0x0c, 8, true},  {0x1b, 4, true},  {0x1c, 8, true},  {0x12, 2, true},
		     {0x30, 8, false}, {0x20, 8, false}, {0x50, 8, false}, {0x80, 8, false}, {0x9b, 4, false},
		     {0xff, 8, false}, {0x05, 8, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct made_file file = made_file();
		size_t cie = put_cie(&file, cases[i].encoding, false, BYTES(USUAL)), width = cases[i].width;
		uint32_t back = (uint32_t)(file.used + 4 - cie);
		uint64_t start = CODE, length = 16;
		uint8_t fde[32] = {0};

		if ((cases[i].encoding & 0x70) == 0x10)
			start -= FRAMES + file.used + 8;
		memcpy(fde, &back, 4);
		memcpy(fde + 4, &start, width);
		memcpy(fde + 4 + width, &length, width);
		put_entry(&file, fde, 4 + 2 * width + 1);
		assert_string_equal(rows_of(&file), cases[i].known ? "0:rsp+8 10:none" : "");
	}
}

/* CIEs that compilers of other times wrote, and what they did not. */
static void cie_forms(void **state)
{
	static const struct {
		uint8_t bytes[32];
		size_t size;
		bool known, augmented;
	} cases[] = {
		/* no augmentation, versions 1, 3, 4; version 2, 5 */
		{{0, 0, 0, 0, 1, 0, 1, 0x78, 16, USUAL}, 14, true, false},
		{{0, 0, 0, 0, 3, 0, 1, 0x78, 16, USUAL}, 14, true, false},
		{{0, 0, 0, 0, 4, 0, 8, 0, 1, 0x78, 16, USUAL}, 16, true, false},
		{{0, 0, 0, 0, 2, 0, 1, 0x78, 16, USUAL}, 14, false, false},
		{{0, 0, 0, 0, 5, 0, 1, 0x78, 16, USUAL}, 14, false, false},
		/* 4-byte addresses, a selector, another return column */
		{{0, 0, 0, 0, 4, 0, 4, 0, 1, 0x78, 16, USUAL}, 16, false, false},
		{{0, 0, 0, 0, 4, 0, 8, 1, 1, 0x78, 16, USUAL}, 16, false, false},
		{{0, 0, 0, 0, 1, 0, 1, 0x78, 15, USUAL}, 14, false, false},
		/* zPLRB: a personality routine at a 4-byte address, which is not looked at */
		{{0,    0,  0, 0,    1, 'z', 'P', 'L', 'R',  'B', 0,    1,
		  0x78, 16, 7, 0x9b, 9, 9,   9,   9,   0x1b, 0,   USUAL},
		 27,
		 true,
		 true},
		/* an unknown letter; no 'z'; data cut short */
		{{0, 0, 0, 0, 1, 'z', 'R', 'x', 0, 1, 0x78, 16, 1, 0, USUAL}, 19, false, true},
		{{0, 0, 0, 0, 1, 'e', 'h', 0, 1, 0x78, 16, USUAL}, 16, false, false},
		{{0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 0, USUAL}, 17, false, true},
		{{0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 99, 0, USUAL}, 18, false, true},
		{{0, 0, 0, 0, 1, 'z', 'R'}, 7, false, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct made_file file = made_file();
		size_t cie = put_entry(&file, cases[i].bytes, cases[i].size);

		if (cases[i].augmented) {
			put_fde(&file, cie, CODE, 16, BYTES(0));
		} else {
			uint32_t back = (uint32_t)(file.used + 4 - cie);
			uint64_t range[2] = {CODE, 16};
			uint8_t fde[20];

			memcpy(fde, &back, 4);
			memcpy(fde + 4, range, 16);
			put_entry(&file, fde, 20);
		}
		assert_string_equal(rows_of(&file), cases[i].known ? "0:rsp+8 10:none" : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usual_function), cmocka_unit_test(advances),
		cmocka_unit_test(states),         cmocka_unit_test(registers),
		cmocka_unit_test(sizes),          cmocka_unit_test(expressions),
		cmocka_unit_test(signal_frames),  cmocka_unit_test(broken_entries),
		cmocka_unit_test(overlaps),       cmocka_unit_test(encodings),
		cmocka_unit_test(cie_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
