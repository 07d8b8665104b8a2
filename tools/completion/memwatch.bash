# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Completion of memwatch's options, from its own --help, so that it never lags behind.

_memwatch_options() {
	"$@" --help 2>/dev/null | grep -oE '^ {2,}(-[a-zA-Z?], )?--[a-z-]+' | grep -oE -- '--[a-z-]+'
}

_memwatch_pids() {
	local directory
	for directory in /proc/[0-9]*; do
		echo "${directory#/proc/}"
	done
}

# Completes COMP_WORDS from the program after --, as if memwatch were not there.
_memwatch_command() {
	local i
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == -- ]] || continue
		declare -F _command_offset >/dev/null && _command_offset $((i + 1))
		return 0
	done
	return 1
}

_memwatch() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local words=() command=("${COMP_WORDS[0]}")

	COMPREPLY=()
	_memwatch_command && return
	if [[ $before == '=' ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	[[ $word == '=' ]] && word=
	case ${COMP_WORDS[1]} in
	sites | mark) ((COMP_CWORD > 1)) && command+=("${COMP_WORDS[1]}") ;;
	esac
	case $before in
	-p | --pid) mapfile -t words < <(_memwatch_pids) ;;
	-g | --group-by) words=(lineno filename function module type traceback) ;;
	--attach-mode) words=(auto session multi perf) ;;
	--domains) words=(heap mmap 'heap,mmap') ;;
	-o | --output)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	*)
		mapfile -t words < <(_memwatch_options "${command[@]}")
		((COMP_CWORD == 1)) && words+=(sites mark)
		[[ ${command[1]:-} == sites && $word != -* ]] && mapfile -t words < <(compgen -f -- "$word")
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$word")
}

complete -F _memwatch memwatch
