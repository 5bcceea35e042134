#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles every kernel of the plans of SiT-XL/2, its decoder and Inception for GPUs that are not
here, with the options and the local memory of the plans, and prints a table: registers, spills,
local memory.

    tests/portability.py BUILD [--write docs/portability.md] [--only TARGET,...]
                               [--files FILE,...]: of cl/FILE.cl alone

Exit code 1 where a plain kernel spills, needs more than 32 KB of local memory, or does not compile.
Compilers that are missing leave their columns out, which is said.  Nothing is run: this shows that
a back end takes a kernel and at what cost, not that it computes right.
"""
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MOST_LOCAL = 32768
PLAIN = ("gpu", "gpu-own", "gpu-builtin", "gpu-half", "gpu-half-own")
SIZES = ((256, 1), (256, 8), (512, 1), (512, 8))
AMD = {"gfx906": 9006, "gfx90a": 9010, "gfx942": 9402, "gfx1030": 10300, "gfx1100": 11000,
       "gfx1200": 12000}
# Intel's: the smallest sub-group; x: with matrix instructions and large registers.
# Not plain, or not for images: matrix units, a device's peak, its check of numbers.  Files of rows,
# _row, are for CPUs.
ELSEWHERE = ("gemm_matrix_unit", "ceiling", "numbers")
INTEL = {"tgllp": "+8", "dg2": "+8x", "pvc": "+16x"}
NVIDIA = ("sm_75", "sm_80", "sm_90")
BITCODE = "/usr/lib/x86_64-linux-gnu/amdgcn/bitcode"
LIBCLC = "/usr/lib/clc/nvptx64--nvidiacl.bc"
FRONT = ["-x", "cl", "-cl-std=CL1.2", "-Xclang", "-finclude-default-header", "-include",
         "cl/common.cl"]


def find(*names):
    return next((n for n in names if shutil.which(n)), None)


def run(*command):
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False)
    return done.returncode, done.stdout


def sources():
    """The file of each kernel."""
    found = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "cl", "*.cl"))):
        with open(path, encoding="utf-8") as f:
            for name in re.findall(r"\bvoid\s+(\w+)\s*\(", f.read()):
                found.setdefault(name, os.path.basename(path)[:-3])
    return found


def plans(build, scratch, suffix):
    """(file, options): {kernel: (largest work-group, most local memory of arguments)}."""
    files, programs = sources(), {}
    for side in sorted({s for s, _ in SIZES}):
        if not os.path.isdir(f"{scratch}/{side}"):
            subprocess.run([sys.executable, os.path.join(ROOT, "tests/sparse_weights.py"),
                            f"{scratch}/{side}", str(side)], check=True)
    models = [[f"{scratch}/{side}/sit.safetensors", f"{scratch}/{side}/vae.safetensors",
               str(side), str(batch)] for side, batch in SIZES]
    models += [[f"{scratch}/inception.safetensors", str(batch)] for batch in (1, 8)]
    trace = f"{scratch}/trace"
    for profile in PLAIN:
        for arguments in models:
            if os.path.exists(trace):
                os.unlink(trace)
            subprocess.run([f"{build}/tests/launches", profile + suffix, *arguments],
                           env=dict(os.environ, FFCL_TRACE=trace), stdout=subprocess.DEVNULL,
                           check=True)
            read_trace(trace, files, programs)
    return programs


def add_unplanned(programs):
    """Plain kernels of other families, of tiny decoders and of metrics, and fallbacks: what no plan
    here has, with the defaults of the sources, float32 and half, in work-groups of 256; those that
    are built along with a plan's, with its options, in work-groups of any size: 0."""
    planned = {file for of in programs.values() for file, _ in of}
    for kernel, file in sources().items():
        with open(os.path.join(ROOT, "cl", file + ".cl"), encoding="utf-8") as f:
            text = f.read()
        if file in ELSEWHERE or file.endswith("_row") or "_row_" in kernel or "__asm__" in text:
            continue
        if not re.search(rf"__kernel[^{{;]*\bvoid\s+{kernel}\s*\(", text):
            continue
        if file in planned:
            for of in programs.values():
                for (built, _), kernels in of.items():
                    if built == file:
                        kernels.setdefault(kernel, (0, 0))
            continue
        for options in [""] if kernel.endswith("_f32") else ["", "-DHALF"]:
            for kind, of in programs.items():
                lanes = f" -DFEW_LANES={kind[1:].rstrip('x')}" if kind else ""
                if kind.endswith("x"):
                    lanes += " -cl-intel-256-GRF-per-thread"
                if "__kernel IN_REGISTERS" not in text:
                    lanes = ""
                of.setdefault((file, (options + lanes).strip()), {})[kernel] = (256, 0)


def add_forms(programs):
    """Gathered rows of images of another size, and of those that are enlarged, which no plan here
    has.  Tiger Lake has a tile of its own for the former (blas/blocked.c)."""
    for kind, of in programs.items():
        for (file, options), kernels in list(of.items()):
            if " -DSAME" not in options:
                continue
            other = options.replace(" -DSAME", "")
            if kind == INTEL["tgllp"]:
                for name, value in ("BM", 32), ("BN", 64), ("TM", 1), ("TN", 1):
                    other = re.sub(rf"-D{name}=\d+", f"-D{name}={value}", other)
            for form in other, options.replace(" -DUP=0", " -DUP=1"):
                of.setdefault((file, form), dict(kernels))


def read_trace(trace, files, programs):
    with open(trace, encoding="utf-8") as f:
        for line in f:
            m = re.match(r"plan (\w+) \[(.*?)\] (\S+) / (\S+)(.*)", line)
            if not m or m[1] not in files:
                continue
            group = 1
            for n in re.findall(r"\d+", m[4]):
                group *= int(n)
            local = sum(int(n) for n in re.findall(r"local:(\d+)", m[5]))
            kernels = programs.setdefault((files[m[1]], " ".join(m[2].split())), {})
            before = kernels.get(m[1], (0, 0))
            kernels[m[1]] = (max(before[0], group), max(before[1], local))


def amd_bitcode(scratch, clang):
    """The device libraries with the files for newer chips, each of which is one constant."""
    folder = f"{scratch}/bitcode"
    if not os.path.isdir(folder):
        shutil.copytree(BITCODE, folder)
        for chip, version in AMD.items():
            path = f"{folder}/oclc_isa_version_{chip[3:]}.bc"
            if not os.path.exists(path):
                text = f"const __constant int __oclc_ISA_version = {version};"
                subprocess.run([clang, "-x", "cl", "-target", "amdgcn-amd-amdhsa", "-nogpulib",
                                "-O2", "-Wno-everything", "-emit-llvm", "-c", "-o", path, "-"],
                               input=text, text=True, check=True)
    return folder


# Each compiler gives {kernel: (registers, spilled, static local bytes)}, or a text that says why
# not.

def for_amd(chip, file, options, kernels, out, tools):
    del kernels
    code, said = run(tools["amd"], *FRONT, "-target", "amdgcn-amd-amdhsa", f"-mcpu={chip}", "-O3",
                     f"--rocm-device-lib-path={tools['bitcode']}", *options, "-S", "-o", out,
                     f"cl/{file}.cl")
    if code:
        return said
    with open(out, encoding="utf-8") as f:
        text = f.read()
    found = {}
    for block in re.split(r"\n  - (?=\.a)", text[text.find("amdhsa.kernels:"):])[1:]:
        def field(name, block=block):
            m = re.search(rf"^    {re.escape(name)}:\s+(\S+)", block, re.M)
            return m[1] if m else "0"
        found[field(".name")] = (int(field(".vgpr_count")),
                                 int(field(".vgpr_spill_count")) + int(field(".sgpr_spill_count")),
                                 int(field(".group_segment_fixed_size")))
    return found


def for_intel(chip, file, options, kernels, out, tools):
    del tools
    folder = out + ".d"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/k.cl", "w", encoding="utf-8") as f:
        f.write(f'#include "common.cl"\n#include "{file}.cl"\n')
    code, said = run("ocloc", "compile", "-file", f"{folder}/k.cl", "-device", chip, "-options",
                     f"-cl-std=CL1.2 -I {ROOT}/cl {' '.join(options)}", "-internal_options",
                     "-cl-intel-allow-zebin", "-out_dir", folder, "-output", "k")
    binaries = glob.glob(f"{folder}/k_*.bin") or glob.glob(f"{folder}/k*.bin")
    if code or not binaries or re.search(r"^error|: error|INVALID", said, re.M):
        return said
    _, info = run("readelf", "-p", ".ze_info", binaries[0])
    info = re.sub(r"^  \[ *\w+\]  ", "", info, flags=re.M).replace("\\n", "")
    found = {}
    for block in re.split(r"\n\s*- name:\s+", "\n" + info)[1:]:
        name = block.split()[0].strip("'\"")
        slm = re.search(r"slm_size:\s+(\d+)", block)
        grf = re.search(r"grf_count:\s+(\d+)", block)
        scratch = re.findall(r"usage:\s+(?:spill_fill_space|private_space)\s+size:\s+(\d+)", block)
        scratch += re.findall(r"size:\s+(\d+)\s+type:\s+scratch", block)
        scratch += re.findall(r"type:\s+scratch[^-]*?size:\s+(\d+)", block)
        spill = re.search(rf"kernel {re.escape(name)}\b.*?spilled around (\d+)", said)
        spilled = int(spill[1]) if spill else max([int(s) for s in scratch], default=0)
        if grf and name in kernels:
            found[name] = (int(grf[1]), spilled, int(slm[1]) if slm else 0)
    return found or info[:2000]


def for_nvidia(chip, file, options, kernels, out, tools):
    code, said = run(tools["nvidia"], *FRONT, "-target", "nvptx64-nvidia-nvcl", "-O3",
                     "-Wno-linker-warnings", "-Dnative_exp=exp", "-Xclang", "-target-cpu",
                     "-Xclang", "sm_75", "-Xclang", "-target-feature", "-Xclang", "+ptx70",
                     "-Xclang", "-mlink-builtin-bitcode", "-Xclang", LIBCLC, *options, "-S",
                     "-o", out, f"cl/{file}.cl")
    if code:
        return said
    most = min(255, 65536 // max(g for g, _ in kernels.values()) // 8 * 8)
    code, said = run(tools["ptxas"], f"-arch={chip}", "-v", f"-maxrregcount={most}", out, "-o",
                     out + ".cubin")
    if code:
        return said
    found = {}
    for block in said.split("Compiling entry function '")[1:]:
        smem = re.search(r"(\d+) bytes smem", block)
        found[block.split("'")[0]] = (
            int(re.search(r"Used (\d+) registers", block)[1]),
            int(re.search(r"(\d+) bytes spill stores", block)[1]), int(smem[1]) if smem else 0)
    return found


def for_spirv(_, file, options, kernels, out, tools):
    code, said = run(tools["spirv"], *FRONT, "-target", "spir64", "-Xclang", "-cl-ext=-all",
                     "-Wall", "-Wno-unused-function", "-Werror", "-O0", "-emit-llvm", "-c",
                     *options, f"cl/{file}.cl", "-o", out)
    if code == 0:
        code, said = run("llvm-spirv-15", "--spirv-max-version=1.0", out, "-o", out + ".spv")
    if code == 0:
        code, said = run("spirv-val", "--target-env", "opencl1.2", out + ".spv")
    return said if code else {k: (0, 0, 0) for k in kernels}


def toolbox(scratch):
    """The columns that can be had, and what is missing."""
    tools = {"amd": find("clang-19", "clang-20", "clang-15"), "nvidia": find("clang-15"),
             "spirv": find("clang-15"),
             "ptxas": find("ptxas", "/usr/local/cuda/bin/ptxas")}
    columns, missing = [], []
    if tools["amd"] and os.path.isdir(BITCODE):
        tools["bitcode"] = amd_bitcode(scratch, tools["amd"])
        columns += [(chip, for_amd) for chip in AMD]
    else:
        missing.append("AMD (clang-19 and rocm-device-libs)")
    if shutil.which("ocloc"):
        columns += [(chip, for_intel) for chip in INTEL]
    else:
        missing.append("Intel (ocloc, of intel-opencl-icd)")
    if tools["nvidia"] and tools["ptxas"] and os.path.exists(LIBCLC):
        columns += [(chip, for_nvidia) for chip in NVIDIA]
    else:
        missing.append("NVIDIA (clang-15, libclc-15-dev and ptxas)")
    if tools["spirv"] and shutil.which("llvm-spirv-15") and shutil.which("spirv-val"):
        columns.append(("SPIR-V", for_spirv))
    else:
        missing.append("SPIR-V (clang-15, llvm-spirv-15 and spirv-tools)")
    return columns, missing, tools


def gather(programs, columns, tools, scratch):
    """{kernel: {target: (registers, spilled, local, option sets)}}, and sentences on what fails."""
    jobs = [(p, c) for c in columns for p in sorted(programs[INTEL.get(c[0], "")])]

    def work(job):
        number, ((file, options), (chip, compiler)) = job
        kernels = programs[INTEL.get(chip, "")][file, options]
        return compiler(chip, file, options.split(), kernels, f"{scratch}/out{number}", tools)

    table, wrong = {}, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for ((file, options), (chip, _)), found in zip(jobs, pool.map(work, enumerate(jobs))):
            if isinstance(found, str):
                wrong.append(f"{chip}: {file}.cl [{options}] does not compile: {found[:600]}")
                for kernel in programs[INTEL.get(chip, "")][file, options]:
                    table.setdefault(kernel, {})[chip] = None
                continue
            for kernel, (group, argument) in programs[INTEL.get(chip, "")][file, options].items():
                if kernel not in found and not group:
                    continue
                if kernel not in found:
                    wrong.append(f"{chip}: {file}.cl [{options}] has no {kernel}")
                    continue
                registers, spilled, local = found[kernel]
                local += argument
                if spilled:
                    wrong.append(f"{chip}: {kernel} [{options}] spills {spilled}")
                if local > MOST_LOCAL:
                    wrong.append(f"{chip}: {kernel} [{options}] needs {local} bytes of local "
                                 "memory")
                row = table.setdefault(kernel, {})
                old = row.get(chip, (0, 0, 0, 0))
                if old is None:
                    continue
                row[chip] = (max(old[0], registers), max(old[1], spilled), max(old[2], local),
                             old[3] + 1)
    return table, wrong


def text_of(table, columns):
    files = sources()
    names = [c for c, _ in columns]
    lines = ["| kernel | file | options | local KB | " + " | ".join(names) + " |",
             "| --- | --- | ---: | ---: |" + " ---: |" * len(names)]
    for kernel in sorted(table, key=lambda k: (files[k], k)):
        row, cells = table[kernel], []
        for name in names:
            if name not in row:
                cells.append("-")
                continue
            if row[name] is None:
                cells.append("fails")
                continue
            registers, spilled, _, _ = row[name]
            cells.append("ok" if name == "SPIR-V" else
                         f"{registers}, spills {spilled}" if spilled else str(registers))
        numbers = [v for v in row.values() if v] or [(0, 0, 0, 0)]
        local = max(v[2] for v in numbers) / 1024
        sets = max(v[3] for v in numbers)
        lines.append(f"| `{kernel}` | {files[kernel]} | {sets} | {local:.1f} | " +
                     " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    arguments = sys.argv[1:]
    values = {}
    for option in ("--write", "--only", "--files"):
        if option in arguments:
            at = arguments.index(option)
            values[option] = arguments[at + 1]
            del arguments[at:at + 2]
    if "--write" in values and len(values) > 1:
        sys.exit("portability.py: only a whole table is written: --write stands alone")
    build = os.path.abspath(arguments[0] if arguments else "build")
    with tempfile.TemporaryDirectory() as scratch:
        columns, missing, tools = toolbox(scratch)
        if "--only" in values:
            columns = [c for c in columns if c[0] in values["--only"].split(",")]
        for what in missing:
            print(f"missing: {what}")
        if not columns:
            sys.exit("portability.py: no compiler is there")
        kinds = {INTEL.get(chip, "") for chip, _ in columns}
        programs = {kind: plans(build, scratch, kind) for kind in kinds | {""}}
        add_unplanned(programs)
        add_forms(programs)
        if "--files" in values:
            wanted = values["--files"].split(",")
            programs = {kind: {p: kernels for p, kernels in of.items() if p[0] in wanted}
                        for kind, of in programs.items()}
        print(f"{sum(len(programs[kind]) for kind in kinds)} programs, {len(columns)} targets")
        table, wrong = gather(programs, columns, tools, scratch)
    text = text_of(table, columns)
    print(text)
    for sentence in wrong:
        print("not ok - " + sentence)
    if "--write" in values:
        with open(values["--write"], encoding="utf-8") as f:
            parts = re.split(r"(<!-- table -->\n|\n<!-- end of table -->)", f.read())
        parts[2] = text
        with open(values["--write"], "w", encoding="utf-8") as f:
            f.write("".join(parts))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
