"""``barograph dead-letters``: what was refused, and giving it another chance."""

import json
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from barograph.commands.common import FAILED, console, output, refuse, settings_of
from barograph.settings import Settings
from ingest.dead_letters import DeadLetterFile, from_json, reason_class
from ingest.record import DeadLetter

app = typer.Typer(
    help="See what was refused and why; feed it in again.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_From = Annotated[
    str, typer.Option("--from", help="Kafka: beginning, an offset, or a time (ISO 8601).")
]
_To = Annotated[str, typer.Option("--to", help="Kafka: end, an offset, or a time.")]
_Reason = Annotated[str | None, typer.Option(help="Only those whose reason contains this.")]


@app.command("list")
def list_letters(
    context: typer.Context,
    start: _From = "beginning",
    end: _To = "end",
    reason: _Reason = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the dead letters: when, from where, why, and how the message began.

    Without Kafka they are in data_dir/dead-letters.jsonl, with Kafka in their topic.
    """
    settings = settings_of(context)
    reasons: dict[str, int] = {}
    for letter in _letters(settings, start, end, reason):
        kind = reason_class(letter.reason)
        reasons[kind] = reasons.get(kind, 0) + 1
        _print(letter, as_json)
    for kind, count in sorted(reasons.items(), key=lambda item: -item[1]):
        console.print(f"{count:>8,}  {kind}", markup=False)
    if not reasons:
        console.print("There are no dead letters.")


@app.command("replay")
def replay_letters(
    context: typer.Context,
    start: _From = "beginning",
    end: _To = "end",
    reason: _Reason = None,
    out: Annotated[
        str | None, typer.Option(help="Only write the raw messages to this file (- for output).")
    ] = None,
) -> None:
    """Feed dead letters in again, once their cause is mended.

    With Kafka each goes back to the topic that it came from. Without, the messages are taken by
    this process, so stop the daemon first; what is refused again is a dead letter again. A
    document that was counted before is not counted twice.
    """
    settings = settings_of(context)
    letters = _letters(settings, start, end, reason)
    if out is not None:
        with output(out) as file:
            count = 0
            for letter in letters:
                file.write(letter.record.raw.decode("utf-8", "replace") + "\n")
                count += 1
        console.print(f"{count} messages written")
    elif settings.embedded:
        _again_here(settings, list(letters), everything=reason is None)
    else:
        _again_kafka(settings, letters)


def _print(letter: DeadLetter, as_json: bool) -> None:
    from ingest.dead_letters import to_json
    from ingest.event_time import iso

    if as_json:
        print(to_json(letter).decode())
        return
    record = letter.record
    preview = json.loads(to_json(letter))["preview"][:80]
    print(f"{iso(letter.at)}  {record.origin}:{record.offset}  {letter.reason}\n    {preview}")


def _letters(settings: Settings, start: str, end: str, reason: str | None) -> Iterator[DeadLetter]:
    from ingest.kafka_settings import BrokerProblem

    try:
        found = _in_file(settings) if settings.embedded else _in_topic(settings, start, end)
        for letter in found:
            if reason is None or reason.lower() in letter.reason.lower():
                yield letter
    except (BrokerProblem, OSError) as problem:
        refuse(str(problem), FAILED)


def _in_file(settings: Settings) -> Iterator[DeadLetter]:
    def damaged(message: str) -> None:
        console.print(message, markup=False)

    return DeadLetterFile(settings.dead_letter_path()).read(damaged)


def _in_topic(settings: Settings, start: str, end: str) -> Iterator[DeadLetter]:
    from ingest.broker import Between, read_dead_letters

    between = Between(start, end)
    for partition, offset, raw in read_dead_letters(settings.kafka_config("replay"), between):
        try:
            yield from_json(raw)
        except ValueError as problem:
            console.print(f"dead letter {partition}:{offset}: {problem}", markup=False)


def _again_kafka(settings: Settings, letters: Iterable[DeadLetter]) -> None:
    from ingest.broker import DocumentProducer
    from ingest.kafka_settings import BrokerProblem

    topics = settings.kafka.topics
    count = 0
    try:
        producer = DocumentProducer(settings.kafka_config("ingest"))
        try:
            for letter in letters:
                record = letter.record
                topic = record.origin.name if record.origin.name in topics else topics[0]
                producer.send(topic, f"{record.origin}:{record.offset}", record.raw)
                count += 1
            producer.flush()
        finally:
            producer.close()
    except BrokerProblem as problem:
        refuse(str(problem), FAILED)
    console.print(f"{count} messages sent again; give --from to leave them out the next time")


def _again_here(settings: Settings, letters: list[DeadLetter], everything: bool) -> None:
    from barograph.again import take_again
    from barograph.valkey import ServerProblem
    from classifier.registry import ModelProblem

    try:
        accepted, refused = take_again(settings, letters, everything)
    except (ServerProblem, ModelProblem, OSError) as problem:
        refuse(str(problem), FAILED)
    console.print(f"{accepted} documents taken, {refused} refused again")
