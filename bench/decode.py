#!/usr/bin/env python3
"""Frames a second that the worker decodes, with one thread and with several.

    bench/decode.py [--build DIR] [--frames N] [--rounds N] [--threads N] [FILE]

FILE: a DICOM image in any compressed transfer syntax; without it a CT-like picture of 512 x 512 is made and coded as
JPEG 2000 lossless (needs Pillow). Its first frame is repeated --frames times in one object, which `cardioscribe pixels`
decodes in the sandboxed worker. Rounds alternate, so that other work on the machine hits all alike; the best round
counts, the median tells how much it was disturbed. The time is the worker's own (decode_s): opening the file, decoding, writing the values; not its start.
Needs pydicom. Prints what the machine is; figures of other machines do not compare, ratios do.
"""
import argparse
import io
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile

import pydicom
from pydicom.encaps import encapsulate, generate_pixel_data_frame


def made_image():
    import numpy as np
    from PIL import Image
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    body = np.where(x ** 2 + 1.6 * y ** 2 < 0.7, 1040 + 300 * np.sin(9 * x) * np.cos(7 * y), 24)
    picture = (body + np.random.default_rng(1).normal(0, 12, body.shape)).clip(0, 4095).astype("<u2")
    coded = io.BytesIO()
    Image.fromarray(picture).save(coded, "JPEG2000", no_jp2=True)
    image = pydicom.Dataset()
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    image.is_little_endian, image.is_implicit_VR = True, False
    image.SOPClassUID, image.SOPInstanceUID = pydicom.uid.CTImageStorage, "1.2.3.4"
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.Rows = image.Columns = 512
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    return image, coded.getvalue()


def read_image(path):
    image = pydicom.dcmread(path)
    return image, next(generate_pixel_data_frame(image.PixelData, int(image.get("NumberOfFrames", 1))))


def write_frames(image, frame, count, path):
    image.NumberOfFrames = count
    image.PixelData = encapsulate([frame] * count)
    image["PixelData"].VR, image["PixelData"].is_undefined_length = "OB", True
    image.save_as(path, write_like_original=False)


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def version_of(package):
    return first_line("dpkg-query", "-W", "-f", "${Version}", package)


def processor():
    with open("/proc/cpuinfo") as lines:
        return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def decode_s(cli, path, out, threads):
    done = subprocess.run([cli, "pixels", path, "--raw", out, "--threads", str(threads), "--json"],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["decode_s"]


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--build", default="build")
    words.add_argument("--frames", type=int, default=200)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("file", nargs="?")
    given = words.parse_args()
    cli = pathlib.Path(given.build) / "cli" / "cardioscribe"
    image, frame = read_image(given.file) if given.file else made_image()
    taken = {1: [], given.threads: []}
    with tempfile.TemporaryDirectory() as folder:
        path, out = os.path.join(folder, "frames.dcm"), os.path.join(folder, "frames.raw")
        write_frames(image, frame, given.frames, path)
        for _ in range(given.rounds):
            for threads in taken:
                taken[threads].append(decode_s(cli, path, out, threads))
    print(f"machine   {processor()}, {len(os.sched_getaffinity(0))} cores usable, load {os.getloadavg()[0]:.1f}, "
          f"{platform.platform()}")
    print(f"versions  {first_line(cli, '--version')}, OpenJPEG {version_of('libopenjp2-7')}, "
          f"DCMTK {version_of('libdcmtk17')}")
    print(f"input     {given.frames} frames of {image.Rows} x {image.Columns}, {image.file_meta.TransferSyntaxUID.name}, "
          f"{len(frame)} bytes each; {given.rounds} rounds")
    for threads, seconds in taken.items():
        print(f"threads   {threads:2}  {given.frames / min(seconds):8.1f} slices/s  best {min(seconds):.3f} s, "
              f"median {statistics.median(seconds):.3f} s")
    best, middle = (how(taken[1]) / how(taken[given.threads]) for how in (min, statistics.median))
    print(f"ratio     {best:.2f} of the best, {middle:.2f} of the medians")


if __name__ == "__main__":
    main()
