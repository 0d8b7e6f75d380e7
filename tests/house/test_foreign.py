"""Each third party has one place, each raw function one wrapper."""
import re

import pytest

from tree import c_files, code_only, includes, matches, read, show

# Third-party headers: name, the files that may include it.
FOREIGN = [
    (r"dcmtk/.*", ["modules/dicom/*.cc", "modules/dicom/*.hh"]),
    (r"openjpeg\.h", ["modules/dicom/dicom_j2k.cc"]),
    (r"sqlite3\.h", ["modules/store/*"]),
    (r"cblas\.h", ["modules/tensor/gemm.c"]),
    (r"openssl/.*", ["modules/base/digest.c"]),
    (r"uuid/uuid\.h", ["modules/base/uid.c"]),
    (r"immintrin\.h", ["modules/tensor/tile.c"]),
    (r"png\.h", ["modules/base/picture.c"]),
    (r"utf8proc\.h", ["modules/text/*"]),
    (r"microhttpd\.h", ["daemon/api.c"]),
    (r"systemd/.*", ["daemon/main.c"]),
    (r"ini\.h", ["daemon/config.c"]),
    (r"seccomp\.h", ["worker/filter.c"]),
    (r"curl/curl\.h", ["cli/rest.c", "daemon/courier_webhook.c", "daemon/mllp.c"]),
    (r"jansson\.h", ["*"]),  # JSON values are passed around as they are
]
SYSTEM = re.compile(
    r"(sys|linux|netinet|arpa|net)/\w+\.h|c?[a-z_]+"  # Linux and POSIX; C++'s own have no dot
    r"|(assert|ctype|dirent|errno|fcntl|fnmatch|fts|ftw|getopt|grp|iconv|inttypes|limits|locale|malloc|math|poll"
    r"|pthread|pwd|sched|setjmp|signal|spawn|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings"
    r"|termios|time|unistd)\.h")

# Raw functions: names (call patterns), what is used instead, where they may stand, and why there.
DENIED = [
    (r"v?sprintf", "snprintf", {}),
    (r"st[rp]cpy|strcat|strncpy|strncat", "snprintf, or memcpy with a length", {}),
    (r"gets", "fgets, or file_read", {}),
    (r"ato[ifl]|atoll", "strtol with a range", {"worker/fault.c": "written by the test that asks for it"}),
    (r"strtok", "strtok_r, strspn", {}),
    (r"system|popen", "worker_process", {}),
    (r"tmpnam|tempnam|mktemp|tmpfile", "mkostemp, or a name in our own folder", {}),
    (r"alloca", "arena_alloc", {}),
    (r"localtime|gmtime|ctime|asctime", "clock_iso, clock_dicom, gmtime_r", {}),
    (r"s?rand|s?random", "rand_r with a seed of one's own", {}),
    (r"strerror|perror", "err_errno",
     {"modules/base/err.c": "the wrapper", "worker/main.c": "says why it does not start"}),
    (r"v?fork|f?execv[ep]*|execl[ep]?|posix_spawnp?", "worker_spawn",
     {"modules/pipeline/worker_spawn.c": "the wrapper",
      "worker/main.c": "starts itself again, with one thread, before anything else",
      "worker/fault.c": "tests that the sandbox refuses it"}),
    (r"_?exit|_Exit|quick_exit|abort|raise", "a return up to main",
     {"modules/pipeline/worker_spawn.c": "in the child, between fork and exec",
      "worker/main.c": "when it cannot start itself again",
      "worker/fault.c": "ends on purpose, for tests"}),
    (r"unlink(?:at)?|remove|rename(?:at2?)?|rmdir", "file_commit, spool",
     {"modules/base/file.c": "the wrapper",
      "modules/spool/spool.c": "owns the files it deletes",
      "modules/dicom/dicom_sr.cc": "takes back the half-written report of its own failed save",
      "cli/local.c": "the picture the user asked for, in the user's folder; nothing rests on its durability",
      "cli/remote_commands.c": "its own scratch file"}),
    (r"f(?:data)?sync|syncfs|sync", "file_sync, file_commit", {"modules/base/file.c": "the wrapper"}),
    (r"v?printf|puts|putchar|v?dprintf|v?syslog|openlog|sd_journal_\w+", "log_line in daemon/, struct err elsewhere",
     {"daemon/main.c": "answers the command line", "cli/*": "its output is its purpose",
      "tools/*": "its output is its purpose"}),
    (r"(?:fprintf|vfprintf|fputs|fputc|putc|fwrite|fflush)\b[^;]*\bstd(?:err|out)|std::c(?:err|out|log)|COUT|CERR",
     "log_line in daemon/, struct err elsewhere",
     {"daemon/log.c": "the wrapper", "daemon/main.c": "answers the command line",
      "worker/main.c": "says why it does not start", "cli/*": "its output is its purpose",
      "tools/*": "its output is its purpose"}),
    (r"pthread_create|thrd_create|std::j?thread|std::async", "a room in daemon/, worker/threads.c",
     {"daemon/*": "owns every thread", "worker/threads.c": "the worker's crew",
      "worker/fault.c": "tests that the sandbox refuses it"}),
    (r"listen|accept4?", "daemon/receiver.c, libmicrohttpd", {"daemon/receiver.c": "the DICOM listener"}),
    (r"(?:secure_)?getenv", "daemon/config.c, or a parameter",
     {"modules/pipeline/worker_spawn.c": "passes on what the child may know",
      "modules/pipeline/worker_process.c": "where tests keep the worker program",
      "worker/fault.c": "asked for by tests",
      "worker/main.c": "whether it has started itself again", "cli/*": "the user's own settings"}),
    (r"setenv|putenv|unsetenv|clearenv", "a parameter",
     {"worker/main.c": "OpenBLAS counts its threads before main, from nowhere else",
      "modules/dicom/dicom_library.cc": "DCMTK takes TCP_NODELAY from nowhere else"}),
    (r"sqlite3_\w+", "store.h", {"modules/store/*": "the wrapper"}),
    (r"(?:open)?c?blas_\w+", "gemm.h", {"modules/tensor/gemm.c": "the wrapper"}),
    (r"MHD_[a-z]\w*", "daemon/api.h", {"daemon/api.c": "the wrapper"}),
    (r"(?:EVP|SHA\d+|RAND|CRYPTO|ERR)_[A-Z]\w*", "digest.h", {"modules/base/digest.c": "the wrapper"}),
    (r"png_\w+", "picture.h", {"modules/base/picture.c": "the wrapper"}),
    (r"uuid_\w+", "uid.h", {"modules/base/uid.c": "the wrapper"}),
    (r"utf8proc_\w+", "words.h, clip_words.h", {"modules/text/*": "owns Unicode"}),
    (r"opj_\w+", "dicom_j2k.h", {"modules/dicom/dicom_j2k.cc": "the wrapper"}),
    (r"curl_\w+", "cli/rest.h, mllp.h",
     {"cli/rest.c": "the wrapper", "daemon/courier_webhook.c": "one request, of its own kind",
      "daemon/mllp.c": "the wrapper of a connection without a protocol"}),
    (r"ini_parse\w*", "daemon/config.h", {"daemon/config.c": "the wrapper"}),
    (r"sd_(?:notify|watchdog)\w*", "daemon/main.c", {"daemon/main.c": "the only one who talks to systemd"}),
    (r"seccomp_\w+", "filter.h", {"worker/filter.c": "the wrapper"}),
]
CALLS = [(re.compile(rf"(?<![\w.:>])(?:std::|::)?(?:{names})\s*\(" if "std" not in names else
                     rf"(?<![\w.>])(?:{names})"), names, instead, places) for names, instead, places in DENIED]


def foreign_faults(path, text):
    for number, _, header in includes(text):
        places = next((places for name, places in FOREIGN if re.fullmatch(name, header)), None)
        if places is not None:
            if not matches(path, places):
                yield f"{path}:{number}: {header} belongs to {', '.join(places)}"
        elif "<" in text.split("\n")[number - 1] and not SYSTEM.fullmatch(header):
            yield f"{path}:{number}: {header} is neither the system's nor in the table of third parties"


def call_faults(path, text):
    for number, line in enumerate(code_only(text).split("\n"), 1):
        for pattern, _, instead, places in CALLS:
            found = pattern.search(line)
            if found and not matches(path, places):
                yield f"{path}:{number}: {found.group().strip()}...: use {instead}"


def test_third_party_headers_stay_in_their_place():
    faults = [fault for path in c_files() for fault in foreign_faults(path, read(path))]
    assert not faults, show(faults)


def test_headers_that_show_a_third_party_are_private():
    """Whoever includes them would get the third party with them."""
    shown = {path.removeprefix("modules/") for path in c_files(("modules",), ("*.h", "*.hh"))
             for _, _, header in includes(read(path))
             if any(re.fullmatch(name, header) and places != ["*"] for name, places in FOREIGN)}
    assert shown, "connection.h shows SQLite"
    faults = [f"{path}:{number}: {header} is private" for path in c_files()
              for number, _, header in includes(read(path))
              if header in shown and header.split("/")[0] != path.split("/")[1]]
    assert not faults, show(faults)


def test_cxx_stays_behind_its_fence():
    faults = [f"{path}:{number}: {header}" for path in c_files(names=("*.c", "*.h"))
              for number, _, header in includes(read(path)) if header.endswith(".hh")]
    faults += [path for path in c_files(names=("*.cc", "*.hh")) if not path.startswith("modules/dicom/")]
    assert not faults, show(faults)


def test_raw_functions_are_called_in_their_wrapper_only():
    faults = [fault for path in c_files() for fault in call_faults(path, read(path))]
    assert not faults, show(faults)


def test_every_exception_is_still_needed():
    texts = {path: code_only(read(path)) for path in c_files()}
    idle = [f"{place}: {names}" for pattern, names, _, places in CALLS for place in places
            if not any(pattern.search(text) for path, text in texts.items() if matches(path, [place]))]
    assert not idle, show(idle)


@pytest.mark.parametrize("path, line", [
    ("modules/base/file.c", "#include <sqlite3.h>"),
    ("modules/dicom/dicom_part10.c", "#include <dcmtk/config/osconfig.h>"),
    ("modules/dicom/dicom_net.h", '#include "dcmtk/dcmnet/dul.h"'),
    ("modules/dicom/dicom_pixels.cc", "#include <openjpeg.h>"),
    ("modules/tensor/ops.c", "#include <cblas.h>"),
    ("daemon/api_routes.c", "#include <microhttpd.h>"),
    ("cli/remote_commands.c", "#include <curl/curl.h>"),
    ("daemon/main.c", "#include <glib.h>"),
])
def test_a_planted_header_is_seen(path, line):
    assert list(foreign_faults(path, line + "\n"))


@pytest.mark.parametrize("path, line", [
    ("cli/local.c", "sprintf(text, format);"),
    ("daemon/pool.c", "    n = strlen(a) + atoi(b);"),
    ("modules/dicom/dicom_value.cc", "std::strcpy(a, b);"),
    ("modules/dicom/dicom_sr.cc", "if (!system(line))"),
    ("modules/text/vocab.c", "strtok (line, sep);"),
    ("daemon/courier.c", "struct tm *tm = localtime(&now);"),
    ("worker/sandbox.c", "fork();"),
    ("modules/spool/spool.c", "rename(a, b); fsync(fd);"),
    ("daemon/janitor.c", "unlink(path);"),
    ("modules/study/study.c", 'printf("%d", 1);'),
    ("daemon/pool.c", 'fprintf(stderr, "%d", 1);'),
    ("modules/dicom/dicom_head.cc", 'std::cerr << "x";'),
    ("modules/store/store_job.c", "pthread_create(&t, NULL, f, NULL);"),
    ("daemon/intake.c", "sqlite3_exec(db, sql, NULL, NULL, NULL);"),
    ("modules/encoder/vit.c", "cblas_sgemm(1);"),
    ("daemon/api_view.c", "MHD_destroy_response(r);"),
    ("modules/store/store.h", "EVP_Digest(a, b);"),
    ("modules/report/report.c", 'getenv("HOME");'),
])
def test_a_planted_call_is_seen(path, line):
    assert list(call_faults(path, line + "\n"))


@pytest.mark.parametrize("line", [
    "snprintf(text, sizeof text, format);", "copy.remove(0ul);", "list->remove(1);", "/* printf(x) */",
    'err_fail(err, "system(1) failed");', "strtok_r(a, b, &c);", "arena_printf(arena, format);", "// fork()",
])
def test_what_only_looks_like_one_is_not(line):
    assert not list(call_faults("modules/report/report.c", line + "\n"))
