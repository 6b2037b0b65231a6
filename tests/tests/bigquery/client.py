"""Google's client library, against the embedded BigQuery."""

import google.auth
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.cloud import bigquery, storage
from google.cloud.bigquery import LoadJobConfig, SchemaField, SchemaUpdateOption, SourceFormat

client = bigquery.Client(location="EU")
# With an emulator this client shows no credentials by itself, and the embedded GCS wants some.
credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/devstorage.read_write"])
bucket = storage.Client(credentials=credentials).bucket("landing")


def put(name, text):
    bucket.blob(name).upload_from_string(text)
    return f"gs://landing/{name}"


def load(uris, table, job_id=None, **options):
    options.setdefault("source_format", SourceFormat.NEWLINE_DELIMITED_JSON)
    return client.load_table_from_uri(uris, table, job_id=job_id, job_config=LoadJobConfig(**options))


def fails(kind, job):
    try:
        job.result()
    except kind as error:
        return error
    raise SystemExit("the job did not fail")


def rows(table, **options):
    return sorted(tuple(row.values()) for row in client.list_rows(table, **options))


dataset = client.create_dataset(bigquery.Dataset("causeway-demo.made"))
assert dataset.location == "EU", dataset.location
assert [found.dataset_id for found in client.list_datasets()] == ["made", "sales"]
table = bigquery.Table("causeway-demo.made.t", [SchemaField("id", "INTEGER", "REQUIRED"), SchemaField("at", "TIMESTAMP")])
table.description = "first"
table = client.create_table(table)
table.description = "second"
assert client.update_table(table, ["description"]).description == "second"
assert [found.table_id for found in client.list_tables("made")] == ["t"]

good = put("good.json", '{"id":1,"at":"2026-11-27T12:00:00.000001Z"}\n{"id":2}\n')
job = load(good, "made.t", job_id="first")
assert job.result().state == "DONE" and job.output_rows == 2 and job.input_files == 1, job._properties
assert [row["at"] and row["at"].isoformat() for row in client.list_rows("made.t")] == ["2026-11-27T12:00:00.000001+00:00", None]
assert rows("made.t", selected_fields=[SchemaField("id", "INTEGER")]) == [(1,), (2,)]
assert rows("made.t", max_results=1) and [r["id"] for r in client.list_rows("made.t", page_size=1)] == [1, 2]

# A known id: the job is the one that was.
try:
    load(good, "made.t", job_id="first")
    raise SystemExit("a known id was taken")
except Conflict as error:
    assert "Already Exists: Job" in str(error), error
assert client.get_job("first").state == "DONE"
try:
    client.get_job("first", location="US")
    raise SystemExit("a job was found in the wrong location")
except NotFound:
    pass

bad = put("bad.json", '{"id":3}\n{"id":"three"}\n')
job = load([good, bad], "made.t")
error = fails(BadRequest, job)
assert "JSON table encountered too many errors" in str(error), error
assert job.errors[2]["location"] == bad and "position 9" in job.errors[2]["message"], job.errors
assert fails(NotFound, load("gs://landing/missing", "made.t")).errors[0]["reason"] == "notFound"
assert client.get_table("made.t").num_rows == 2
job = load(bad, "made.t", max_bad_records=1)
assert job.result().output_rows == 1 and len(job.errors) == 1, job.errors

wider = put("wider.csv", "id,at,who\n4,,x\n")
csv = {"source_format": SourceFormat.CSV, "autodetect": True}
job = load(put("other.csv", "id,at\n1,\nx,\n"), "made.t", **csv)
fails(BadRequest, job)
assert 'line_number: 3' in job.errors[2]["message"] and 'column_name: "id" column_type: INT64 value: "x"' in job.errors[2]["message"], job.errors
load(wider, "made.t", **csv, schema_update_options=[SchemaUpdateOption.ALLOW_FIELD_ADDITION]).result()
assert [field.name for field in client.get_table("made.t").schema] == ["id", "at", "who"]
load(good, "made.t", write_disposition="WRITE_TRUNCATE", autodetect=True).result()
assert [field.field_type for field in client.get_table("made.t").schema] == ["TIMESTAMP", "INTEGER"]

# By arrival, into a partition, and its removal.
by_day = bigquery.Table("causeway-demo.made.days", [SchemaField("id", "INTEGER")])
by_day.time_partitioning = bigquery.TimePartitioning(type_="DAY")
client.create_table(by_day)
ids = put("ids.json", '{"id":1}\n')
for day in ("20261127", "20261128", "20261127"):
    load(ids, f"made.days${day}", write_disposition="WRITE_TRUNCATE").result()
assert client.get_table("made.days").num_rows == 2 and client.get_table("made.days$20261127").num_rows == 1
client.delete_table("made.days$20261127")
assert client.get_table("made.days").num_rows == 1

jobs = list(client.list_jobs(state_filter="done"))
assert len(jobs) >= 9 and jobs[-1].job_id == "first", [job.job_id for job in jobs]
client.delete_dataset("made", delete_contents=True)
assert [found.dataset_id for found in client.list_datasets()] == ["sales"]
