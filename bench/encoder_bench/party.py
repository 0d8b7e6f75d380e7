"""A program that is started once and computes when it is told to (bench/encoder_run.c has the words)."""
import json
import re
import subprocess
import tempfile
import time


class PartyFailed(Exception):
    pass


class Party:
    """Open when it is made; close() ends it."""

    def __init__(self, command, environment):
        self.errors = tempfile.TemporaryFile("w+")
        began = time.monotonic()
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, env=environment, text=True)
        try:
            line = self.read()
            if not line.startswith("ready "):
                raise PartyFailed(f"said {line!r}")
        except BaseException:
            self.close()
            raise
        self.facts = json.loads(line.removeprefix("ready "))
        self.first_result_s = time.monotonic() - began

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise PartyFailed(self.last_words())
        return line

    def last_words(self):
        status = self.process.wait(timeout=60)
        self.errors.seek(0)
        said = self.errors.read().strip().split("\n")[-1]
        return f"ended with status {status}: {said[:300]}"

    def ask(self, words):
        try:
            self.process.stdin.write(words + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise PartyFailed(self.last_words()) from None
        return self.read()

    def memory(self):
        """Bytes: the most it ever had, loading included, and what it has now."""
        with open(f"/proc/{self.process.pid}/status") as lines:
            found = dict(re.findall(r"^(VmHWM|VmRSS):\s+(\d+) kB", lines.read(), re.M))
        return {"peak_bytes": int(found["VmHWM"]) * 1024, "now_bytes": int(found["VmRSS"]) * 1024}

    def libraries(self):
        """Of mathematics and threads, as they are mapped."""
        with open(f"/proc/{self.process.pid}/maps") as lines:
            names = {line.split("/")[-1].strip() for line in lines if "/" in line}
        return sorted(name for name in names if re.search(r"(blas|mkl|dnnl|gomp|iomp|onnxruntime|torch_cpu).*\.so", name))

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()
