"""Writes src/fetch/dataset-table.json: where ir_datasets and lightning-ir take the public datasets from.

    pip install "transformers<5" lightning-ir==0.0.6 ir-datasets
    python scripts/references/dataset_table.py
"""

import gc
import json
import os
import tempfile
from pathlib import Path

os.environ["IR_DATASETS_HOME"] = tempfile.mkdtemp()  # asking a dataset for its files may change the folder

import ir_datasets  # noqa: E402
import lightning_ir  # noqa: E402, F401  registers its datasets with ir_datasets
from ir_datasets.util import Cache, Download, GzipExtract, Migrator, RequestsDownload, TarExtract, ZipExtract  # noqa: E402
from lightning_ir.data.external_datasets import _register_external_datasets  # noqa: E402

ROOT = Path(__file__).parents[2]
HOME = ir_datasets.util.home_path()
IDS = """
msmarco-passage msmarco-passage/train msmarco-passage/train/judged
msmarco-passage/dev msmarco-passage/dev/small msmarco-passage/dev/judged msmarco-passage/eval/small
msmarco-passage/trec-dl-2019 msmarco-passage/trec-dl-2019/judged
msmarco-passage/trec-dl-2020 msmarco-passage/trec-dl-2020/judged msmarco-passage/trec-dl-hard
msmarco-passage/train/rank-distillm-rankzephyr msmarco-passage/train/rank-distillm-set-encoder
msmarco-passage/train/rank-distillm-monoelectra msmarco-passage/train/rank-distillm-colbert
msmarco-passage-v2 msmarco-passage-v2/trec-dl-2021 msmarco-passage-v2/trec-dl-2021/judged
msmarco-passage-v2/trec-dl-2022 msmarco-passage-v2/trec-dl-2022/judged
""".split()
PARTS = ("docs", "queries", "qrels", "scoreddocs", "docpairs")
CHANGES = {"FixEncoding": "repair", "ExtractQidPid": "ids"}

files: dict[str, dict] = {}


def key_of(path) -> str:
    return str(Path(path).relative_to(HOME))


def download_of(download: Download) -> dict:
    urls = [source for source in download.mirrors if isinstance(source, RequestsDownload)]
    facts = {"urls": [source.url for source in urls], "md5": download.expected_md5}
    if download._size_hint:
        facts["size"] = download._size_hint
    headers = {name: value for source in urls for name, value in (source.headers or {}).items()}
    if headers:
        facts["headers"] = headers
    return facts


def made_of(streamer) -> dict:
    """How the content of a streamer is made."""
    name = type(streamer).__name__
    if isinstance(streamer, Download):
        return download_of(streamer)
    if isinstance(streamer, TarExtract):
        return {"from": file_of(streamer._streamer), "unpack": "tar", "member": streamer._tar_path}
    if isinstance(streamer, ZipExtract):
        return {"from": file_of(streamer.dlc), "unpack": "zip", "member": streamer.zip_path}
    if isinstance(streamer, GzipExtract):
        return {"from": file_of(streamer._streamer), "unpack": "gzip"}
    if name in CHANGES:
        return {**made_of(streamer._streamer), "change": CHANGES[name]}
    raise NotImplementedError(name)


def add(key: str, facts: dict) -> str:
    assert files.setdefault(key, facts) == facts, key
    return key


def file_of(streamer, own_key: str | None = None) -> str:
    """The file of a streamer, by its path in ir_datasets' folder; `own_key` where ir_datasets keeps none."""
    if isinstance(streamer, Cache):
        return add(key_of(streamer._path), made_of(streamer._streamer))
    if isinstance(streamer, Download):
        path = streamer._cache_path
        return add(f"downloads/{streamer.expected_md5}" if path is None else key_of(path), download_of(streamer))
    if isinstance(streamer, list):
        return add(own_key, {"join": [file_of(one) for one in streamer]})
    if isinstance(streamer, GzipExtract):
        return file_of(streamer._streamer)  # readers unpack it on the way
    return add(own_key, made_of(streamer))


def unfiltered(handler):
    """A handler without its filter of topics: the qrels choose them as well."""
    for part in PARTS:
        if f"_{part}_handler" in vars(handler):
            return unfiltered(vars(handler)[f"_{part}_handler"])
    return handler


def part_of(dataset_id: str, part: str, handler) -> str | None:
    handler = unfiltered(handler)
    if type(handler).__name__ == "MsMarcoV2Passages":
        tar = file_of(handler._dlc)
        return add(str(Path(tar).with_suffix(".jsonl")), {"from": tar, "unpack": "tar of gzips"})
    [streamer] = [value for name, value in vars(handler).items() if name in ("_dlc", f"_{part}_dlc")]
    own = {"docs": "corpus.jsonl", "queries": "queries.tsv"}.get(part)
    try:
        return file_of(streamer, own and f"{dataset_id}/{own}")
    except NotImplementedError as error:
        print(f"left out: {dataset_id} {part}: {error}")
        return None


_register_external_datasets()
datasets = {}
ids = IDS + sorted(name for name in ir_datasets.registry._registered if name.startswith("beir/"))
for dataset_id in ids:
    dataset = ir_datasets.registry[dataset_id]
    parts = {}
    for part in PARTS:
        if not getattr(dataset, f"has_{part}")():
            continue
        if (path := part_of(dataset_id, part, getattr(dataset, f"{part}_handler")())) is not None:
            parts[part] = path
    datasets[dataset_id] = parts

for migrator in [one for one in gc.get_objects() if type(one) is Migrator and one._wrapped is not None]:
    affected = sorted(key_of(path) for path in migrator._affected_files)
    for key in affected:
        if key in files:
            # ir_datasets removes the files unless this one says that they are of today's version
            outdates = [other for other in affected if other != key]
            version = {"file": key_of(migrator._version_file), "value": migrator._version, "outdates": outdates}
            files[key]["version"] = version

archives = {}
for key, facts in files.items():
    if "from" in facts:
        how = {name: value for name, value in facts.items() if name not in ("from", "unpack")}
        archive = archives.setdefault(facts["from"], {"unpack": facts["unpack"], "members": {}})
        assert archive["unpack"] == facts["unpack"], key
        archive["members"][key] = how["member"] if list(how) == ["member"] else how


def lines(table: dict) -> str:
    """An entry a line."""
    return "{\n" + ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in table.items()) + "\n}"


def ordered(table: dict) -> dict:
    return dict(sorted(table.items()))


parts = {
    "source": json.dumps(f"ir_datasets {ir_datasets.__version__} and lightning-ir 0.0.6, by scripts/references/dataset_table.py"),
    "downloads": lines(ordered({key: facts for key, facts in files.items() if "urls" in facts})),
    "archives": lines(ordered(archives)),
    "joined": lines(ordered({key: facts["join"] for key, facts in files.items() if "join" in facts})),
    "datasets": lines(datasets),
}
path = ROOT / "src/fetch/dataset-table.json"
path.write_text("{\n" + ",\n".join(f'"{name}": {text}' for name, text in parts.items()) + "\n}\n")
print(f"{len(datasets)} datasets of {len(files)} files")
