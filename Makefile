# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
#   make            build .output/memwatch          make check   install, build, run all the tests
#   make demo       install, build, watch a leak    make bench   ratios against floor and rivals
#   make lint format asan install compile_commands.json
#
# V=1 shows the commands. Nothing is written outside .output/.
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:

OUT       := .output
PREFIX    ?= /usr/local
CC        := gcc
CXX       := g++
CLANG     := clang
BPFTOOL   := $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
VERSION   := 0.1.0

ifeq ($(V),1)
  Q :=
  say = @:
else
  Q := @
  say = @printf '  %-8s %s\n' $(1) $(2)
endif

include tools/make/build.mk
include tools/make/targets.mk
include tools/make/test.mk
include tools/make/bench.mk
include tools/make/lint.mk
include tools/make/kernels.mk
include tools/make/install.mk
