"""Dependencies run downward: a file includes headers of its own module and of lower layers."""
import posixpath
import re

import pytest

from tree import ROOT, c_files, includes, read, show

LAYERS = [
    ("base",),
    ("dicom", "store", "spool", "tensor"),
    ("study", "volume", "encoder", "text", "findings", "routing"),
    ("report",),
    ("pipeline",),
    ("daemon", "worker", "cli", "tools"),
]
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
ROOMS = LAYERS[-1]

# What may cross between modules of one layer: (module, header): why.
CROSSINGS = {
    ("store", "dicom/dicom_records.h"): "a plain record, made to pass between modules; no DCMTK type is in it",
}


def owner(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "modules" else parts[0]


def faults_of(path, text):
    mine = owner(path)
    for number, mark, header in includes(text):
        other = header.split("/")[0]
        if mark != '"' or header.startswith("dcmtk/"):  # third parties: test_foreign.py
            continue
        if "/" not in header:
            beside = posixpath.join(posixpath.dirname(path), header)
            if path.startswith("modules/"):
                yield f"{path}:{number}: {header}: modules name headers from modules/ on"
            elif not (ROOT / beside).is_file():
                yield f"{path}:{number}: {header} does not lie beside it"
        elif other not in LAYER or ".." in header.split("/"):
            yield f"{path}:{number}: {header}: no such module"
        elif other != mine and LAYER[other] >= LAYER[mine] and (mine, header) not in CROSSINGS:
            yield f"{path}:{number}: {mine} (layer {LAYER[mine]}) includes {header} (layer {LAYER[other]})"


def test_includes_run_downward():
    files = c_files()
    assert len(files) > 100
    faults = [fault for path in files for fault in faults_of(path, read(path))]
    assert not faults, show(faults)


@pytest.mark.parametrize("path, header", [
    ("modules/base/err.c", "tensor/tensor.h"),  # upward
    ("modules/volume/volume.h", "study/study.h"),  # sideways
    ("modules/report/report.c", "pipeline/model.h"),
    ("modules/pipeline/job.c", "daemon/log.h"),
    ("modules/store/store.h", "dicom/dicom_head.h"),  # only the record crosses
    ("worker/main.c", "daemon/log.h"),
    ("cli/local.c", "gone.h"),
    ("modules/text/words.c", "words.h"),
    ("modules/text/words.c", "../base/err.h"),
])
def test_a_planted_include_is_seen(path, header):
    assert list(faults_of(path, f'#include "{header}"\n'))


def test_every_crossing_is_used_and_carries_records_only():
    for module, header in CROSSINGS:
        assert any(header == found for path in c_files(("modules",)) if owner(path) == module
                   for _, _, found in includes(read(path))), f"{module} no longer includes {header}"
        inner = [found for _, mark, found in includes(read(f"modules/{header}")) if mark == '"']
        assert all(LAYER[found.split("/")[0]] < LAYER[header.split("/")[0]] for found in inner), inner


def test_every_folder_has_its_layer():
    seen = {owner(path) for path in c_files()}
    assert seen == set(LAYER), seen ^ set(LAYER)


def test_meson_visits_folders_in_layer_order():
    visited = [owner(path) for path in re.findall(r"^subdir\('([^']+)'\)", read("meson.build"), re.MULTILINE)]
    ranks = [LAYER[name] for name in visited if name in LAYER]
    assert ranks == sorted(ranks) and len(ranks) == len(LAYER)
