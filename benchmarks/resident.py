"""``python -m benchmarks.resident engine|pipeline FOLDER``: KiB that a fresh process holds."""

import sys
from pathlib import Path

TEXTS = ["Shares plunge after a profit warning", "The board keeps the dividend"] * 16


def main() -> None:
    which, folder = sys.argv[1], Path(sys.argv[2])
    if which == "engine":
        from classifier.engine import Calibration
        from classifier.onnx_engine import OnnxEngine

        OnnxEngine(folder, "measured", Calibration(), 2).classify(TEXTS)
    else:
        from benchmarks.pipelines import head_pipeline

        head_pipeline(folder, "topic")(TEXTS)
    status = Path("/proc/self/status").read_text()
    print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


if __name__ == "__main__":
    main()
