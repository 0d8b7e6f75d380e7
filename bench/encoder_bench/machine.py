"""What the figures were measured on, and what in the environment would have changed them."""
import json
import os
import platform
import subprocess
import time

# What mathematics and memory libraries read when they are loaded.
PRESETS = ("ATEN_", "BLIS_", "DNNL_", "GLIBC_TUNABLES", "GOMP_", "GOTO_", "KMP_", "LD_PRELOAD", "MALLOC_", "MKL_", "NVPL_",
           "OMP_", "ONEDNN_", "OPENBLAS_", "ORT_", "PYTORCH_", "TORCH_", "VECLIB_", "XNNPACK_")
FLAGS = ("avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16",
         "amx_int8")
FACTS = ("Model name", "CPU family", "Model", "CPU(s)", "Thread(s) per core", "L2 cache", "L3 cache", "Hypervisor vendor")


def presets(environment):
    return {name: value for name, value in sorted(environment.items()) if name.startswith(PRESETS)}


def cleared(environment):
    """For every party alike."""
    return {name: value for name, value in environment.items() if not name.startswith(PRESETS)}


def first_line(*words):
    try:
        return subprocess.run(words, capture_output=True, text=True).stdout.split("\n")[0] or "unknown"
    except OSError:
        return "unknown"


def lscpu():
    def flat(entries):
        for entry in entries:
            yield entry["field"].strip().rstrip(":"), entry.get("data")
            yield from flat(entry.get("children", ()))
    try:
        done = subprocess.run(["lscpu", "-J"], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        return dict(flat(json.loads(done.stdout)["lscpu"]))
    except (OSError, ValueError, KeyError):
        return {}


def busy(seconds):
    """Share of all processors that is not idle, while this program sleeps."""
    def read():
        with open("/proc/stat") as lines:
            times = [int(word) for word in lines.readline().split()[1:9]]
        return sum(times) - times[3] - times[4], sum(times)
    one, before = read()
    time.sleep(seconds)
    other, after = read()
    return (other - one) / max(1, after - before)


def load():
    return {"at": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()), "load": [round(one, 2) for one in os.getloadavg()],
            "busy": round(busy(1), 3)}


def describe():
    about = lscpu()
    flags = about.get("Flags", "").split()
    return {"lscpu": {fact: about[fact] for fact in FACTS if fact in about},
            "flags": [flag for flag in FLAGS if flag in flags], "usable_cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2 ** 30, 1),
            "system": f"{platform.system()} {platform.release()}"}
