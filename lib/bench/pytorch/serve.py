"""The loop of a worker of `s2mllm bench`: reads requests on stdin, answers on stdout, one JSON object a line."""

import json
import os
import sys
import traceback
from time import perf_counter


class Worker:
    """What all of them answer alike; `run` does one step, or one inference."""

    run = None

    def time(self, steps):
        ms = []
        for _ in range(steps):
            start = perf_counter()
            self.run()
            ms.append((perf_counter() - start) * 1000)
        return {"ms": ms}

    def peak(self):
        try:
            with open("/proc/self/status") as file:
                return {"MB": next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))}
        except OSError:
            import resource

            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return {"MB": most / (1024 * 1024 if sys.platform == "darwin" else 1024)}

    def reset_peak(self):
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        except OSError:
            pass  # not Linux: the peak since the process started


def serve(worker):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints goes to stderr
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": getattr(worker, request.pop("do"))(**request)}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
