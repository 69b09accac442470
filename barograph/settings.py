"""Every setting, where it may come from, and the only place that reads the environment.

A setting is taken from the command line, else from a variable ``BAROGRAPH_...`` (groups are
joined with two underscores: ``BAROGRAPH_KAFKA__BOOTSTRAP_SERVERS``), else from the file given
with ``--config`` (TOML or YAML), else from the defaults here.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.sources import InitSettingsSource

from alerts.rules import DAY, HOUR, WatchConfig
from alerts.sinks.config import SinkConfig
from classifier.series import SeriesBy
from ingest.kafka_settings import KafkaConfig

PREFIX = "BAROGRAPH_"
_WATCH = WatchConfig()


class SettingsProblem(ValueError):
    """A setting that cannot be used: which one, what was given, what is allowed."""


def _split(value: object) -> object:
    """A list written as JSON or with commas, as environment variables have it."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith(("[", "{")):
        return json.loads(text)
    return [part.strip() for part in text.split(",") if part.strip()]


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Numbers = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_split)]


class Group(BaseModel):
    """A group of settings. Unknown names are refused: a typing error must not be silent."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=False)


class KafkaGroup(Group):
    """Brokers and topics. No ``bootstrap_servers`` means: no Kafka, all stages in one process."""

    bootstrap_servers: Words = ()
    topics: Words = ("news", "comments")
    kinds: dict[str, Literal["news", "comment"]] = {"comments": "comment"}
    readings_topic: str = "readings"
    dead_letter_topic: str = "dead-letters"
    group: str = "barograph"
    partitions: int = Field(default=4, ge=1, description="of topics that do not exist yet")
    readings_partitions: int = Field(
        default=4, ge=1, description="where the topic does not exist yet"
    )
    replication: int = Field(default=-1, ge=-1, description="-1: the broker's default")
    create_topics: bool = True
    options: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="passed to kafka-python; may hold passwords"
    )
    session_timeout_ms: int = Field(default=10_000, ge=1_000)
    transaction_timeout_ms: int = Field(default=15_000, ge=1_000)
    contact_ms: int = Field(default=1_000, ge=50)


class RedisGroup(Group):
    """The store. No ``url`` means: a server of our own in ``data_dir``."""

    url: SecretStr | None = None
    cluster: bool = False
    namespace: str = Field(default="barograph", pattern=r"^[A-Za-z0-9_.-]{1,64}$")


class WatchGroup(Group):
    """Windows, lateness and thresholds: what ``alerts.rules.WatchConfig`` says of them holds."""

    bucket_seconds: int = Field(default=_WATCH.bucket_ms // 1000, ge=1)
    windows_seconds: Numbers = tuple(window // 1000 for window in _WATCH.windows_ms)
    allowed_lateness_seconds: float = Field(default=_WATCH.allowed_lateness_ms / 1000, ge=0)
    settle_seconds: float = Field(default=_WATCH.settle_ms / 1000, ge=0)
    future_tolerance_seconds: float = Field(default=300, ge=0)
    count_threshold: float = Field(default=_WATCH.count_threshold, gt=0, lt=1)
    share_threshold: float = Field(default=_WATCH.share_threshold, gt=0, lt=1)
    minimum_negative: int = Field(default=_WATCH.minimum_negative, ge=1)
    hold_seconds: int = Field(default=_WATCH.hold_ms // 1000, ge=0)
    half_life_days: float = Field(default=_WATCH.half_life_ms / DAY, gt=0)
    warm_up_hours: float = Field(default=_WATCH.warm_up_ms / HOUR, ge=0)
    warm_up_documents: int = Field(default=_WATCH.warm_up_documents, ge=0)


class ClassifyGroup(Group):
    """The model and its batches."""

    batch_size: int = Field(default=256, ge=1, le=10_000)
    max_wait_ms: int = Field(default=20, ge=0, le=10_000)
    engine: Literal["auto", "onnx", "torch"] = "auto"
    threads: int | None = Field(default=None, ge=1, description="all cores where not given")
    models: Path | None = Field(
        default=None, description="folder of versions; the shipped one if absent"
    )


class SinkGroup(Group):
    """One place that alerts go to."""

    type: Literal["webhook", "jsonl"]
    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    url: str | None = None
    secrets: tuple[SecretStr, ...] = ()
    secret_file: Path | None = Field(default=None, description="a secret a line, the newest first")
    path: Path | None = None
    allow_private: bool = Field(
        default=False, description="addresses inside the network are allowed"
    )
    timeout_seconds: float = Field(default=10, gt=0, le=50)


class TokenGroup(Group):
    """A bearer token of the HTTP interface and what it may do."""

    name: str
    token: SecretStr
    scopes: frozenset[Literal["ingest", "read"]] = frozenset({"ingest", "read"})


class HttpGroup(Group):
    """The HTTP interface. Without ``tokens`` one is made and kept in ``data_dir/http-token``."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    tokens: tuple[TokenGroup, ...] = ()
    max_body_bytes: int = Field(default=10_000_000, ge=1_000)
    max_documents: int = Field(default=1_000, ge=1)
    answer_within_seconds: float = Field(default=30, gt=0)


class DeadLetterGroup(Group):
    """Where refused records go without Kafka, and how many of them are too many."""

    path: Path | None = Field(default=None, description="data_dir/dead-letters.jsonl if absent")
    share_limit: float = Field(default=0.5, ge=0, le=1)
    window: int = Field(default=1_000, ge=1)
    minimum: int = Field(default=100, ge=1)


class DaemonGroup(Group):
    """Patience of the process with itself."""

    stall_seconds: float = Field(default=30, gt=0)
    give_up_seconds: float = Field(default=180, gt=0)
    backoff_seconds: float = Field(default=0.5, gt=0)
    backoff_most_seconds: float = Field(default=30, gt=0)
    drain_seconds: float = Field(default=10, gt=0)
    queue_documents: int = Field(default=2_000, ge=1)


class LogGroup(Group):
    """What is logged and how: ``auto`` is JSON unless a person looks at it."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data_dir: Path = Path("barograph-data")
    instance_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    author_key: SecretStr | None = None
    series_by: Annotated[tuple[SeriesBy, ...], NoDecode, BeforeValidator(_split)] = ("topic",)
    kafka: KafkaGroup = KafkaGroup()
    redis: RedisGroup = RedisGroup()
    watch: WatchGroup = WatchGroup()
    classify: ClassifyGroup = ClassifyGroup()
    sinks: tuple[SinkGroup, ...] = ()
    http: HttpGroup = HttpGroup()
    dead_letters: DeadLetterGroup = DeadLetterGroup()
    daemon: DaemonGroup = DaemonGroup()
    log: LogGroup = LogGroup()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the file, which ``load`` passes as ``_file``, behind the environment."""
        given = dict(init_settings())
        file = given.pop("_file", {})
        return (
            InitSettingsSource(settings_cls, init_kwargs=given),
            env_settings,
            InitSettingsSource(settings_cls, init_kwargs=file),
        )

    @property
    def embedded(self) -> bool:
        """Whether all stages run in one process, without Kafka."""
        return not self.kafka.bootstrap_servers

    def watch_config(self) -> WatchConfig:
        """What the watch stage takes."""
        group = self.watch
        try:
            return WatchConfig(
                bucket_ms=group.bucket_seconds * 1000,
                windows_ms=tuple(seconds * 1000 for seconds in group.windows_seconds),
                allowed_lateness_ms=round(group.allowed_lateness_seconds * 1000),
                settle_ms=round(group.settle_seconds * 1000),
                count_threshold=group.count_threshold,
                share_threshold=group.share_threshold,
                minimum_negative=group.minimum_negative,
                hold_ms=group.hold_seconds * 1000,
                half_life_ms=round(group.half_life_days * DAY),
                warm_up_ms=round(group.warm_up_hours * HOUR),
                warm_up_documents=group.warm_up_documents,
            )
        except ValueError as problem:
            raise SettingsProblem(f"watch: {problem}") from problem

    def kafka_config(self, role: str) -> KafkaConfig:
        """What a Kafka client of ``role`` takes: each role is a group of its own."""
        group = self.kafka
        return KafkaConfig(
            bootstrap_servers=group.bootstrap_servers,
            topics=group.topics,
            readings_topic=group.readings_topic,
            dead_letter_topic=group.dead_letter_topic,
            group=f"{group.group}-{role}",
            instance_id=self.instance_id,
            options=group.options,
            session_timeout_ms=group.session_timeout_ms,
            transaction_timeout_ms=group.transaction_timeout_ms,
            contact_ms=group.contact_ms,
        )

    def sink_configs(self) -> list[SinkConfig]:
        """What the sinks take; without any, one process alone keeps a file of alerts."""
        names = [sink.name for sink in self.sinks]
        if len(set(names)) < len(names):
            raise SettingsProblem(f"sinks: each needs a name of its own, not {', '.join(names)}")
        if not self.sinks and self.embedded:
            return [SinkConfig("jsonl", "alerts-file", path=self.data_dir / "alerts.jsonl")]
        return [
            SinkConfig(
                type=sink.type,
                name=sink.name,
                url=sink.url or "",
                secrets=_secrets(sink),
                path=sink.path,
                allow_private=sink.allow_private,
                timeout_s=sink.timeout_seconds,
            )
            for sink in self.sinks
        ]

    def dead_letter_path(self) -> Path:
        """The file of dead letters where there is no Kafka."""
        return self.dead_letters.path or self.data_dir / "dead-letters.jsonl"


def _secrets(sink: SinkGroup) -> tuple[str, ...]:
    found = [secret.get_secret_value() for secret in sink.secrets]
    if sink.secret_file is not None:
        try:
            found += sink.secret_file.read_text(encoding="utf-8").split()
        except OSError as problem:
            raise SettingsProblem(
                f"sink {sink.name}: cannot read {sink.secret_file}: {problem.strerror}"
            ) from problem
    return tuple(found)


def load(file: Path | None = None, **given: object) -> Settings:
    """Settings from all sources; ``given`` (nested dictionaries) wins. Raises SettingsProblem."""
    _refuse_unknown_variables(os.environ)
    content = _read(file) if file is not None else {}
    try:
        return Settings(_file=content, **given)  # type: ignore[call-arg, arg-type]
    except pydantic.ValidationError as problem:
        raise SettingsProblem(_explain(problem)) from None
    except (ValueError, pydantic.PydanticUserError) as problem:
        cause = problem.__cause__ or problem
        raise SettingsProblem(
            f"{problem}: {cause}" if cause is not problem else str(problem)
        ) from None


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    for name in environment:
        if not name.upper().startswith(PREFIX):
            continue
        group = name.upper().split("__")[0]
        if group not in known:
            near = difflib.get_close_matches(group, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
            raise SettingsProblem(f"the variable {name} is not a setting; {hint}")


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix.lower() == ".toml":
            return tomllib.loads(text)
        content = _yaml(text, file)
    except OSError as problem:
        raise SettingsProblem(f"cannot read {file}: {problem.strerror}") from problem
    except ValueError as problem:
        raise SettingsProblem(f"{file}: {problem}") from problem
    if not isinstance(content, dict):
        raise SettingsProblem(f"{file} holds no table of settings")
    return content


def _yaml(text: str, file: Path) -> object:
    if file.suffix.lower() not in (".yaml", ".yml"):
        raise ValueError("a configuration file ends in .toml, .yaml or .yml")
    try:
        import yaml  # an extra: TOML needs nothing
    except ImportError:
        raise ValueError("reading YAML needs the package pyyaml; or write TOML") from None
    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as problem:
        raise ValueError(str(problem)) from problem


def _explain(problem: pydantic.ValidationError) -> str:
    """One line for each setting: its name both ways, what is wrong, what was given."""
    lines = []
    for error in problem.errors(include_url=False):
        place = [str(part) for part in error["loc"]]
        variable = PREFIX + "__".join(place).upper()
        secret = any(word in variable.lower() for word in ("secret", "token", "key", "password"))
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            message = "there is no such setting" + _near(place)
        shown = "" if secret or error["type"] == "missing" else f" (given: {error['input']!r:.80})"
        lines.append(f"{'.'.join(place)} [{variable}]: {message}{shown}")
    return "\n".join(lines)


def _near(place: list[str]) -> str:
    fields: Any = Settings.model_fields
    for part in place[:-1]:
        field = fields.get(part)
        kind = field.annotation if field is not None else None
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return ""
        fields = kind.model_fields
    near = difflib.get_close_matches(place[-1], list(fields), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(fields)}"
