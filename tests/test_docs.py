"""What the documents say holds: commands run, names exist, links lead somewhere."""

import ast
import importlib.util
import json
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

import songloom
from benchmarks.results import read_results
from songloom.checkpoints.adapter import write_adapter
from songloom.checkpoints.listing import list_models
from songloom.cli import main
from songloom.cli.options import format_default
from songloom.dataset.label_table import read_table
from songloom.dataset.manifest import SONGS, write_dataset, write_info
from songloom.dataset.prepare import Prepared
from songloom.dataset.token_store import TOKENS
from songloom.fields import FieldSpec, fields_of
from songloom.models.lm import LM, LMConfig
from songloom.models.lora import LoraConfig, add_lora, lora_state
from songloom.request import GenerationRequest
from songloom.training.optimizers import default_learning_rate
from songloom.training.plan import _TARGETS
from songloom.training_request import PrepareRequest, TrainingRequest
from tests.sines import SineEngine
from tests.test_request import HOSTED_TRAINING_FIELDS
from tests.works import Works, a_dataset

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(document: Path, language: str) -> list[str]:
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def refresh() -> ModuleType:
    spec = importlib.util.spec_from_file_location("refresh", ROOT / "docs" / "refresh.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_quotations_of_the_program_are_current() -> None:
    module = refresh()
    for document in module.DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        assert module.refreshed(text) == text, f"run python docs/refresh.py ({name_of(document)})"
        assert any(kind.search(text) for kind in (module.HELP, module.TABLE, module.FIGURES))


def test_tables_of_figures_come_from_files_of_results() -> None:
    module = refresh()
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    outside = re.sub(r"<!-- figures\n.*?<!-- /figures -->", "", text, flags=re.DOTALL)
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert rows == [], "write them as a template, see docs/refresh.py"
    readme = module.FIGURES.finditer((ROOT / "README.md").read_text(encoding="utf-8"))
    assert any("nano:tempo" in figures["template"] for figures in readme)


def test_figures_are_those_of_the_files() -> None:
    module = refresh()
    nano = json.loads(module.NANO.read_text(encoding="utf-8"))["values"]
    assert module.with_figures("{nano:tempo|.3f}") == f"{nano['tempo']:.3f}"
    assert module.with_figures("{nano:tempo|.0%}") == f"{100 * nano['tempo']:.0f} %"
    assert module.refreshed("<!-- figures\n{nano:clips}!\n-->\nold\n<!-- /figures -->") == (
        f"<!-- figures\n{{nano:clips}}!\n-->\n{nano['clips']}!\n<!-- /figures -->"
    )
    with pytest.raises(KeyError, match=r"results\.json has no value 'temp'; it has clips, tempo"):
        module.with_figures("{nano:temp}")


def test_files_of_results_say_where_they_are_from_and_are_used() -> None:
    module = refresh()
    documents = "".join(path.read_text(encoding="utf-8") for path in module.DOCUMENTS)
    named = {match["file"] for match in module.FIGURE.finditer(documents)}
    files = {path.stem for path in (ROOT / "benchmarks" / "results").glob("*.json")}
    assert named == files | {"nano"}
    for name in named:
        results = read_results(module.results_path(name))
        assert results.values
        assert all((results.command, results.date, results.commit, results.machine))


def commands(document: Path) -> list[list[str]]:
    """The `songloom` commands of a document's shell blocks, up to a pipe."""
    whole = (block.replace("\\\n", " ") for block in blocks(document, "sh"))
    lines = [line for block in whole for line in block.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines]
    return [
        line[1 : line.index("|") if "|" in line else None]
        for line in words
        if line and line[0] == "songloom"
    ]


def test_commands_are_found() -> None:
    assert len(commands(ROOT / "README.md")) >= 4
    assert len(commands(ROOT / "docs" / "cli.md")) >= 5
    assert len(commands(ROOT / "docs" / "training.md")) >= 4


def stand_in_for_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands be taken for what they are, without doing what they ask."""
    monkeypatch.setitem(vars(songloom), "load", SineEngine().load)
    monkeypatch.setitem(vars(songloom), "export", lambda name, folder, **options: folder)
    monkeypatch.setitem(vars(songloom), "merge", lambda name, folder: folder)
    monkeypatch.setitem(vars(songloom), "remove_model", lambda name, **options: Path(name))
    monkeypatch.setitem(vars(songloom), "prepare", Works().prepare)
    monkeypatch.setitem(vars(songloom), "train", Works().train)
    monkeypatch.setitem(vars(songloom), "serve", lambda settings: None)
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # which training would set for what follows


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_are_accepted(
    document: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    stand_in_for_the_work(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path / "home"))
    for command in commands(document):
        for option in ("--input-audio", "--melody-audio", "--weights"):
            if option in command:
                Path(command[command.index(option) + 1]).touch()
        with pytest.raises(SystemExit) as stopped:
            main(command)
        assert stopped.value.code in (0, None), (command, capfdbinary.readouterr().err)


def test_samples_of_json_have_the_program_s_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in_for_the_work(monkeypatch)
    monkeypatch.chdir(tmp_path)
    commands = (
        ["generate", "piano", "--duration", "0.5"],
        ["train", "songs"],
        ["prepare", "songs", "-o", "data"],
    )
    samples = blocks(ROOT / "docs" / "cli.md", "json")
    for command, sample in zip(commands, samples, strict=True):
        with pytest.raises(SystemExit):
            main([*command, "--json"])
        assert list(json.loads(sample)) == list(json.loads(capsys.readouterr().out))


def python_blocks(document: Path) -> list[ast.Module]:
    return [ast.parse(block) for block in blocks(document, "python")]


KINDS = {
    "model": songloom.Model,
    "track": songloom.Track,
    "trained": songloom.FineTuned,
    "prepared": Prepared,
}
"""What names of variables in examples stand for."""


def attributes(kind: type) -> set[str]:
    return {*dir(kind), *getattr(kind, "__annotations__", ())}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_python_examples_name_what_exists(document: Path) -> None:
    requests = (GenerationRequest, PrepareRequest, TrainingRequest)
    fields = {kind.__name__: {spec.name for spec in fields_of(kind)} for kind in requests}
    for tree in python_blocks(document):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                owner = node.value.id
                if owner == "songloom":
                    assert node.attr in {*songloom.__all__, "errors"}
                elif owner in KINDS:
                    assert node.attr in attributes(KINDS[owner]), (owner, node.attr)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("songloom"):
                module = importlib.import_module(node.module or "")
                assert all(hasattr(module, alias.name) for alias in node.names)
            if isinstance(node, ast.Call):
                made = ast.unparse(node.func).rpartition(".")[2]
                given = {word.arg for word in node.keywords}
                assert made not in fields or given <= fields[made], made


def test_python_examples_are_found() -> None:
    assert len(python_blocks(ROOT / "docs" / "python.md")) >= 8
    assert python_blocks(ROOT / "README.md")


def test_every_training_option_is_in_one_table() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    tables = re.findall(r"<!-- options TrainingRequest: ([\w ]+) -->", text)
    named = [name for table in tables for name in table.split()]
    further = {spec.name for spec in fields_of(TrainingRequest)} - {
        spec.name for spec in fields_of(PrepareRequest)
    }
    assert sorted(named) == sorted(further)


def rows_after(document: Path, header: str) -> dict[str, list[str]]:
    """The rows of the table with that header, by the first cell without its code marks."""
    _, _, rest = document.read_text(encoding="utf-8").partition(f"{header}\n")
    assert rest, f"{name_of(document)} has no table {header}"
    rows = {}
    for line in rest.splitlines()[1:]:
        if not line.startswith("|"):
            break
        first, *others = (cell.strip() for cell in line.strip("|").split("|"))
        rows[first.strip("`")] = others
    return rows


TRAINING = ROOT / "docs" / "training.md"


def in_words(spec: FieldSpec | None, default: object) -> str:
    if spec is not None and spec.required:
        return "required"
    if default is None:
        return "none"
    text = format_default(default)
    return text if isinstance(default, bool) else f"`{text}`"


def test_the_hosted_original_s_inputs_are_compared_with_ours() -> None:
    rows = rows_after(TRAINING, "| input | its default | ours | why it differs |")
    assert list(rows) == [name for name, _ in HOSTED_TRAINING_FIELDS]
    specs = {spec.name: spec for spec in fields_of(TrainingRequest)}
    for name, theirs in HOSTED_TRAINING_FIELDS:
        said_theirs, ours, why = rows[name]
        assert said_theirs == in_words(None if name != "dataset_path" else specs[name], theirs)
        assert ours == in_words(specs[name], specs[name].default)
        assert ours == said_theirs or why, f"{name}: say why it differs"


def test_default_learning_rates_are_told() -> None:
    header = "| `--optimizer` | what it is | `--lr` for an adapter | `--lr` with `--full` |"
    rows = rows_after(TRAINING, header)
    [optimizer] = [spec for spec in fields_of(TrainingRequest) if spec.name == "optimizer"]
    assert tuple(rows) == optimizer.choices
    for name, (_, adapter, full) in rows.items():
        assert float(adapter) == default_learning_rate(name, full=False)  # type: ignore[arg-type]
        assert float(full) == default_learning_rate(name, full=True)  # type: ignore[arg-type]


def test_every_scheduler_is_told() -> None:
    [spec] = [spec for spec in fields_of(TrainingRequest) if spec.name == "lr_scheduler"]
    rows = rows_after(TRAINING, "| `--lr-scheduler` | changes |")
    assert sorted(rows) == sorted(spec.choices)


def adapted_layers(targets: str, *, melody: bool, folder: Path) -> set[str]:
    """The ends of the names that PEFT is given for an adapter of a small model."""
    config = LMConfig(
        num_codebooks=4,
        codebook_size=8,
        hidden_size=16,
        num_layers=1,
        num_heads=2,
        ffn_size=32,
        delays=(0, 1, 2, 3),
        text_size=8,
        cross_attention=not melody,
        chroma_bins=12 if melody else 0,
        chroma_frames=5 if melody else 0,
    )
    lm = LM(config)
    lora = LoraConfig(rank=1, alpha=1, targets=_TARGETS[targets])
    add_lora(lm, lora)
    write_adapter(folder, lora_state(lm), lora, config, "nano")
    names = json.loads((folder / "adapter_config.json").read_text())["target_modules"]
    ends = (re.sub(r"^decoder\.|model\.decoder\.|layers\.\d+\.", "", name) for name in names)
    return {re.sub(r"lm_heads\.\d+", "lm_heads.*", end) for end in ends}


@pytest.mark.parametrize("melody", [False, True])
def test_the_layers_of_an_adapter_are_told(melody: bool, tmp_path: Path) -> None:
    rows = rows_after(TRAINING, "| `--lora-targets` | layers, by their names in transformers |")
    assert list(rows) == list(_TARGETS)
    told: set[str] = set()
    for targets, (cell,) in rows.items():
        told |= set(re.findall(r"`([^`]+)`", cell))
        of_others = {name for name in told if name.startswith("encoder_attn") and melody}
        of_others |= {"audio_enc_to_dec_proj"} if not melody else set()
        folder = tmp_path / targets
        assert adapted_layers(targets, melody=melody, folder=folder) == told - of_others


def test_what_may_change_when_a_training_goes_on_is_told() -> None:
    text = TRAINING.read_text(encoding="utf-8")
    [said] = re.findall(
        r"These may be others when a training goes on: (.*?)\. All", text, re.DOTALL
    )
    prepare = {spec.name for spec in fields_of(PrepareRequest)}
    specs = fields_of(TrainingRequest)
    free = {spec.name for spec in specs if not spec.option.affects_result} - prepare - {"name"}
    assert set(re.findall(r"`--([\w-]+)`", said)) == {name.replace("_", "-") for name in free}


def test_the_fields_of_a_song_are_told(tmp_path: Path) -> None:
    rows = rows_after(TRAINING, "| field of `songs.jsonl` | meaning |")
    told = {name.strip("` ") for cell in rows for name in cell.split(",")}
    write_info(tmp_path, a_dataset(tmp_path).info)
    (tmp_path / TOKENS).mkdir()
    write_dataset(a_dataset(tmp_path), a_dataset(tmp_path).songs)
    line = (tmp_path / SONGS).read_text(encoding="utf-8").splitlines()[0]
    assert told == set(json.loads(line))


def test_messages_that_are_quoted_are_the_program_s() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "src" / "songloom").rglob("*.py")
    )
    joined = re.sub(r'"\s*\n\s*f?"', "", source)  # literals that go on in the next line
    rows = rows_after(TRAINING, "| what happens | what to do |")
    messages = [text for happening in rows for text in re.findall(r'"([^"]+)"', happening)]
    assert len(messages) >= 6
    for message in messages:
        for part in message.split("..."):
            assert part.strip(" ,") in joined, message


def test_the_sample_of_a_label_table_can_be_read(tmp_path: Path) -> None:
    [sample] = blocks(TRAINING, "csv")
    path = tmp_path / "labels.csv"
    path.write_text(sample, encoding="utf-8")
    written = read_table(path, ["waltz.mp3"])["waltz.mp3"]
    assert written.caption == "Clockwork waltz, celesta and plucked strings"
    assert (written.labels.key, written.labels.mood) == ("A minor", ("playful", "mysterious"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)", text):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def anchors(document: Path) -> set[str]:
    """The places within a document that a link can lead to."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}


def test_every_model_and_its_licence_are_in_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONGLOOM_HOME", str(tmp_path))  # none of the models that tests trained
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    for model in list_models():
        [row] = [row for row in rows if re.search(rf"`{model.name}`", row.split("|")[1])]
        _, _, _, channels, melody, licence, _ = (cell.strip() for cell in row.split("|"))
        assert channels == ("stereo" if model.channels == 2 else "mono")
        assert melody == ("yes" if model.melody else "no")
        assert licence == model.licence


def test_the_size_of_nano_is_the_one_that_is_told() -> None:
    [nano] = [listing for listing in list_models() if listing.name == "nano"]
    assert nano.size_bytes is not None
    millions = f"{float(nano.parameters.rstrip('M')):.0f} M"
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert f"`nano` is included: {millions} weights, {nano.size_bytes / 1e6:.0f} MB" in text
    readme = rows_after(
        ROOT / "README.md",
        "| Model | Size | Channels | Follows melodies | Licence of the weights |",
    )
    assert readme["nano` (included)"][0] == millions


def test_make_targets_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        named = set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE))
        assert named <= targets


def test_the_lock_holds_every_dependency() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    locked = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    names = {re.split(r"[^\w.-]", item)[0].lower().replace("_", "-") for item in wanted}
    assert names <= locked


@pytest.mark.parametrize(
    "program",
    sorted(
        p.relative_to(ROOT) for name in ("docs", "examples") for p in (ROOT / name).glob("*.py")
    ),
    ids=str,
)
def test_programs_import_what_is_there(program: Path) -> None:
    """Inside functions too, where nothing but running them would find it."""
    for node in ast.walk(ast.parse((ROOT / program).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("songloom."):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names), node.module
