"""CatBoost's MultiQuantile on the rows of forest.py, which starts it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import catboost
import numpy as np
from forest_rows import LEVELS, pinball, rows


def main(folder: Path, train: int, trees: int, rate: float, threads: int) -> None:
    """Fit once, then time whatever stdin asks for, one line each."""
    X, y = rows(train, 0)
    model = catboost.CatBoostRegressor(
        loss_function="MultiQuantile:alpha=" + ",".join(str(level) for level in LEVELS),
        iterations=trees,
        depth=6,
        learning_rate=rate,
        thread_count=threads,
        random_seed=0,
        verbose=0,
        allow_writing_files=False,
    )
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(X, y)
    answer = {"fit": time.perf_counter() - wall, "fit cpu": time.process_time() - cpu}
    later, days = rows(200_000, 1)
    answer["pinball"] = pinball(days, np.sort(model.predict(later), axis=1))
    print(json.dumps(answer), flush=True)
    model.save_model(str(folder / "catboost.cbm"))
    for line in sys.stdin:
        what, count = line.split()
        wall, cpu = time.perf_counter(), time.process_time()
        if what == "batch":
            model.predict(later, thread_count=int(count))
        else:
            for i in range(int(count)):
                model.predict(later[i], thread_count=1)
        spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps(spent), flush=True)


if __name__ == "__main__":
    main(
        Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
    )
