# peersched: build, test, install. `make help` lists the targets; docs/HACKING.md explains them.
#
#   make VARIANT=debug CC=clang V=1 WERROR=1
#
# Adding a .c file needs no edit here: a folder is an archive, and the archive is a layer.
#
#   proto/*.c        -> libproto.a        agent/runner/*.c -> librunner.a    main.c of a folder becomes
#   agent/core/*.c   -> libcore.a         agent/cli/*.c    -> libcli.a       a program and is in no archive;
#   agent/store/*.c  -> libstore.a        agent/*.c        -> libagent.a     a program whose main.c is not
#   agent/io/*.c     -> libio.a           tui/*.c          -> libtui.a       there is left out.

VERSION := 0.1.0
VARIANT ?= release
V ?= 0
WERROR ?= 0
PREFIX ?= /usr/local
DESTDIR ?=

ifeq ($(origin CC),default)
CC := $(if $(filter fuzz,$(VARIANT)),clang,gcc)
endif
AR ?= ar

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
SHELL := /bin/sh

# ---- Variants -------------------------------------------------------------------------------------

# Each variant, and each compiler but gcc, has a tree of its own, so that none spoils another's objects.
compiler_suffix := $(if $(findstring clang,$(CC)),$(if $(filter fuzz,$(VARIANT)),,-clang))
B := build/$(VARIANT)$(compiler_suffix)
BIN := $(B)/bin
LIB := $(B)/lib

fortify := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
sanitize_address := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

flags_release := -O2 -g $(fortify)
flags_debug := -Og -g3
flags_asan := -O1 -g $(sanitize_address)
flags_tsan := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
flags_cov := -O0 -g --coverage
flags_fuzz := -O1 -g $(sanitize_address) -fsanitize=fuzzer-no-link
# Only the sim variants know the planted bugs: the release build is compiled without them, and
# scripts/check-purity asks the linker that none is in it.
flags_sim := -O2 -g -DMUTANTS $(fortify)
flags_sim-asan := -O1 -g -DMUTANTS $(sanitize_address)

VARIANTS := release debug asan tsan cov fuzz sim sim-asan
ifeq ($(filter $(VARIANT),$(VARIANTS)),)
$(error VARIANT=$(VARIANT) is unknown; choose one of: $(VARIANTS))
endif

# ---- Flags ----------------------------------------------------------------------------------------

warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 -Wundef \
	-Wimplicit-fallthrough

PACKAGES := libuv lmdb msgpack ncursesw libsodium libxxhash yaml-0.1 jansson cmocka

# Only include paths are taken from pkg-config: ncursesw would set feature macros for all of us.
package_cflags := $(filter -I%,$(shell pkg-config --cflags $(PACKAGES) 2>/dev/null))

ALL_CPPFLAGS := -I. -D_GNU_SOURCE -DPEERSCHED_VERSION='"$(VERSION)"' $(package_cflags) $(CPPFLAGS)
ALL_CFLAGS := -std=c11 $(warnings) -fPIE -fno-common -fstack-protector-strong \
	-fstack-clash-protection -ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=. \
	$(flags_$(VARIANT)) $(CFLAGS)
ALL_LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--as-needed -pthread \
	$(filter -fsanitize=% -fno-sanitize=% --coverage,$(flags_$(VARIANT))) $(LDFLAGS)
# Warnings as errors change no object, so turning them on rebuilds nothing.
werror := $(if $(filter 1,$(WERROR)),-Werror)

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-5s %s\n'
endif

# Asked when something is linked, never at parse time: a host without the libraries can still run
# `make help` and `make test`, whose first step installs them.
libs_of = $(if $(1),$(shell pkg-config --libs $(1)))

# ---- Sources and archives -------------------------------------------------------------------------

sources_proto := $(wildcard proto/*.c)
sources_core := $(wildcard agent/core/*.c)
sources_store := $(wildcard agent/store/*.c)
sources_io := $(wildcard agent/io/*.c)
sources_runner := $(filter-out %/main.c,$(wildcard agent/runner/*.c))
sources_cli := $(filter-out %/main.c,$(wildcard agent/cli/*.c))
sources_agent := $(filter-out agent/main.c,$(wildcard agent/*.c))
sources_tui := $(filter-out tui/main.c tui/term.c,$(wildcard tui/*.c))
sources_testlib := $(wildcard tests/lib/*.c)

ARCHIVES := proto core store io runner cli agent tui testlib

# In the order in which a member may need the ones after it; archives without a source are left out.
archives = $(foreach a,$(1),$(if $(sources_$(a)),$(LIB)/lib$(a).a))
object_of = $(patsubst %.c,$(B)/obj/%.o,$(1))

# ---- Programs -------------------------------------------------------------------------------------

# program: main sources | archives | packages
main_schedd := agent/main.c
archives_schedd := agent io store core proto
packages_schedd := libuv lmdb msgpack libsodium libxxhash yaml-0.1

main_schedd-runner := agent/runner/main.c
archives_schedd-runner := runner proto
packages_schedd-runner := libuv libsodium libxxhash

main_schedctl := agent/cli/main.c
archives_schedctl := cli agent io core proto
packages_schedctl := yaml-0.1 jansson msgpack libsodium libxxhash

main_schedtop := tui/main.c tui/term.c
archives_schedtop := tui proto
packages_schedtop := ncursesw msgpack libsodium libxxhash

main_schedsim := $(wildcard tests/sim/*.c)
archives_schedsim := store core proto
packages_schedsim := lmdb msgpack libsodium libxxhash

exists = $(if $(main_$(1)),$(if $(wildcard $(firstword $(main_$(1)))),$(1)))
PROGRAMS := $(foreach p,schedd schedd-runner schedctl schedtop,$(call exists,$(p)))
SIMULATOR := $(if $(filter sim sim-asan,$(VARIANT)),$(call exists,schedsim))

# Test programs. Each tests/unit/test_*.c is one cmocka program. Other C files below tests/ are small
# tools that whole-process tests drive; they land in build/<variant>/tests/.
unit_sources := $(wildcard tests/unit/test_*.c)
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(unit_sources))
tool_sources := $(wildcard tests/outside/*.c tests/screen/*.c tests/cli/*.c tests/runner/*.c \
	tests/cluster/*.c tests/bench/*.c)
TOOLS := $(foreach s,$(tool_sources),$(B)/tests/$(basename $(notdir $(s))))
fuzz_sources := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(fuzz_sources))
every_archive := cli agent runner io store core tui testlib proto

# ---- Default --------------------------------------------------------------------------------------

.PHONY: all programs tests unit-programs fuzz-programs simulator
all: programs ## builds the programs into build/<variant>/bin (the default)

programs: $(addprefix $(BIN)/,$(PROGRAMS)) $(addprefix $(BIN)/,$(SIMULATOR)) \
	$(call archives,proto core store io runner cli agent tui)

unit-programs: $(UNIT)
fuzz-programs: $(FUZZ)
tests: programs unit-programs fuzz-programs $(TOOLS) ## builds the programs and all test programs
simulator: $(addprefix $(BIN)/,$(SIMULATOR))

# ---- Rules ----------------------------------------------------------------------------------------

# The flags are kept in a file, which changes when they do: then all is compiled anew.
building := $(if $(filter-out help clean format dist,$(or $(MAKECMDGOALS),all)),1)
ifeq ($(building),1)
flags_text := $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS)
ifneq ($(strip $(file <$(B)/flags)),$(strip $(flags_text)))
$(shell mkdir -p $(B))
$(file >$(B)/flags,$(flags_text))
endif
endif

# Says at the first compilation, and in one sentence, what a bare host lacks.
$(B)/packages:
	@mkdir -p $(@D)
	@pkg-config --exists $(PACKAGES) || { \
		echo "The libraries are missing: run scripts/setup (as root), then make again." >&2; exit 1; }
	@touch $@

$(B)/obj/%.o: %.c $(B)/flags | $(B)/packages
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(werror) -MMD -MP -c -o $@ $<

# The list of members is kept beside the archive: when a source goes or comes, the archive is made anew.
define archive_rules
ifeq ($(building),1)
ifneq ($$(strip $$(file <$(LIB)/lib$(1).list)),$$(strip $$(sources_$(1))))
$$(shell mkdir -p $(LIB))
$$(file >$(LIB)/lib$(1).list,$$(sources_$(1)))
endif
endif
$(LIB)/lib$(1).a: $(call object_of,$(sources_$(1))) $(LIB)/lib$(1).list
	$$(say) AR $$@
	@rm -f $$@
	$$(Q)$$(AR) rcsD $$@ $$(filter %.o,$$^)
endef
$(foreach a,$(ARCHIVES),$(if $(sources_$(a)),$(eval $(call archive_rules,$(a)))))

# $(1) objects, $(2) archives, $(3) packages, $(4) further flags
link = $(Q)$(CC) $(ALL_CFLAGS) $(4) $(ALL_LDFLAGS) -o $@ $(1) -Wl,--start-group $(2) -Wl,--end-group \
	$(call libs_of,$(3))

define program_rules
$(BIN)/$(1): $(call object_of,$(main_$(1))) $(call archives,$(archives_$(1)))
	$$(say) LINK $$@
	@mkdir -p $$(@D)
	$$(call link,$$(filter %.o,$$^),$$(filter %.a,$$^),$$(packages_$(1)))
endef
$(foreach p,$(PROGRAMS) $(SIMULATOR),$(eval $(call program_rules,$(p))))

$(B)/unit/%: $(B)/obj/tests/unit/%.o $(call archives,$(every_archive))
	$(say) LINK $@
	@mkdir -p $(@D)
	$(call link,$(filter %.o,$^),$(filter %.a,$^),$(PACKAGES))

define tool_rules
$(B)/tests/$(basename $(notdir $(1))): $(call object_of,$(1)) $(call archives,$(every_archive))
	$$(say) LINK $$@
	@mkdir -p $$(@D)
	$$(call link,$$(filter %.o,$$^),$$(filter %.a,$$^),$$(PACKAGES))
endef
$(foreach s,$(tool_sources),$(eval $(call tool_rules,$(s))))

# With VARIANT=fuzz a target is a libFuzzer program; otherwise tests/fuzz/replay.c is its main and runs the
# files of its corpus through it once.
fuzz_main := $(if $(filter fuzz,$(VARIANT)),,$(call object_of,tests/fuzz/replay.c))
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(fuzz_main) $(call archives,cli runner agent io store core tui proto testlib)
	$(say) LINK $@
	@mkdir -p $(@D)
	$(call link,$(filter %.o,$^),$(filter %.a,$^),msgpack libsodium libxxhash yaml-0.1,$(if \
		$(filter fuzz,$(VARIANT)),-fsanitize=fuzzer))

.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# ---- Checks and tests -----------------------------------------------------------------------------

# scripts/run-tests is the one place that runs, counts and reports; each target below is a part of it.
export VARIANT CC
run_tests := scripts/run-tests --build-dir $(B) $(if $(TEST_REPORT),--report $(TEST_REPORT))

.PHONY: test unit sim fuzz-replay check screen-test outside-test cli-test runner-test cluster-test
test: ## sets up what is missing, builds, runs every test; one closing line
	@scripts/setup || { echo "0 passed, 1 failed"; exit 1; }
	@$(run_tests) all

unit: ## unit tests (ONLY=test_cron.c or a part of a name chooses)
	@$(run_tests) build unit $(if $(ONLY),--only $(ONLY))

sim: ## the simulator's smoke seeds and the recorded killing seeds of the planted bugs
	@$(run_tests) build sim

fuzz-replay: ## runs the fuzz targets over their corpora
	@$(run_tests) build fuzz

check: ## layers, purity, globals, banned functions, style
	@$(run_tests) build check

screen-test: ## screens compared as text
	@$(run_tests) build screen

outside-test: ## comparisons against independent implementations
	@$(run_tests) build outside

cli-test: ## schedctl against a fake agent
	@$(run_tests) build cli $(if $(ONLY),--only $(ONLY))

runner-test: ## schedd-runner as a process
	@$(run_tests) build runner $(if $(ONLY),--only $(ONLY))

cluster-test: ## whole processes, several agents (ONLY=name chooses)
	@$(run_tests) build cluster $(if $(ONLY),--only $(ONLY))

.PHONY: mutants bench demo ci
mutants: ## the full hunt: every planted bug must be killed by the simulator
	@$(MAKE) VARIANT=sim WERROR=$(WERROR) simulator
	build/sim/bin/schedsim --mutants

bench: all ## lateness beside the floor of the same run, memory, wake-ups
	@$(if $(wildcard tests/bench/run),tests/bench/run,$(error tests/bench/run is not in this tree))

demo: ## three agents on loopback, example jobs and the console; ends all that it started
	@scripts/setup
	@$(MAKE) -j2 VARIANT=release all
	@scripts/demo

ci: ## what continuous integration runs: make test, then the longer checks
	@.ci/run

# ---- Install and dist -----------------------------------------------------------------------------

INSTALL := install
.PHONY: install dist clean format help
install: all ## installs under $(DESTDIR)$(PREFIX)
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin
	$(INSTALL) -m 755 $(addprefix $(BIN)/,$(filter schedctl schedtop,$(PROGRAMS))) $(DESTDIR)$(PREFIX)/bin
	$(INSTALL) -m 755 $(addprefix $(BIN)/,$(filter schedd schedd-runner,$(PROGRAMS))) $(DESTDIR)$(PREFIX)/sbin
	$(if $(wildcard docs/man/*.[1-8]),$(foreach m,$(wildcard docs/man/*.[1-8]),$(INSTALL) -D -m 644 $(m) \
		$(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $(m)))/$(notdir $(m));))

# The same commit gives the same bytes: order, times and owners come from git, and gzip writes no name or time.
dist: ## build/peersched-VERSION.tar.gz of the committed files, the same bytes each time
	@mkdir -p build
	git archive --format=tar --prefix=peersched-$(VERSION)/ HEAD | gzip -9n >build/peersched-$(VERSION).tar.gz
	@echo build/peersched-$(VERSION).tar.gz

clean: ## removes build/
	rm -rf build

format: ## clang-format over all C files
	clang-format -i $$(git ls-files '*.c' '*.h')

help: ## this list
	@echo "make [target] [VARIANT=release|debug|asan|tsan|cov|fuzz|sim|sim-asan] [CC=gcc|clang] [WERROR=1] [V=1]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18
