"""Every setting, with its unit in its name: environment variables `IMR_*`, also read from `.env`.

Only the composition roots call `load_settings`; everything else gets the values it needs as arguments. The published
table of settings is generated from the docstrings below (`imr check --settings`), and a test compares the two.
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
    """A setting has an unusable value; the message names the variable and its problem."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("unknown time zone; use a name of the tz database, such as America/Los_Angeles") from error
    return name


def _known_url(*schemes: str) -> AfterValidator:
    """A check of a URL. Its error does not repeat the URL, which can contain a password."""

    def check(url: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            usable = parts.scheme in schemes and (parts.port is None or parts.port > 0)
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(f"not a URL that begins with {', '.join(f'{scheme}://' for scheme in schemes)}") from None
        return url

    return AfterValidator(check)


_REDIS = ("redis", "rediss", "unix")


def _within_lease(read_timeout_s: float, info: ValidationInfo) -> float:
    """A PDF that reaches its limit is tried once more in a new process; both must end within two thirds of a lease."""
    if info.data.get("lease_seconds", float("inf")) < 3.5 * read_timeout_s:
        raise ValueError(
            "IMR_LEASE_SECONDS must be at least 3.5 times as long, or a slow PDF takes longer than its lease"
        )
    return read_timeout_s


Watch = Literal["auto", "events", "scan"]
"""Values of `IMR_WATCH`."""
Complete = Literal["quiet", "renamed", "done-file"]
"""Values of `IMR_COMPLETE`."""
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Bytes = Annotated[int, Field(gt=0)]


class Settings(BaseSettings):
    """The values of all settings."""

    model_config = SettingsConfigDict(
        env_prefix="IMR_",
        env_file=".env",
        env_ignore_empty=True,  # `IMR_STATE_DIR=` in a compose file means "not set", not the current folder
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )

    share: Path = Path("share")
    """Folder of the watched share, with `inbox/`, `claimed/`, `archive/` and `review/` on one file system."""
    state_dir: Path | None = None
    """Folder for the embedded server's data and this machine's lock. Default: `.imr/` in the share. Set it to a local
    folder if the share is a network share."""
    redis_url: Annotated[SecretStr, _known_url(*_REDIS)] | None = None
    """Redis or Valkey for results and records (`redis://`, `rediss://`, `unix://`). Default: the embedded server, which
    `imr up` starts and the other commands find."""
    broker_url: Annotated[SecretStr, _known_url(*_REDIS, "amqp", "amqps", "pyamqp")] | None = None
    """Celery's broker. Default: the Redis of `IMR_REDIS_URL`."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:_-]{0,63}$")] = "imr"
    """Prefix of every Redis key; it lets several installations share one Redis."""
    site: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,64}$")] = "default"
    """Name of this installation in the `source` of events (`/imr/<site>`)."""
    timezone: Annotated[str, AfterValidator(_known_zone)] = "America/Los_Angeles"
    """Time zone that decides on which day a letter was received."""
    read_parties: bool = False
    """Whether to read names and claim numbers from cover pages into `parties`. They are personal data."""

    settle_seconds: Seconds = 2.0
    """Time that a file written in place must stay unchanged before it counts as complete. A file that was renamed into
    the inbox is complete at once."""
    watch: Watch = "auto"
    """How new files are noticed: `events` (file events and scans), `scan` (scans only), or `auto` (chosen by the file
    system: network shares send no events for files that other machines write). `imr check` says which and why."""
    complete: Complete = "quiet"
    """When a file counts as complete. `quiet`: it was renamed into the inbox, or has not changed for
    `IMR_SETTLE_SECONDS`. `renamed`: the same with `IMR_RENAMED_QUIET_SECONDS`. `done-file`: `x.pdf.done` lies beside
    `x.pdf`. See docs/intake.md."""
    renamed_quiet_seconds: Seconds = 60.0
    """With `IMR_COMPLETE=renamed`: time that a file must stay unchanged if no rename of it was seen (it was there
    before the start, there was no event for it, or it was written in place)."""
    scan_seconds: Seconds = 5.0
    """Shortest interval between scans, used while scans find files without an event."""
    max_scan_seconds: Seconds = 30.0
    """Longest interval between scans, reached while scans find nothing or take long."""
    reap_seconds: Seconds = 5.0
    """Interval between searches of `claimed/` for letters that no worker has."""
    hint_timeout_seconds: Seconds = 20.0
    """Time after the first hint of a claim until its hint is sent again, if no worker has begun it."""
    retry_max_seconds: Seconds = 60.0
    """Upper bound of the retry back-off (starts at 1 s, doubles) while the share, the disk or Redis fails."""
    incomplete_seconds: Seconds = 60.0
    """Time to wait for the rest of an incomplete letter (it breaks off in mid-sentence, or is a PDF without its end),
    from the first reading of these bytes; it starts again whenever the file changes. Then the letter goes to review."""
    max_letter_bytes: Bytes = 25_000_000
    """Size limit of a letter; larger files go to review unread. Published letters have 20 to 50 kB, scans a few MB."""
    max_claimed_letters: Count = 2_000
    """Most letters claimed and unfinished at a time; the producer leaves the rest in the inbox."""
    min_free_disk_bytes: Bytes = 200_000_000
    """Free space on the share below which the producer stops claiming."""
    max_redis_memory_percent: Annotated[int, Field(gt=0, le=100)] = 90
    """Percentage of Redis' `maxmemory` above which the producer stops claiming."""

    lease_seconds: Seconds = 30.0
    """Time after which another worker may take a letter whose worker shows no sign of life. At least 3.5 times
    `IMR_READ_TIMEOUT_SECONDS`."""
    max_attempts: Annotated[int, Field(ge=2)] = 3
    """Attempts without an outcome after which a letter goes to review as `poison`. At least 2: the first attempt is
    made in a batch, and another letter of the batch may have ended it."""
    batch_letters: Count = 100
    """Most letters in one hint, a PDF counting as three; a worker processes them in a fraction of a second."""
    read_timeout_seconds: Annotated[Seconds, AfterValidator(_within_lease)] = 8.0
    """Time limit for extracting the text of one PDF; a typical PDF takes 0.02 s."""
    read_memory_bytes: Bytes = 1_000_000_000
    """Memory limit of the reading process for PDFs."""
    rules_file: Path | None = None
    """TOML file with deadline rules to use in place of the built-in ones; see docs/deadlines.md."""

    keep_acknowledged_days: Annotated[float, Field(gt=0)] = 90.0
    """Age at which an entry that every consumer group has acknowledged is deleted from its stream; an entry that any
    group has not acknowledged stays without limit. 90 days are three times the longest legal period that begins with
    the receipt of a letter (30 days to appeal): a reader that lost its data can read everything again that still
    matters."""
    trim_seconds: Seconds = 3_600.0
    """Interval between trimmings of the streams."""
    unread_warn_days: Annotated[float, Field(gt=0)] = 2.0
    """Age at which an unacknowledged entry is reported by `imr status`, `imr stream check` and the log. An overturned
    decision binds within 5 working days, so 2 days leave time to act. Nothing is deleted."""
    stream_warn_bytes: Bytes = 400_000_000
    """Memory use above which a stream is reported in the same places (33,000 letters). Nothing is deleted."""
    reconcile_days: Count = 30
    """How many days back, by day of arrival, letters are checked after Redis lost everything; `imr reconcile --all`
    checks older ones. After a restart, the letters filed since the last server heartbeat are checked."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level of the log lines that the services write to standard error."""

    @property
    def state_folder(self) -> Path:
        """The folder of this machine's own data."""
        return self.state_dir if self.state_dir is not None else self.share / STATE

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that decides on which day a letter was received."""
        return ZoneInfo(self.timezone)


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment and `.env`; `overrides` come from the command line.

    Raises `SettingsError` that names each variable with an unusable value, but not the value: it can be a secret.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        problems = [
            f"IMR_{str(details['loc'][0]).upper()}: {details['msg']}" for details in error.errors(include_input=False)
        ]
        raise SettingsError("; ".join(problems)) from None
