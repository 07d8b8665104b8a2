// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attach/decode.h"

#include <stdio.h>
#include <string.h>
#include <Zydis/Zydis.h>

#define PAGE 4096

/* The System V ABI's integer arguments, in order (AMD64 supplement, 3.2.3). */
static const ZydisRegister argument_registers[] = {
	ZYDIS_REGISTER_RDI, ZYDIS_REGISTER_RSI, ZYDIS_REGISTER_RDX,
	ZYDIS_REGISTER_RCX, ZYDIS_REGISTER_R8,  ZYDIS_REGISTER_R9,
};

struct instruction {
	ZydisDecodedInstruction head;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static bool decode(const uint8_t *code, size_t size, struct instruction *instruction)
{
	ZydisDecoder decoder;

	if (ZYAN_FAILED(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return false;
	return ZYAN_SUCCESS(
		ZydisDecoderDecodeFull(&decoder, code, size, &instruction->head, instruction->operands));
}

static bool has_prefix(const ZydisDecodedInstruction *head, uint8_t value)
{
	for (size_t i = 0; i < head->raw.prefix_count; i++) {
		if (head->raw.prefixes[i].value == value)
			return true;
	}
	return false;
}

/*
 * What Linux will not put a uprobe on in 64-bit code: arch/x86/kernel/uprobes.c, is_prefix_bad(),
 * good_insns_64 and insn_masking_exception(), unchanged from 6.1 to 6.18. Two more are left alone because the
 * kernel handles them wrongly: VEX and EVEX opcodes are looked up there as if they were one-byte opcodes
 * (vzeroupper's 77 is a conditional jump's), and xchg %r8,%rax (41 90) is taken for a nop (until "Unify
 * insn_is_nop()", after 6.18).
 */
static bool is_refused(const struct instruction *instruction)
{
	static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0xf0};
	static const uint8_t opcodes[] = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37,
					  0x3f, 0x60, 0x61, 0x62, 0x6c, 0x6d, 0x6e, 0x6f, 0x82, 0x9a,
					  0xcc, 0xcd, 0xce, 0xcf, 0xd4, 0xd5, 0xd6, 0xe4, 0xe5, 0xe6,
					  0xe7, 0xea, 0xec, 0xed, 0xee, 0xef, 0xf1, 0xf4, 0xfa, 0xfb};
	const ZydisDecodedInstruction *head = &instruction->head;

	if (head->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return true;
	for (size_t i = 0; i < sizeof(prefixes); i++) {
		if (has_prefix(head, prefixes[i]))
			return true;
	}
	if (head->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
		return false;
	if (head->opcode == 0x90)
		return head->raw.rex.B;
	if (head->opcode == 0x8e) /* mov to ss holds back the trap that stepping relies on */
		return instruction->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		       instruction->operands[0].reg.value == ZYDIS_REGISTER_SS;
	return memchr(opcodes, head->opcode, sizeof(opcodes)) != NULL;
}

/* branch_setup_xol_ops(): jmp rel8 and rel32, call rel32, jcc rel8 and rel32. The same from 6.1 to 6.18. */
static bool is_plain_branch(const ZydisDecodedInstruction *head)
{
	if (head->opcode_map == ZYDIS_OPCODE_MAP_0F)
		return (head->opcode & 0xf0) == 0x80;
	if (head->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
		return false;
	return head->opcode == 0xeb || head->opcode == 0xe9 || head->opcode == 0xe8 ||
	       (head->opcode & 0xf0) == 0x70;
}

/* push_setup_xol_ops(): push of a register, alone or with the one REX prefix 41. The same from 6.1 to 6.18.
 */
static bool is_plain_push(const ZydisDecodedInstruction *head)
{
	if (head->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || (head->opcode & 0xf8) != 0x50)
		return false;
	return head->length == 1 || (head->length == 2 && has_prefix(head, 0x41));
}

/*
 * Nops: 90 with any prefix but a refused one is emulated (66 90: from 6.2 and 6.1.7 on; refused before). The
 * 5-byte nop is turned into a call from 6.18 on where it does not cross a page (can_optimize()), emulated
 * from 6.16 on, and stepped before. All longer and shorter 0f 1f nops are emulated from 6.16 on ("Add support
 * to emulate nop instructions"), but count as stepped here, as they are on older kernels. endbr64 (f3 0f 1e
 * fa) is stepped on all of them.
 */
static enum site_cost classify(const struct instruction *instruction, const uint8_t *code, uint64_t vaddr)
{
	static const uint8_t nop5[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
	const ZydisDecodedInstruction *head = &instruction->head;

	if (is_refused(instruction))
		return SITE_REFUSED;
	if (is_plain_branch(head))
		return has_prefix(head, 0x66) ? SITE_REFUSED : SITE_EMULATED;
	if (is_plain_push(head))
		return SITE_EMULATED;
	if (head->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && head->opcode == 0x90)
		return SITE_EMULATED;
	if (head->length == sizeof(nop5) && memcmp(code, nop5, sizeof(nop5)) == 0 &&
	    vaddr % PAGE <= PAGE - sizeof(nop5))
		return SITE_NOP5;
	return SITE_STEPPED;
}

static enum decode_flow flow_of(const ZydisDecodedInstruction *head)
{
	switch (head->mnemonic) {
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_HLT:
	case ZYDIS_MNEMONIC_INT3:
		return FLOW_TRAP;
	default:
		break;
	}
	switch (head->meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
		return FLOW_CONDITIONAL;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return FLOW_JUMP;
	case ZYDIS_CATEGORY_CALL:
		return FLOW_CALL;
	case ZYDIS_CATEGORY_RET:
		return FLOW_RETURN;
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_INTERRUPT:
		return FLOW_SYSTEM;
	default:
		return FLOW_NEXT;
	}
}

static void find_target(const struct instruction *instruction, uint64_t vaddr, struct decoded *decoded)
{
	const ZydisDecodedOperand *operand = &instruction->operands[0];

	if (decoded->flow != FLOW_CONDITIONAL && decoded->flow != FLOW_JUMP && decoded->flow != FLOW_CALL)
		return;
	if (operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operand->imm.is_relative) {
		decoded->has_target = true;
		decoded->target = vaddr + instruction->head.length + operand->imm.value.u;
	} else if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY && operand->mem.base == ZYDIS_REGISTER_RIP &&
		   operand->mem.index == ZYDIS_REGISTER_NONE) {
		decoded->has_slot = true;
		decoded->slot = vaddr + instruction->head.length + (uint64_t)operand->mem.disp.value;
	}
}

/* The change of the stack pointer by the forms that compilers use; all else that writes it is unknown. */
static void find_sp_delta(const struct instruction *instruction, struct decoded *decoded)
{
	const ZydisDecodedInstruction *head = &instruction->head;
	const ZydisDecodedOperand *to = &instruction->operands[0], *from = &instruction->operands[1];
	bool to_sp = to->type == ZYDIS_OPERAND_TYPE_REGISTER && to->reg.value == ZYDIS_REGISTER_RSP;

	decoded->sp_known = true;
	switch (head->mnemonic) {
	case ZYDIS_MNEMONIC_PUSH:
	case ZYDIS_MNEMONIC_PUSHFQ:
		decoded->sp_known = head->operand_width == 64;
		decoded->sp_delta = 8;
		return;
	case ZYDIS_MNEMONIC_POP:
		decoded->sp_known = head->operand_width == 64 && !to_sp;
		decoded->sp_delta = -8;
		return;
	case ZYDIS_MNEMONIC_SUB:
	case ZYDIS_MNEMONIC_ADD:
		decoded->sp_known = to_sp && from->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
		if (decoded->sp_known)
			decoded->sp_delta =
				head->mnemonic == ZYDIS_MNEMONIC_SUB ? from->imm.value.s : -from->imm.value.s;
		return;
	case ZYDIS_MNEMONIC_LEA:
		decoded->sp_known = to_sp && from->mem.base == ZYDIS_REGISTER_RSP &&
				    from->mem.index == ZYDIS_REGISTER_NONE;
		if (decoded->sp_known)
			decoded->sp_delta = -from->mem.disp.value;
		return;
	default:
		decoded->sp_known = false;
	}
}

static bool on_the_stack(const ZydisDecodedOperand *operand)
{
	return operand->mem.base == ZYDIS_REGISTER_RSP && operand->mem.index == ZYDIS_REGISTER_NONE &&
	       operand->mem.segment == ZYDIS_REGISTER_SS;
}

static void find_writes(const struct instruction *instruction, struct decoded *decoded)
{
	bool writes_sp = false;

	for (size_t i = 0; i < instruction->head.operand_count; i++) {
		const ZydisDecodedOperand *operand = &instruction->operands[i];
		ZydisRegister whole;

		if (!(operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY && !on_the_stack(operand))
			decoded->stores = true;
		if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operand->reg.value);
		writes_sp |= whole == ZYDIS_REGISTER_RSP;
		for (size_t n = 0; n < sizeof(argument_registers) / sizeof(argument_registers[0]); n++) {
			if (whole == argument_registers[n])
				decoded->arguments_written |= 1u << n;
		}
	}
	decoded->sp_known = true;
	if (writes_sp)
		find_sp_delta(instruction, decoded);
}

bool decode__instruction(const uint8_t *code, size_t size, uint64_t vaddr, struct decoded *decoded)
{
	struct instruction instruction;

	memset(decoded, 0, sizeof(*decoded));
	if (!decode(code, size, &instruction))
		return false;
	decoded->length = instruction.head.length;
	decoded->cost = classify(&instruction, code, vaddr);
	decoded->flow = flow_of(&instruction.head);
	decoded->filler = instruction.head.mnemonic == ZYDIS_MNEMONIC_ENDBR64 ||
			  instruction.head.mnemonic == ZYDIS_MNEMONIC_NOP;
	find_target(&instruction, vaddr, decoded);
	find_writes(&instruction, decoded);
	return true;
}

char *decode__format(const uint8_t *code, size_t size, uint64_t vaddr, char *buffer, size_t length)
{
	struct instruction instruction;
	ZydisFormatter formatter;

	if (!decode(code, size, &instruction) ||
	    ZYAN_FAILED(ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL)) ||
	    ZYAN_FAILED(
		    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE)) ||
	    ZYAN_FAILED(ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE,
						  ZYDIS_PADDING_DISABLED)) ||
	    ZYAN_FAILED(ZydisFormatterFormatInstruction(&formatter, &instruction.head, instruction.operands,
							instruction.head.operand_count_visible, buffer,
							length, vaddr, NULL)))
		snprintf(buffer, length, "(bad)");
	return buffer;
}
