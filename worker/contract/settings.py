"""Every setting, with its unit in the name: environment variables `IMR_*`, also read from `.env`.

`load_settings` is called by the composition roots only; everything else is given the values it needs. The table in
the README is generated from the docstrings below (`imr check --settings`), and a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from worker.contract.names import STATE


class SettingsError(ValueError):
    """A setting cannot be used; the message names it, its problem and the remedy."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("not a time zone of the tz database, such as America/Los_Angeles") from error
    return name


def _known_url(*schemes: str) -> AfterValidator:
    """A check of an address that never repeats it: it can hold a password."""

    def check(url: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            usable = parts.scheme in schemes and (parts.port is None or parts.port > 0)
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(f"not an address that begins with {', '.join(f'{one}://' for one in schemes)}") from None
        return url

    return AfterValidator(check)


_REDIS = ("redis", "rediss", "unix")


def _within_lease(read_timeout_s: float, info: ValidationInfo) -> float:
    """A PDF that runs into its limit is tried once more in a fresh process, all within two thirds of a lease."""
    if info.data.get("lease_seconds", float("inf")) < 3.5 * read_timeout_s:
        raise ValueError("IMR_LEASE_SECONDS must be at least 3.5 times as long, or a slow PDF outlives its lease")
    return read_timeout_s


Watch = Literal["auto", "events", "scan"]
"""What the setting `IMR_WATCH` asks for."""
Complete = Literal["quiet", "renamed", "done-file"]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Bytes = Annotated[int, Field(gt=0)]


class Settings(BaseSettings):
    """The settings in force."""

    model_config = SettingsConfigDict(
        env_prefix="IMR_",
        env_file=".env",
        env_ignore_empty=True,  # `IMR_STATE_DIR=` in a compose file means that it is not set, not the current folder
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )

    share: Path = Path("share")
    """The watched share; `inbox/`, `claimed/`, `archive/` and `review/` lie in it, on one file system."""
    state_dir: Path | None = None
    """Where this machine keeps the embedded server's data and its lock. Default: `.imr/` in the share; set it to a
    local folder when the share is a network share."""
    redis_url: Annotated[SecretStr, _known_url(*_REDIS)] | None = None
    """Redis or Valkey for results and records (`redis://`, `rediss://`, `unix://`). Without it `imr up` starts an
    embedded server, and the other commands find that one."""
    broker_url: Annotated[SecretStr, _known_url(*_REDIS, "amqp", "amqps", "pyamqp")] | None = None
    """Celery's broker. Default: the Redis of `IMR_REDIS_URL`."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:_-]{0,63}$")] = "imr"
    """Prefix of every key, so that several installations can share one Redis."""
    site: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,64}$")] = "default"
    """Name of this installation in the events' `source` (`/imr/<site>`)."""
    timezone: Annotated[str, AfterValidator(_known_zone)] = "America/Los_Angeles"
    """Time zone in which the day of receipt is told."""
    read_parties: bool = False
    """Whether names and claim numbers on cover pages are read into `parties`. They are personal data."""

    settle_seconds: Seconds = 2.0
    """How long a file that is written in place must stay unchanged before it counts as complete. A file renamed into
    the inbox is complete at once."""
    watch: Watch = "auto"
    """How new files are noticed: `events` (and scan), `scan` alone, or `auto`, by the type of the inbox's file system:
    network shares do not tell what other machines write. `imr check` says what was chosen and why."""
    complete: Complete = "quiet"
    """When a file is complete: `quiet`, once it was renamed into the inbox or has not changed for
    `IMR_SETTLE_SECONDS`; `renamed`, the same with `IMR_RENAMED_QUIET_SECONDS`; `done-file`, once `x.pdf.done` lies
    beside `x.pdf`. See docs/intake.md."""
    renamed_quiet_seconds: Seconds = 60.0
    """With `IMR_COMPLETE=renamed`: how long a file of which no rename was seen (it was there before the start, no event
    told of it, or it was written in place) must stay unchanged."""
    scan_seconds: Seconds = 5.0
    """How often the inbox is scanned for files that no event announced, while there are any."""
    max_scan_seconds: Seconds = 30.0
    """How seldom at most: while scans find nothing, or take long, they become rarer until that."""
    reap_seconds: Seconds = 5.0
    """How often `claimed/` is searched for letters that nobody works on."""
    hint_timeout_seconds: Seconds = 20.0
    """How long after its first hint a claim that nobody has begun is hinted again."""
    retry_max_seconds: Seconds = 60.0
    """Longest time between two tries of a letter that something around it keeps from being done; the first are a second
    or two apart, then each pause is twice as long."""
    incomplete_seconds: Seconds = 60.0
    """How long a letter that breaks off (in mid-sentence, or a PDF without its end) is waited for, from when these
    bytes were first read; each time it has grown that begins anew. Then it goes to review."""
    max_letter_bytes: Bytes = 25_000_000
    """Larger files go to review unread. Published letters have 20 to 50 kB, scanned ones a few MB."""
    max_claimed_letters: Count = 2_000
    """How many letters may be claimed and unfinished before the producer leaves the rest in the inbox."""
    min_free_disk_bytes: Bytes = 200_000_000
    """Below this free space on the share the producer stops claiming."""
    max_redis_memory_percent: Annotated[int, Field(gt=0, le=100)] = 90
    """Above this share of Redis' `maxmemory` the producer stops claiming."""

    lease_seconds: Seconds = 30.0
    """How long a worker may hold a letter without a sign of life before another may take it. At least 3.5 times
    `IMR_READ_TIMEOUT_SECONDS`."""
    max_attempts: Annotated[int, Field(ge=2)] = 3
    """After so many attempts without an outcome a letter goes to review as `poison`. At least 2: the first attempt is
    made in company, and may have been ended by another letter."""
    batch_letters: Count = 100
    """Most letters in one hint, a PDF counting as three: what a worker does in a fraction of a second."""
    read_timeout_seconds: Annotated[Seconds, AfterValidator(_within_lease)] = 8.0
    """Time limit for reading the text out of one PDF; the usual one takes 0.02 s."""
    read_memory_bytes: Bytes = 1_000_000_000
    """Memory limit of the process that reads PDFs."""
    rules_file: Path | None = None
    """TOML file with deadline rules that replace the built-in ones; see docs/deadlines.md."""

    keep_acknowledged_days: Annotated[float, Field(gt=0)] = 90.0
    """How long an entry stays in its stream after every consumer group has acknowledged it; what one has not, stays
    without limit. 90 days are three times the longest legal clock that begins with the receipt of a letter (30 days to
    appeal): a reader that lost what it had can read everything again that still matters."""
    trim_seconds: Seconds = 3_600.0
    """How often the producer has a worker trim the streams."""
    unread_warn_days: Annotated[float, Field(gt=0)] = 2.0
    """An entry that a reader has not acknowledged after so long is told by `imr status`, `imr stream check` and the
    log. An overturned decision binds within 5 working days, so two leave time to act. Nothing is deleted."""
    stream_warn_bytes: Bytes = 400_000_000
    """The same for a stream that takes more memory than this (33,000 letters). Nothing is deleted."""
    reconcile_days: Count = 30
    """How far back letters are checked after Redis lost everything, by day of arrival; older ones by
    `imr reconcile --all`. After a mere restart those filed since its last sign of life are."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """How much the services say on standard error."""

    @property
    def state_folder(self) -> Path:
        """Where this machine's own data lies."""
        return self.state_dir if self.state_dir is not None else self.share / STATE

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which the day of receipt is told."""
        return ZoneInfo(self.timezone)


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment and `.env`; `overrides` come from the command line.

    Raises `SettingsError` naming each variable that cannot be used, never its value: values can be secrets.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        problems = [f"IMR_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors(include_input=False)]
        raise SettingsError("; ".join(problems)) from None
