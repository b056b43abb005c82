"""The model card: the README.md of a trained model, as model hubs read it.

A card is published with its model, so it names no song, and of a path no more than its end.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath

import yaml

from songloom.checkpoints.catalogue import NANO, known_model
from songloom.training.finding_words import describe_loss, describe_sounds
from songloom.training.memorization import MemorizationCheck, merge_longest
from songloom.training.summary import (
    Setting,
    TrainingSummary,
    codebook_name,
    duration_text,
    label_counts,
    license_text,
)
from songloom.version import __version__

PRIVATE_SETTINGS = frozenset({"dataset_path", "labels", "one_same_description"})
"""Settings that tell of the songs, or of where they lie, more than a card should."""
MOST_LABELS = 5
SECONDS_OF_EXAMPLE = 8
_DATA_HEADING = "## What it was trained on"
_HUB_LICENSES = {
    "apache-2.0": "apache-2.0",
    "cc-by-nc 4.0": "cc-by-nc-4.0",
    "cc-by-nc-4.0": "cc-by-nc-4.0",
    "mit": "mit",
}
"""Hubs' identifiers of licences, by its name in lower case."""
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~&$])")
_FOLDER_UNSAFE = re.compile(r"[^\w.-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")


def model_card(summary: TrainingSummary, memorisation: MemorizationCheck | None = None) -> str:
    """Give the card: a YAML head, then Markdown."""
    head = yaml.safe_dump(_metadata(summary), sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{head}---",
        f"# {_escape(summary.name)}",
        _introduction(summary),
        "## How to use it",
        _usage(summary),
        _DATA_HEADING,
        _data(summary),
        "## How it was measured",
        *describe_sounds(summary),
        _measurements(summary),
        _copies(memorisation),
        "## Limits",
        _limits(summary),
        "## Licence",
        f"The base model is {_escape(base_name(summary.base))}. "
        f"{_escape(license_text(summary.licence))}",
        "## Training settings",
        _table(("setting", "value"), _public_settings(summary.settings)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def base_name(base: str) -> str:
    """The public name of a base: its name or hub id; of a path the end."""
    known = known_model(base)
    if known is not None:
        return known.name if known.name == NANO else known.source
    return _strip_folders(base)


def _hub_id(base: str) -> str | None:
    """The base's address on the model hub; None where it isn't there, for all one can tell."""
    known = known_model(base)
    if known is not None:
        return None if known.name == NANO else known.source
    looks_like_one = re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", base, re.ASCII)
    return base if looks_like_one and not Path(base).exists() else None


def _license_metadata(licence: str) -> dict[str, object]:
    known = _HUB_LICENSES.get(licence.lower())
    return {"license": known} if known else {"license": "other", "license_name": licence}


def _metadata(summary: TrainingSummary) -> dict[str, object]:
    metadata = _license_metadata(summary.licence)
    if base := _hub_id(summary.base):
        metadata["base_model"] = base
        metadata["base_model_relation"] = "adapter" if summary.method == "lora" else "finetune"
    metadata["library_name"] = "peft" if summary.method == "lora" else "transformers"
    metadata["pipeline_tag"] = "text-to-audio"
    metadata["tags"] = ["songloom", "musicgen", "music", *(["lora"] * (summary.method == "lora"))]
    return metadata


def _introduction(summary: TrainingSummary) -> str:
    base = _escape(base_name(summary.base))
    kind = "A LoRA adapter for" if summary.method == "lora" else "All weights of"
    after = "" if summary.method == "lora" else ", trained further"
    melody = " and, if you like, a melody" if summary.melody else ""
    channels = "stereo" if summary.channels == 2 else "mono"
    return (
        f"{kind} the MusicGen model {base}{after}: text{melody} to {channels} music, trained "
        f"on {_count(_trained_songs(summary), 'song')}. Made by songloom {__version__}."
    )


def _usage(summary: TrainingSummary) -> str:
    base = "" if summary.method == "full" else summary.base
    text = usage_text(
        base,
        name=summary.name,
        melody=summary.melody,
        frame_rate=summary.frame_rate,
        longest_delay=summary.longest_delay,
    )
    return text + _decoder_note(summary)


def _decoder_note(summary: TrainingSummary) -> str:
    ceiling = summary.findings.ceiling
    if summary.method == "full" or ceiling is None or ceiling.before is None:
        return ""
    return (
        "\n\nThe codec's decoder was tuned on the songs, too (`codec_decoder.safetensors`). PEFT "
        "and transformers do not know that file, and sound by the base's decoder; "
        "`songloom merge . DIR` writes a whole model with both."
    )


def usage_text(base: str, *, name: str, melody: bool, frame_rate: float, longest_delay: int) -> str:
    """Give commands and code that make music with a model, run in its folder.

    Args:
        base: of an adapter, the model that it was trained on; empty for a whole model.
        name: what the model is called.
        melody: whether it can follow a melody.
        frame_rate: token frames per second.
        longest_delay: steps by which the last codebook lags.
    """
    family = "MusicgenMelody" if melody else "Musicgen"
    imports = [f"from transformers import AutoTokenizer, {family}ForConditionalGeneration"]
    merging, library, source = "", "transformers", '"."'
    lines = [f"model = {family}ForConditionalGeneration.from_pretrained({source})"]
    if base_name(base) == NANO or _hub_id(base):
        library = "transformers and PEFT"
        imports.insert(0, "from peft import PeftModel")
        source = json.dumps(_hub_id(base), ensure_ascii=False)
        if base_name(base) == NANO:
            imports.insert(0, "from importlib.resources import files")
            source = 'files("songloom") / "assets/nano"'
        lines = [
            f"base = {family}ForConditionalGeneration.from_pretrained({source})",
            'model = PeftModel.from_pretrained(base, ".")',
        ]
    elif base:  # which lies on one machine only, and may be an adapter itself
        folder = f"../{_FOLDER_UNSAFE.sub('-', name)}-whole"
        source = json.dumps(folder, ensure_ascii=False)
        lines = [f"model = {family}ForConditionalGeneration.from_pretrained({source})"]
        merging = (
            f"on the machine that has its base, {_escape(base_name(base))}. What runs anywhere is "
            "a whole model, with the base in it:\n\n"
            f"```sh\nsongloom merge . {shlex.quote(folder)}\n```\n\n"
        )
    # A frame is complete once the last codebook has caught up.
    tokens = round(SECONDS_OF_EXAMPLE * frame_rate) + longest_delay
    lines += [
        f"tokenizer = AutoTokenizer.from_pretrained({source})",
        'inputs = tokenizer(["a prompt"], return_tensors="pt")',
        f"audio = model.generate(**inputs, max_new_tokens={tokens})  # eight seconds",
    ]
    return (
        "In this model's folder, with songloom:\n\n"
        f"```sh\nsongloom generate {shlex.quote('a prompt')} --model .\n```\n\n"
        f"{merging}with {library}:\n\n"
        "```python\n" + "\n".join([*imports, "", *lines]) + "\n```"
    )


def whole_card(
    card: str, name: str, usage: str, *, base: str, licence: str, parts: Sequence[str]
) -> str:
    """Give the card of a model that was made whole: what its adapter's card says, used otherwise.

    Args:
        card: the adapter's.
        name: what the model is called.
        usage: see `usage_text`.
        base: what the result is an adapter of; empty for a whole model.
        licence: of the weights.
        parts: what was joined to it, so that it needs nothing else.
    """
    metadata = _license_metadata(licence)
    if hub := _hub_id(base):
        metadata |= {"base_model": hub, "base_model_relation": "adapter"}
    metadata["library_name"] = "peft" if base else "transformers"
    metadata["pipeline_tag"] = "text-to-audio"
    metadata["tags"] = ["songloom", "musicgen", "music", *(["lora"] if base else [])]
    head = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    what = f"A LoRA adapter for the MusicGen model {_escape(base_name(base))}" if base else ""
    joined = ", ".join(_escape(base_name(part)) for part in parts)
    _, heading, rest = card.partition(f"\n{_DATA_HEADING}\n")
    return (
        "\n\n".join(
            [
                f"---\n{head}---",
                f"# {_escape(name)}",
                f"{what or 'A whole model'}, made of an adapter and of what it was trained "
                f"on ({joined}). Made by songloom {__version__}.",
                "## How to use it",
                usage,
                f"{heading}{rest}".strip() or f"## Licence\n\n{_escape(license_text(licence))}",
            ]
        )
        + "\n"
    )


def _data(summary: TrainingSummary) -> str:
    held_out = summary.held_out
    text = (
        f"{_count(len(summary.songs), 'song')}, {duration_text(summary.song_seconds)} in all; "
        f"{held_out} of them {'was' if held_out == 1 else 'were'} held out, to measure with."
    )
    rows = {
        name: ", ".join(f"{value} ({count})" for value, count in list(counts.items())[:MOST_LABELS])
        for name, counts in label_counts(summary.songs).items()
    }
    return f"{text}\n\n{_table(('label', 'most frequent (songs)'), rows)}" if rows else text


def _measurements(summary: TrainingSummary) -> str:
    trained = f"{_count(summary.steps, 'update')} in {duration_text(summary.seconds)}."
    before, after = summary.before, summary.after
    if before is None or after is None:
        return f"{trained} No songs were held out, so no loss was measured."
    codebooks = range(len(before.per_codebook))
    losses = [
        ("all", before.loss, after.loss),
        *(
            (codebook_name(k, summary.channels), before.per_codebook[k], after.per_codebook[k])
            for k in codebooks
        ),
    ]
    rows = [(name, f"{old:.3f}", f"{new:.3f}") for name, old, new in losses]
    header = ("tokens", "base model", f"after {after.step:,} updates")
    return (
        f"{trained} {describe_loss(summary)} By codebook (lower is better):\n\n"
        f"{_rows(header, rows)}"
    )


def _copies(check: MemorizationCheck | None) -> str:
    if check is None or not check.after:
        return ""
    found = {
        "this model": check.after, "the base model": check.before, "held-out songs": check.held_out
    }  # fmt: skip
    rows = [
        (
            name,
            f"{check.seconds(merge_longest(clips).exact):.2f} s",
            f"{check.seconds(merge_longest(clips).coarse):.2f} s",
        )
        for name, clips in found.items()
        if clips
    ]
    return (
        f"Longest stretch of {_count(len(check.after), 'generated clip')} that stands in the "
        "training songs, token for token:\n\n"
        + _rows(("in", "all codebooks", "first codebook"), rows)
    )


def _limits(summary: TrainingSummary) -> str:
    return (
        f"It was trained on {_count(_trained_songs(summary), 'song')}; everything else, limits and "
        "biases included, it has from the base. It may repeat stretches of songs it trained on: "
        "compare before you publish."
    )


def _trained_songs(summary: TrainingSummary) -> int:
    return len(summary.songs) - summary.held_out


def _public_settings(settings: Mapping[str, Setting]) -> dict[str, str]:
    return {
        name: _public_value(value)
        for name, value in settings.items()
        if name not in PRIVATE_SETTINGS and value is not None
    }


def _public_value(value: Setting) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return _strip_folders(value) if isinstance(value, str) else str(value)


def _strip_folders(text: str) -> str:
    """The last part of what may be a path; hub ids, and text without slashes, as they are."""
    return text if _hub_id(text) else PureWindowsPath(text).name or text.strip("/\\")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _table(header: tuple[str, str], rows: Mapping[str, str]) -> str:
    return _rows(header, list(rows.items()))


def _rows(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *(tuple(map(_escape, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escape(text: str) -> str:
    """Text as Markdown that shows it as it is, on one line."""
    return _MARKUP.sub(r"\\\1", _CONTROL.sub(" ", text)).strip()
