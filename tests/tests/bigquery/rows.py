"""For each format: a table loaded from files has the rows that DuckDB reads from them."""

import datetime
import decimal
import gzip
import json
import math

import duckdb
import fastavro
import google.auth
from google.cloud import bigquery, storage
from google.cloud.bigquery import LoadJobConfig, SchemaField, SourceFormat

client = bigquery.Client(location="EU")
# With an emulator this client shows no credentials by itself, and the embedded GCS wants some.
credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/devstorage.read_write"])
bucket = storage.Client(credentials=credentials).bucket("landing")
duck = duckdb.connect()
duck.execute("SET TimeZone = 'UTC'")

# Values at the edges of their types, by a fixed rule.
duck.execute("""
CREATE TABLE source AS SELECT
  CASE n % 5 WHEN 0 THEN -9223372036854775807 - 1 WHEN 1 THEN 9223372036854775807 ELSE n * 1234567 END::BIGINT AS i,
  CASE n % 4 WHEN 0 THEN n / 3.0 WHEN 1 THEN 1e300 * n WHEN 2 THEN -1e-300 END::DOUBLE AS f,
  (n % 3 = 0) AS b,
  CASE n % 6 WHEN 0 THEN NULL WHEN 1 THEN 'a "quoted", text' WHEN 2 THEN 'ü 日本' ELSE 'row ' || n END AS s,
  (n * 1.000000001)::DECIMAL(38, 9) AS num,
  DATE '1969-12-20' + n::INTEGER AS d,
  TIME '00:00:00' + to_microseconds(n * 86399999) AS t,
  TIMESTAMP '2026-11-27 00:00:00' + to_microseconds(n * 1000001) AS dt,
  TIMESTAMPTZ '1969-12-31 23:59:00+00' + to_microseconds(n * 1000003) AS ts
FROM range(1000) r(n)
""")
COLUMNS = {
    "i": "INTEGER", "f": "FLOAT", "b": "BOOLEAN", "s": "STRING", "num": "NUMERIC",
    "d": "DATE", "t": "TIME", "dt": "DATETIME", "ts": "TIMESTAMP",
}
SCHEMA = [SchemaField(name, kind) for name, kind in COLUMNS.items()]
DUCK = {"i": "BIGINT", "f": "DOUBLE", "b": "BOOLEAN", "s": "VARCHAR", "num": "DECIMAL(38,9)", "d": "DATE", "t": "TIME", "dt": "TIMESTAMP", "ts": "TIMESTAMPTZ"}


def plain(value):
    """A value as both sides give it."""
    if isinstance(value, decimal.Decimal):
        return str(value.normalize() + 0)
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value
    if isinstance(value, datetime.datetime) and value.tzinfo:
        return value.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def ordered(rows):
    return sorted((json.dumps(plain(row), ensure_ascii=False) for row in rows))


def judge(name, files, table, query, **options):
    """Loads `files` into a new table, and compares its rows with those of `query`."""
    for file in files:
        bucket.blob(file).upload_from_filename(file)
    config = LoadJobConfig(**options)
    uris = [f"gs://landing/{file}" for file in files]
    job = client.load_table_from_uri(uris, f"sales.{table}", job_config=config)
    job.result()
    loaded = [row.values() for row in client.list_rows(f"sales.{table}")]
    wanted = duck.execute(query).fetchall()
    assert len(wanted) > 0 and job.output_rows == len(wanted), (name, job.output_rows, len(wanted))
    for ours, theirs in zip(ordered(loaded), ordered(wanted)):
        assert ours == theirs, f"{name}: loaded\n{ours}\nDuckDB reads\n{theirs}"
    print(f"{name}: {len(wanted)} rows are equal")


def text(select="SELECT * FROM source"):
    """Rows as JSON has them."""
    names = list(COLUMNS)
    for row in duck.execute(select).fetchall():
        values = {}
        for name, value in zip(names, row):
            if isinstance(value, decimal.Decimal):
                value = str(value)
            elif isinstance(value, datetime.datetime) and value.tzinfo:
                value = value.astimezone(datetime.timezone.utc).isoformat()
            elif isinstance(value, (datetime.date, datetime.time)):
                value = value.isoformat()
            values[name] = value
        yield json.dumps(values, ensure_ascii=False)


lines = list(text())
with open("rows.ndjson", "w") as file:
    file.write("\n".join(lines[:500]) + "\n")
with gzip.open("more.ndjson.gz", "wt") as file:
    file.write("\n".join(lines[500:]))
kinds = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in DUCK.items()) + "}"
judge(
    "NDJSON", ["rows.ndjson", "more.ndjson.gz"], "ndjson",
    f"SELECT * FROM read_json(['rows.ndjson', 'more.ndjson.gz'], format='newline_delimited', columns={kinds})",
    source_format=SourceFormat.NEWLINE_DELIMITED_JSON, schema=SCHEMA,
)

for name, options, loading in [
    ("CSV", "HEADER, DELIMITER ','", {"field_delimiter": ","}),
    ("CSV with tabs", "HEADER, DELIMITER '\t'", {"field_delimiter": "\t"}),
    ("CSV with a marker", "HEADER, NULLSTR 'NA'", {"null_marker": "NA"}),
]:
    duck.execute(f"COPY source TO 'rows.csv' (FORMAT csv, {options})")
    null = "NA" if "NA" in options else ""
    separator = loading.get("field_delimiter", ",")
    judge(
        name, ["rows.csv"], "csv_" + str(abs(hash(name))),
        f"SELECT * FROM read_csv('rows.csv', header=true, delim='{separator}', nullstr='{null}', columns={kinds})",
        source_format=SourceFormat.CSV, schema=SCHEMA, skip_leading_rows=1, **loading,
    )

for codec in ("uncompressed", "snappy", "gzip", "lz4_raw"):
    duck.execute(f"COPY source TO '{codec}.parquet' (FORMAT parquet, CODEC '{codec}', ROW_GROUP_SIZE 400)")
    judge(
        f"Parquet, {codec}", [f"{codec}.parquet"], f"parquet_{codec}",
        f"SELECT * FROM read_parquet('{codec}.parquet')", source_format=SourceFormat.PARQUET,
    )

# Nested and repeated, in the two formats that have them from DuckDB.
duck.execute("""
CREATE TABLE nested AS SELECT n::BIGINT AS id,
  CASE WHEN n % 4 = 0 THEN NULL ELSE {'name': 'n' || n, 'size': (n * 2)::BIGINT} END AS item,
  [x::BIGINT for x in range(n % 4)] AS sizes,
  [{'k': 'k' || x, 'v': x / 2.0} for x in range(n % 3)] AS pairs
FROM range(200) r(n)
""")
duck.execute("COPY nested TO 'nested.parquet' (FORMAT parquet)")
options = bigquery.ParquetOptions()
options.enable_list_inference = True
config = {"source_format": SourceFormat.PARQUET, "parquet_options": options}
judge("nested Parquet", ["nested.parquet"], "nested_parquet", "SELECT * FROM read_parquet('nested.parquet')", **config)
duck.execute("COPY nested TO 'nested.ndjson' (FORMAT json)")
nested_schema = [
    SchemaField("id", "INTEGER"),
    SchemaField("item", "RECORD", fields=[SchemaField("name", "STRING"), SchemaField("size", "INTEGER")]),
    SchemaField("sizes", "INTEGER", "REPEATED"),
    SchemaField("pairs", "RECORD", "REPEATED", fields=[SchemaField("k", "STRING"), SchemaField("v", "FLOAT")]),
]
judge(
    "nested NDJSON", ["nested.ndjson"], "nested_ndjson",
    "SELECT id, item, sizes, pairs FROM read_json('nested.ndjson', format='newline_delimited', columns={'id': 'BIGINT', 'item': 'STRUCT(name VARCHAR, size BIGINT)', 'sizes': 'BIGINT[]', 'pairs': 'STRUCT(k VARCHAR, v DOUBLE)[]'})",
    source_format=SourceFormat.NEWLINE_DELIMITED_JSON, schema=nested_schema,
)
judge(
    "detected NDJSON", ["nested.ndjson"], "detected",
    "SELECT id, item, pairs, sizes FROM nested",
    source_format=SourceFormat.NEWLINE_DELIMITED_JSON, autodetect=True,
)

# DuckDB reads Avro only with an extension from elsewhere; it judges the rows that were written.
avro = {
    "type": "record", "name": "row",
    "fields": [
        {"name": "i", "type": "long"},
        {"name": "f", "type": ["null", "double"]},
        {"name": "b", "type": "boolean"},
        {"name": "s", "type": ["null", "string"]},
        {"name": "num", "type": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9}},
        {"name": "d", "type": {"type": "int", "logicalType": "date"}},
        {"name": "t", "type": {"type": "long", "logicalType": "time-micros"}},
        {"name": "dt", "type": {"type": "long", "logicalType": "local-timestamp-micros"}},
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ],
}
records = [dict(zip(COLUMNS, row)) for row in duck.execute("SELECT * FROM source").fetchall()]
for codec in ("null", "deflate"):
    with open(f"{codec}.avro", "wb") as file:
        fastavro.writer(file, fastavro.parse_schema(avro), records, codec=codec)
    judge(
        f"Avro, {codec}", [f"{codec}.avro"], f"avro_{codec}", "SELECT * FROM source",
        source_format=SourceFormat.AVRO, use_avro_logical_types=True,
    )
