"""``barograph classify``: topic and sentiment of every line of a file."""

import json
import time
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer

from barograph.commands.common import FAILED, console, output, progress, refuse, settings_of
from barograph.complaints import Complaints


def classify(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="JSONL or CSV, plain or .gz; - for standard input.")],
    out: Annotated[str | None, typer.Option(help="Output file; standard output if absent.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Lines given to the model.")] = None,
    strict: Annotated[bool, typer.Option(help="Exit with 1 if any line was refused.")] = False,
) -> None:
    """Classify every line of FILE: a JSON line out for each line in, in order.

    A line that cannot be read gives an object with "id", "line" and "error", is reported on
    standard error, and does not stop the rest. Blank lines are passed over. Times are not
    needed here. Input keys: id, text, title, summary, body, ...; output keys: id, topic,
    topic_sure, topic_probabilities, sentiment, sentiment_sure, sentiment_probabilities,
    model_version.

    Examples:
      barograph classify headlines.jsonl.gz --out readings.jsonl

      echo '{"id": 1, "text": "Shares plunge after a profit warning"}' | barograph classify -

    """
    from barograph.offline import classify_records
    from barograph.wiring import open_engine, throwaway_policy
    from classifier.registry import ModelProblem
    from ingest.files import SourceError, read_records

    settings = settings_of(context)
    refused, lines = 0, 0
    try:
        engine = open_engine(settings)
        records = read_records(file, "file")
        size = batch_size or settings.classify.batch_size
        now = time.time_ns() // 1_000_000
        readings = classify_records(records, engine, throwaway_policy(settings), now, size)
        with output(out) as target, progress("classified") as advance:
            for reading in _told(readings):
                target.write(json.dumps(reading, ensure_ascii=False) + "\n")
                refused += "error" in reading
                lines += 1
                advance(1)
    except (SourceError, ModelProblem, OSError) as problem:
        refuse(str(problem), FAILED)
    if refused:
        console.print(f"{refused} of {lines} lines were refused", markup=False)
        raise typer.Exit(FAILED if strict else 0)


def _told(readings: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The readings; refused lines are reported, the first of them one by one."""
    complaints = Complaints(console, "refused lines")
    for reading in readings:
        if "error" in reading:
            complaints.tell(f"line {reading['line']}: {reading['error']}")
        yield reading
