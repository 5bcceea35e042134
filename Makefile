# SPDX-License-Identifier: MIT
# ffcl: make, make demo, make check; see README.md.
# Overridable: CC, CFLAGS, PREFIX, DESTDIR, BUILD.

CC ?= gcc
# The device takes a run's time and the host a hundredth of it: -O2, for which the compiler takes
# half as long again, is for the files that go over numbers and pixels (FAST below).
CFLAGS ?= -O1
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
BUILD ?= build

# V=1 prints the commands; a line each otherwise, and none with make -s.
S := $(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
run = $(if $(V),,@$(if $(S),,printf '  %-4s %s\n' $(1) $@;))

# The one place of the version is host/ffcl.h.
VERSION := $(shell sed -n 's/^\#define FFCL_VERSION "\(.*\)"/\1/p' host/ffcl.h)
# Its date is in its headline of docs/changelog.md: "## 0.1.0 (2026-11-26)".
VERSION_DATE := $(shell sed -n 's/^\#\# $(VERSION) (\(.*\))$$/\1/p' docs/changelog.md)
PACKAGES := OpenCL clblast libpng inih libzip libcjson zlib
# PoCL, cmocka and the rest of what the tests need come from tests/install.sh.

SANITIZE := -g -fsanitize=address,undefined -fno-sanitize-recover=undefined
# What compiler and linker have against memory errors; HARDEN= HARDEN_LD= leave it out.  A
# sanitizer has checks of its own, which _FORTIFY_SOURCE would hide.
RELRO := -Wl,-z,relro,-z,now,-z,noexecstack
tries = $(shell echo 'int main(void) { return 0; }' | \
    $(CC) $(1) -x c -o /dev/null - > /dev/null 2>&1 && echo '$(1)')
hardening = $(if $(findstring sanitize,$(EXTRA)),,\
    $(if $(filter -O1 -O2 -O3 -Os,$(CFLAGS)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3) \
    $(call tries,-fstack-protector-strong) $(call tries,-fstack-clash-protection) \
    $(call tries,-fcf-protection))
hardening_ld = $(if $(findstring sanitize,$(EXTRA)),,$(call tries,$(RELRO)))
# Asked for once, and only where something is built.
HARDEN = $(eval HARDEN := $(hardening))$(HARDEN)
HARDEN_LD = $(eval HARDEN_LD := $(hardening_ld))$(HARDEN_LD)
# ffcl eval reads JPEG files where libjpeg is there.
JPEG_CFLAGS := $(shell pkg-config --exists libjpeg && \
    echo -DFFCL_JPEG $$(pkg-config --cflags libjpeg))
JPEG_LIBS := $(shell pkg-config --exists libjpeg && pkg-config --libs libjpeg)
WARN := -std=c11 -Wall -Wextra -Wpedantic -Wshadow
DEPS_CFLAGS = $(eval DEPS_CFLAGS := $$(shell pkg-config --cflags $(PACKAGES)))$(DEPS_CFLAGS)
DEPS_LIBS = $(eval DEPS_LIBS := $$(shell pkg-config --libs $(PACKAGES)))$(DEPS_LIBS)
ALL_CFLAGS = $(WARN) $(HARDEN) $(EXTRA) -fPIC -fvisibility=hidden -MMD -MP -D_GNU_SOURCE \
    $(SYSTEM_CFLAGS) -Ihost -Iblas $(DEPS_CFLAGS) $(JPEG_CFLAGS) $(CFLAGS)
LIBS = $(DEPS_LIBS) $(JPEG_LIBS) $(if $(MPI),$(MPI_LIBS)) $(SYSTEM_LIBS)

# MPI=1: the processes of an mpirun generate one sample set together (Open MPI).  One object
# differs.
MPI_CFLAGS = $(shell pkg-config --cflags ompi-c)
MPI_LIBS = $(shell pkg-config --libs ompi-c)
RANKS := $(if $(MPI),mpi,one)

PROGRAM_SRC := host/main.c $(wildcard host/program/*.c)
# ffcl bench takes its cases from the kernel registry, whose own program is check.c.
CASES_SRC := $(filter-out tests/kernels/check.c,$(wildcard tests/kernels/*.c tests/ref/*.c))
CASES_OBJ := $(CASES_SRC:%.c=$(BUILD)/%.o)
BENCH_SRC := $(filter-out bench/gemm.c,$(wildcard bench/*.c))
BENCH_OBJ := $(BENCH_SRC:%.c=$(BUILD)/%.o) $(BUILD)/page.o $(CASES_OBJ)
PROGRAM_OBJ := $(PROGRAM_SRC:%.c=$(BUILD)/%.o) $(BENCH_OBJ)
RANKS_SRC := host/run/ranks_one.c host/run/ranks_mpi.c
# What differs by system: host/os/.  make windows sets it.
SYSTEM ?= posix
SYSTEM_LIBS := -lpthread -ldl -lm
EXE :=
ifeq ($(SYSTEM),windows)
EXE := .exe
SYSTEM_CFLAGS := -include host/os/windows/posix.h -Ihost/os/windows/include -D_FILE_OFFSET_BITS=64 \
    -Wno-format -Wno-shadow -ffunction-sections -fdata-sections
# Nothing but OpenCL's loader, which comes with a driver, is a library of its own; the stack is
# that of Linux.
SYSTEM_LIBS := -static -municode -Wl,--gc-sections,--stack,8388608 -ldelayimp -lssp -lpthread -lm
endif
COMMON_SRC := $(filter-out $(PROGRAM_SRC) $(RANKS_SRC),$(wildcard host/*.c host/*/*.c blas/*.c) \
    $(wildcard host/os/$(SYSTEM)/*.c))
COMMON_OBJ := $(COMMON_SRC:%.c=$(BUILD)/%.o) $(BUILD)/kernels.o $(BUILD)/imagenet_names.o
LIB_OBJ := $(COMMON_OBJ) $(BUILD)/host/run/ranks_$(RANKS).o
CL_SRC := $(wildcard cl/*.cl cl/*.clh)
# Noise, images, features, weights, sums, what kernels are compared with.
FAST := $(addprefix host/sample/,noise image) $(addprefix host/eval/,images kept moments score \
    tally) $(addprefix host/files/,convert npz png tensorfile) host/model/pos_embed host/util \
    $(addprefix blas/,builtin cblas half) $(basename $(wildcard tests/ref/*.c))
ifeq ($(origin CFLAGS),file)
$(FAST:%=$(BUILD)/%.o): CFLAGS := -O2
endif
UNIT := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*.c))
CHECK_OBJ := $(BUILD)/tests/kernels/check.o $(CASES_OBJ)

.PHONY: all demo check unit fuzz fuzz-replay lint clcheck bench bench-torch install uninstall \
    dist deb clean docs deps windows windows-check macos-check asan tsan static analyze tidy \
    valgrind chaos sweep objects debian12 debian13 portability runtimes \
    force

# The program, the libraries, man pages, completion.
PAGES := $(addprefix $(BUILD)/pages/,ffcl.1 ffcl.ini.5 bash zsh fish)
all: $(BUILD)/ffcl $(BUILD)/libffcl.a $(BUILD)/libffcl.so $(PAGES)

# What the program is linked from: tests/e2e/mingw.sh compiles that for Windows.
objects: $(PROGRAM_OBJ) $(LIB_OBJ)

# From the tables of commands and keys.
PAGES_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard host/program/pages/*.c))
$(BUILD)/pages/write: $(PAGES_OBJ) $(filter-out %/host/main.o,$(PROGRAM_OBJ)) $(BUILD)/libffcl.a
	@mkdir -p $(@D)
	$(call run,LD)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(LIBS)

$(PAGES): $(BUILD)/pages/write docs/changelog.md
	$(call run,DOC)$< $(@F) $(if $(filter ffcl.%,$(@F)),$(VERSION_DATE)) > $@.tmp && mv $@.tmp $@

$(BUILD)/ffcl$(EXE): $(PROGRAM_OBJ) $(BUILD)/libffcl.a
	$(call run,LD)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/libffcl.a: $(LIB_OBJ) $(BUILD)/.ranks-$(RANKS)
	$(call run,AR)rm -f $@ && ar rcs $@ $(LIB_OBJ)

$(BUILD)/libffcl.so: $(LIB_OBJ) $(BUILD)/.ranks-$(RANKS)
	$(call run,LD)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -shared \
	    -Wl,-soname,libffcl.so.0 -o $@ $(LIB_OBJ) $(LIBS)

# With or without MPI: the libraries are made anew when that changes.
$(BUILD)/.ranks-$(RANKS):
	@mkdir -p $(@D)
	@rm -f $(BUILD)/.ranks-* && touch $@

# The program with MPI beside the one without, for the tests.
$(BUILD)/ffcl-mpi: $(PROGRAM_OBJ) $(COMMON_OBJ) $(BUILD)/host/run/ranks_mpi.o
	$(call run,LD)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(DEPS_LIBS) $(JPEG_LIBS) \
	    $(MPI_LIBS) $(SYSTEM_LIBS)

$(BUILD)/host/run/ranks_mpi.o: host/run/ranks_mpi.c Makefile
	@mkdir -p $(@D)
	$(call run,CC)$(CC) $(ALL_CFLAGS) $(MPI_CFLAGS) -c -o $@ $<

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call run,CC)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Every .cl file as a byte array.
$(BUILD)/kernels.c: $(CL_SRC) cl/embed.sh
	@mkdir -p $(@D)
	$(call run,CL)sh cl/embed.sh $(CL_SRC) > $@.tmp && mv $@.tmp $@

$(BUILD)/kernels.o: $(BUILD)/kernels.c Makefile
	$(call run,CC)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# The names of ImageNet's classes likewise (host/class_names.c).
$(BUILD)/imagenet_names.c: config/imagenet-classes.txt Makefile
	@mkdir -p $(@D)
	$(call run,TXT)(echo '#include <stddef.h>'; \
	    echo 'extern const unsigned char ffcl_imagenet_text[];'; \
	    echo 'extern const size_t ffcl_imagenet_bytes;'; \
	    echo 'const unsigned char ffcl_imagenet_text[] = {'; \
	    od -An -v -tu1 $< | sed -e 's/  */,/g' -e 's/^,//' -e 's/$$/,/'; echo '0};'; \
	    echo 'const size_t ffcl_imagenet_bytes = sizeof ffcl_imagenet_text - 1;') > $@.tmp && \
	    mv $@.tmp $@

$(BUILD)/imagenet_names.o: $(BUILD)/imagenet_names.c Makefile
	$(call run,CC)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Unit tests, one program a file.
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libffcl.a
	$(call run,LD)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ \
	    $(filter-out %.a,$^) $(filter %.a,$^) -lcmocka $(LIBS)

$(BUILD)/tests/unit/gpu_hint: $(BUILD)/host/program/gpu_hint.o
$(BUILD)/tests/unit/progress: $(BUILD)/host/program/progress.o $(BUILD)/host/program/lines.o

# Fuzz targets: with the fuzzer (make fuzz), or with a driver that replays the corpus (make check).
FUZZ := $(patsubst %.c,$(BUILD)/%,$(filter-out %/files.c %/replay.c %/mutate.c %/mutate_graph.c, \
    $(wildcard tests/fuzz/*.c)))
# These are fuzzed with changes that know their formats.
ifdef FUZZER
$(addprefix $(BUILD)/tests/fuzz/,tensorfile model pickle arrays recording): \
    $(BUILD)/tests/fuzz/mutate.o
$(BUILD)/tests/fuzz/graph: $(BUILD)/tests/fuzz/mutate_graph.o
endif
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/files.o \
    $(if $(FUZZER),,$(BUILD)/tests/fuzz/replay.o) $(BUILD)/libffcl.a
	$(call run,LD)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) $(FUZZER) -o $@ $(filter %.o,$^) \
	    $(BUILD)/libffcl.a $(LIBS)
$(BUILD)/tests/fuzz/bench_json: $(BUILD)/bench/compare.o $(CASES_OBJ)
fuzz-replay: $(FUZZ)

# Each target FUZZ_SECONDS long under clang's fuzzer and sanitizers; what it finds stays in
# build-fuzz, and belongs, small, into tests/fuzz/corpus.  FUZZ_ONLY: names of targets.
FUZZ_SECONDS ?= 60
FUZZ_ONLY ?= $(notdir $(FUZZ))
fuzz:
	$(MAKE) BUILD=build-fuzz CC=clang EXTRA="-fsanitize=fuzzer-no-link,address,undefined" \
	    LDFLAGS="-fsanitize=address,undefined" FUZZER=-fsanitize=fuzzer fuzz-replay
	BUILD=build-fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) bash tests/fuzz/run.sh $(FUZZ_ONLY)

# The kernel registry against its C references.
$(BUILD)/tests/check: $(CHECK_OBJ) $(BUILD)/libffcl.a
	$(call run,LD)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(LIBS)

# What launches a plan holds: tests/launches.sh.
$(BUILD)/tests/launches: $(BUILD)/tests/launches.o $(BUILD)/libffcl.a
	$(call run,LD)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(LIBS)

# config/sample.ini: the table of keys.
$(BUILD)/tests/template: $(BUILD)/tests/template.o $(BUILD)/libffcl.a
	$(call run,LD)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(LIBS)

# Plans for small GPUs: tests/e2e/small.sh.
$(BUILD)/tests/plans: $(BUILD)/tests/plans.o $(BUILD)/libffcl.a
	$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(LIBS)

# docs/variants.md: the tables of variants.
$(BUILD)/tests/variants: $(BUILD)/tests/variants.o $(BUILD)/libffcl.a
	$(call run,LD)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(LIBS)

# What the results of ffcl bench say of the build; touched only when it changes.
$(BUILD)/build_info.h: force
	@mkdir -p $(@D)
	@commit=$$(git describe --always --dirty --abbrev=10 2> /dev/null || echo unknown); \
	printf '#define FFCL_BUILD_%s "%s"\n' COMMIT "$$commit" \
	    CLBLAST "$$(pkg-config --modversion clblast)" INIH "$$(pkg-config --modversion inih)" \
	    > $@.tmp; \
	cmp -s $@.tmp $@ && rm $@.tmp || mv $@.tmp $@
force:

KNOW_BUILD := $(patsubst %,$(BUILD)/%.o,bench/output host/program/help_command host/run/ranks_mpi)
$(KNOW_BUILD): $(BUILD)/build_info.h
$(KNOW_BUILD): ALL_CFLAGS += -I$(BUILD)

# The page of ffcl bench --html.
$(BUILD)/page.c: bench/page.html
	@mkdir -p $(@D)
	$(call run,GEN)(echo 'extern const char ffcl_bench_page[];'; \
	    echo 'const char ffcl_bench_page[] = {'; \
	    od -An -v -td1 bench/page.html | sed -e 's/  */,/g' -e 's/^,//' -e 's/$$/,/'; \
	    echo '0};') > $@.tmp && mv $@.tmp $@
$(BUILD)/page.o: $(BUILD)/page.c Makefile
	$(call run,CC)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# The benchmarks are part of the program: ffcl bench --help.  bench/gemm compares with a plain loop
# over cblas_sgemm.
bench: $(BUILD)/ffcl $(BUILD)/bench/gemm

$(BUILD)/bench/gemm: $(BUILD)/bench/gemm.o $(BUILD)/tests/kernels/models.o $(BUILD)/libffcl.a
	$(call run,LD)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(LIBS)

# ffcl and PyTorch side by side on this host (needs python3 with torch).
bench-torch: all
	bash bench/torch.sh

# ffcl.exe for 64-bit Windows, by mingw-w64: docs/windows.md.
WINDOWS := build-windows
windows:
	bash host/os/windows/libraries.sh $(WINDOWS)
	PKG_CONFIG_LIBDIR=$(CURDIR)/$(WINDOWS)/prefix/lib/pkgconfig $(MAKE) BUILD=$(WINDOWS) \
	    SYSTEM=windows CC=x86_64-w64-mingw32-gcc-posix $(WINDOWS)/ffcl.exe
	cp LICENSE $(WINDOWS)/

# ffcl.exe under wine against ffcl.
windows-check: $(BUILD)/ffcl windows
	bash tests/windows.sh $(BUILD)

# The host's files as for macOS's OpenCL.framework, no Mac needed.
macos-check:
	bash tests/macos.sh

# Installs what building and the demo need.
deps:
	sh tests/install.sh build

# Installs what is missing, builds, samples the digits into demo.png.
demo:
	@sh tests/install.sh build
	@echo "building ffcl in $(BUILD)"
	@$(MAKE) -s -j$$(nproc 2> /dev/null || echo 2) $(BUILD)/ffcl
	@$(BUILD)/ffcl config/demo.ini output.grid=demo.png

# Installs what tests need, builds everything, runs every test.
check:
	sh tests/install.sh test
	$(MAKE) all $(BUILD)/tests/check $(BUILD)/tests/variants $(BUILD)/tests/plans unit fuzz-replay \
	    $$(pkg-config --exists ompi-c && echo $(BUILD)/ffcl-mpi)
	bash tests/run.sh $(BUILD)

# make demo and make check in a minimal root of Debian 12 or 13, made for it; ROOT=FOLDER keeps it,
# ONLY="kernels unit/* e2e/resume*" runs these test programs alone.
debian12:
	ROOT=$(ROOT) bash tests/debian.sh bookworm $(foreach p,$(ONLY),'$(p)')
debian13:
	ROOT=$(ROOT) bash tests/debian.sh trixie $(foreach p,$(ONLY),'$(p)')

# Kernel rows, recordings and the demo on Intel's CPU runtime, rusticl and Oclgrind; RUNTIME=intel:
# on one; SHARE=small: each row's smallest shape.
runtimes: all $(BUILD)/tests/check
	SHARE=$(SHARE) bash tests/runtimes.sh $(BUILD) $(RUNTIME)

unit: $(UNIT)

# Style: budgets, tabs, trailing blanks, final newlines; headers compile alone; who includes whom.
lint:
	bash tests/lint.sh

# Every .cl file through clang at OpenCL C 1.2, no device needed.
clcheck:
	bash tests/clcheck.sh

# Every kernel of XL/2's plans through the compilers of GPUs that are not here.
portability: $(BUILD)/tests/launches
	python3 tests/portability.py $(BUILD)

# docs/ini.md and config/sample.ini from the key table, docs/variants.md from the tables of
# variants.
docs: $(BUILD)/ffcl $(BUILD)/tests/variants $(BUILD)/tests/template
	$(BUILD)/ffcl keys --markdown > docs/ini.md
	$(BUILD)/tests/template > config/sample.ini
	$(BUILD)/tests/variants > docs/variants.md

# Tests under the address, leak and undefined-behaviour sanitizers (host code).  PoCL's "basic"
# device has no threads: the leak checker crashes now and then while those of "pthread" end.
asan:
	$(MAKE) BUILD=build-asan EXTRA="$(SANITIZE)" LDFLAGS="$(SANITIZE)" all unit fuzz-replay \
	    build-asan/tests/check
	LSAN_OPTIONS=suppressions=$(CURDIR)/tests/lsan.supp:print_suppressions=0 \
	    POCL_DEVICES=basic FFCL_TEST_CFLAGS="$(SANITIZE)" bash tests/run.sh build-asan

# Tests in which threads meet under the thread sanitizer; ONLY="unit/team e2e/resume*": these alone.
tsan:
	$(MAKE) BUILD=build-tsan EXTRA="-g -fsanitize=thread" LDFLAGS=-fsanitize=thread all unit
	bash tests/tsan.sh build-tsan $(foreach p,$(ONLY),'$(p)')

# A reader of the source; what it may say is in tests/static.sh, with the reason.
static:
	bash tests/static.sh

# gcc's -fanalyzer; what it may say is in tests/analyze.sh, with the reason.
analyze:
	bash tests/analyze.sh

# clang-tidy by tests/tidy.yaml; what it may say is in tests/tidy.sh, with the reason.
tidy:
	bash tests/tidy.sh

# Unit tests that need no device, under valgrind.
valgrind: unit
	bash tests/valgrind.sh $(BUILD)

# Ten times the random kills of make check.
chaos: all
	ROUNDS=10 bash tests/e2e/chaos.sh $(BUILD)

# Every call of a kind fails once, up to the thousandth, every tenth beyond: hours.
SWEEP_KINDS ?= malloc cl memory kernel file full
sweep: all
	for kind in $(SWEEP_KINDS); do \
	    SWEEP="$$kind 1 1 1000" bash tests/e2e/faults.sh $(BUILD) && \
	    SWEEP="$$kind 1010 10 99999" bash tests/e2e/faults.sh $(BUILD) || exit 1; \
	done

# config/package/install.sh has the list of what goes where.
install: all
	@DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) VERSION=$(VERSION) \
	    sh config/package/install.sh install $(BUILD) '$(strip $(LIBS))'

uninstall:
	@DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) VERSION=$(VERSION) \
	    sh config/package/install.sh uninstall $(BUILD) ''

# The committed tree as ffcl-VERSION.tar.gz, the same bytes each time: names, times and owners are
# those of the commit, not of this machine.  Files of git alone are left out.
DIST := ffcl-$(VERSION)
dist:
	@mkdir -p $(BUILD)
	sh config/package/dist.sh $(DIST) $(BUILD)/$(DIST).tar.gz

# Debian packages for the release that it runs on, in BUILD/deb; docs/packages.md.
deb: dist
	sh config/package/deb.sh $(BUILD)/$(DIST).tar.gz $(BUILD)/deb

clean:
	rm -rf $(BUILD) build-asan build-tsan build-fuzz build-gcc build-clang

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
